import * as zlib from 'node:zlib'
import type { Filter } from '../chunking/layouts/hdf5-storage.ts'
import { refuse } from '../chunking/layouts/span.ts'

const DEFLATE = 1
const SHUFFLE = 2
const FLETCHER32 = 3
const LZF = 32000
const CHECKSUM_BYTES = 4
/** Names of filters that are not undone. */
const OTHERS: ReadonlyMap<number, string> = new Map([
  [4, 'szip'],
  [5, 'nbit'],
  [6, 'scaleoffset'],
  [32001, 'Blosc'],
  [32004, 'LZ4'],
  [32008, 'bitshuffle'],
  [32013, 'ZFP'],
  [32015, 'Zstandard'],
  [32026, 'Blosc2'],
])

/** The first filter that can't be undone, in a sentence; undefined if all can. */
export function unknownFilter(filters: readonly Filter[]): string | undefined {
  const strange = filters.find(({ id }) => ![DEFLATE, SHUFFLE, FLETCHER32, LZF].includes(id))
  return strange && `it is compressed with ${OTHERS.get(strange.id) ?? `the filter ${strange.id}`}`
}

/** Undoes the filters of a chunk of `length` bytes. If bit i of `mask` is set, filter i was left out. */
export function undoFilters(stored: Uint8Array, filters: readonly Filter[], mask: number, length: number): Uint8Array {
  let bytes = stored
  for (const [i, { id, values }] of [...filters.entries()].reverse()) {
    if (((mask >>> i) & 1) === 1) continue
    if (id === DEFLATE) bytes = inflate(bytes, length + CHECKSUM_BYTES)
    else if (id === SHUFFLE) bytes = unshuffle(bytes, values[0] ?? 1)
    else if (id === FLETCHER32) bytes = checked(bytes)
    else bytes = expandLzf(bytes, length + CHECKSUM_BYTES)
  }
  return bytes.length === length ? bytes : refuse('a chunk does not have its length')
}

/** The checksum stands behind the bytes. Version 1.6.2 of the library swapped the bytes of its halves. */
function checked(bytes: Uint8Array): Uint8Array {
  if (bytes.length < CHECKSUM_BYTES) refuse('a chunk has no checksum')
  const plain = bytes.subarray(0, -CHECKSUM_BYTES)
  const stated = Buffer.from(bytes.subarray(-CHECKSUM_BYTES))
  const sum = fletcher32(plain)
  return stated.readUInt32LE() === sum || stated.swap16().readUInt32LE() === sum ? plain : refuse('a chunk is not what its checksum says')
}

/** Fletcher's checksum of big-endian 16-bit words, modulo 65,535; a last odd byte is the upper half of a word. */
function fletcher32(bytes: Uint8Array): number {
  let [low, high] = [0, 0]
  for (let at = 0; at < bytes.length;) {
    // so many words keep both sums far below 2^53
    for (const end = Math.min(bytes.length, at + 65_536); at < end; at += 2) {
      low += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
      high += low
    }
    low = folded(low)
    high = folded(high)
  }
  return ((high << 16) | low) >>> 0
}

/** The remainder modulo 65,535, which is 65,535 for its multiples except 0. */
function folded(sum: number): number {
  return sum === 0 ? 0 : ((sum - 1) % 0xffff) + 1
}

function inflate(bytes: Uint8Array, most: number): Uint8Array {
  try {
    return zlib.inflateSync(bytes, { maxOutputLength: most })
  } catch {
    return refuse('a deflated chunk is damaged')
  }
}

/** Shuffled bytes are the first bytes of all elements, then the second ones, and so on; the rest comes last. */
function unshuffle(bytes: Uint8Array, width: number): Uint8Array {
  const count = Math.floor(bytes.length / width)
  if (width < 2 || count < 2) return bytes
  const plain = Uint8Array.from(bytes)
  for (let plane = 0, from = 0; plane < width; plane++) for (let to = plane; to < count * width; to += width) plain[to] = bytes[from++]!
  return plain
}

/** LZF of liblzf: runs of literals, and references to at most 8 KiB before. */
function expandLzf(bytes: Uint8Array, most: number): Uint8Array {
  const plain = new Uint8Array(most)
  let at = 0
  let to = 0
  const next = (): number => bytes[at++] ?? refuse('a compressed chunk has no end')
  while (at < bytes.length) {
    const control = next()
    if (control < 32) {
      const run = bytes.subarray(at, at + control + 1)
      if (run.length <= control || to + run.length > most) refuse('a compressed chunk is damaged')
      plain.set(run, to)
      to += run.length
      at += run.length
      continue
    }
    const length = 2 + (control < 224 ? control >> 5 : 7 + next())
    const from = to - ((control & 31) << 8) - next() - 1
    if (from < 0 || to + length > most) refuse('a compressed chunk is damaged')
    for (let i = 0; i < length; i++) plain[to++] = plain[from + i]!
  }
  return plain.subarray(0, to)
}
