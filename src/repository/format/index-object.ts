import { MAX_OBJECT_BYTES } from '../../storage/storage.ts'
import { ByteReader, ByteWriter, ascii, equalBytes } from '../../util/bytes.ts'
import { corrupt } from '../../util/errors.ts'
import { HASH_BYTES, sha256Hex, toHex } from '../../util/hash.ts'
import { decodeDirectory, type Directory } from './directory.ts'
import { NONCE_BYTES, TRAILER_BYTES } from './pack.ts'

const MAGIC = ascii('CEI1')

export interface IndexedPack {
  id: string
  /** Bytes of the whole pack object. */
  size: number
  directoryBytes: Uint8Array
  /** Length of `directoryBytes`. It is set if these are made only when they are read. */
  directoryLength?: number
}

export interface IndexObject {
  packs: IndexedPack[]
  /** Ids of the indexes that this one supersedes. */
  supersedes: string[]
}

/**
 * `magic, varint packs, per pack (id, varint size, varint length + directory), varint count + superseded ids, nonce`.
 */
export function encodeIndex(index: IndexObject, nonce: Uint8Array): { id: string; bytes: Uint8Array } {
  const out = new ByteWriter(64 * 1024)
  out.put(MAGIC)
  out.varint(index.packs.length)
  for (const pack of index.packs) {
    out.put(Buffer.from(pack.id, 'hex'))
    out.varint(pack.size)
    out.varint(pack.directoryBytes.length)
    out.put(pack.directoryBytes)
  }
  out.varint(index.supersedes.length)
  for (const id of index.supersedes) out.put(Buffer.from(id, 'hex'))
  out.put(nonce)
  const bytes = out.finish()
  const id = sha256Hex(bytes)
  const readBack = decodeIndex(bytes, id)
  const same = readBack.packs.every(
    (pack, i) => pack.id === index.packs[i]!.id && equalBytes(pack.directoryBytes, index.packs[i]!.directoryBytes),
  )
  if (!same || readBack.packs.length !== index.packs.length || readBack.supersedes.join() !== index.supersedes.join())
    throw corrupt('A new index', 'it does not read back as it was written')
  return { id, bytes }
}

/**
 * Checks the SHA-256 of the bytes, and their structure. `decodeIndexedPack` decodes the directories later. Time and
 * memory: linear in the length of `bytes`.
 */
export function decodeIndex(bytes: Uint8Array, id: string): IndexObject {
  const what = `Index ${id.slice(0, 12)}`
  if (sha256Hex(bytes) !== id) throw corrupt(what, 'its content does not match the checksum in its name')
  const reader = new ByteReader(bytes, what)
  reader.expect(MAGIC, 'it does not begin as an index does')
  const packs: IndexedPack[] = []
  for (let left = reader.count(HASH_BYTES + 2, Number.MAX_SAFE_INTEGER); left > 0; left--) {
    const packId = toHex(reader.take(HASH_BYTES))
    const size = reader.varint(MAX_OBJECT_BYTES)
    packs.push({ id: packId, size, directoryBytes: reader.take(reader.count(1, MAX_OBJECT_BYTES)) })
  }
  const supersedes: string[] = []
  for (let left = reader.count(HASH_BYTES, Number.MAX_SAFE_INTEGER); left > 0; left--) supersedes.push(toHex(reader.take(HASH_BYTES)))
  reader.take(NONCE_BYTES)
  reader.finish()
  return { packs, supersedes }
}

/** True if two descriptions of a pack say the same. */
export function isSamePack(a: IndexedPack, b: IndexedPack): boolean {
  return a.size === b.size && equalBytes(a.directoryBytes, b.directoryBytes)
}

/** Throws `corrupt`. Time and memory: linear in the length of `directoryBytes`. */
export function decodeIndexedPack({ id, size, directoryBytes }: IndexedPack): Directory {
  const what = `The index entry of pack ${id.slice(0, 12)}`
  const directory = decodeDirectory(directoryBytes, what)
  if (directory.blockBytes + directoryBytes.length + TRAILER_BYTES !== size) throw corrupt(what, 'its blocks do not fill the pack')
  return directory
}
