/**
 * `length` bytes that look random and are the same everywhere: the low bytes of a Weyl sequence mixed by murmur3's
 * finaliser.
 */
export function seededBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed | 0
  for (let i = 0; i < length; i++) {
    state = (state + 0x9e3779b9) | 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    bytes[i] = mixed ^ (mixed >>> 16)
  }
  return bytes
}
