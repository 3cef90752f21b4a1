/** Bytes that look random, the same for the same seed. */
export function seededNoise(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4)
  let state = (seed * 2654435761 + 1013904223) >>> 0 || 1
  for (let i = 0; i < bytes.length; i += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes.writeInt32LE(state, i)
  }
  return bytes.subarray(0, length)
}

/** Lines of numbers: compresses well, no two lines alike. */
export function seededText(seed: number, length: number): Buffer {
  const noise = seededNoise(seed, Math.ceil(length / 8) + 8)
  let text = ''
  for (let i = 0; text.length < length; i++) text += `${seed},${i},${noise.readUInt16LE((2 * i) % (noise.length - 1))}\n`
  return Buffer.from(text.slice(0, length))
}

/** Numbers from 0 to below 1, the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * `length` bytes that look random: the low bytes of a Weyl sequence mixed by murmur3's finaliser.
 * Golden repositories and the cut points of the kernels rest on them, so they never change; seededNoise is faster.
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
