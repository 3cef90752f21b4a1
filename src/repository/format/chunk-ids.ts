import { HASH_BYTES } from '../../util/hash.ts'

/*
 * A list of chunk ids is one byte array: the ids (SHA-256) one after the other, with no object for each. A lookup takes
 * the list and the offset of an id in it.
 */

/** How many ids a list has. */
export function idCount(ids: Uint8Array): number {
  return ids.length / HASH_BYTES
}

/** The id with this number: a view, not a copy. */
export function idAt(ids: Uint8Array, number: number): Uint8Array {
  return ids.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES)
}

/** True if `test` holds for each id of a list. `test` gets the offset of the id. The first failure ends the loop. */
export function everyId(ids: Uint8Array, test: (offset: number) => boolean): boolean {
  for (let offset = 0; offset < ids.length; offset += HASH_BYTES) if (!test(offset)) return false
  return true
}

/** Makes a list of ids from their texts in hex. */
export function idsFromHex(ids: readonly string[]): Buffer {
  return Buffer.from(ids.join(''), 'hex')
}
