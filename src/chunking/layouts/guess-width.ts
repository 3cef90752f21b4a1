import { LOG_UNITS, nLogN } from '../../util/n-log-n.ts'
import { type ReadAt, readExactly, type TensorSpan } from './span.ts'

type Width = TensorSpan['width']

/** Numbers that were found by a look at the bytes. */
export interface GuessedNumbers {
  /** Bytes per number. */
  width: Exclude<Width, 1>
  /** Where the first whole number may begin: bit k is set if byte k is as good a place as any. */
  phases: number
  /** The first of these places. */
  phase: number
  /** The share of the order-0 entropy that planes save. */
  gain: number
}

/** A shorter sample is too short to estimate its entropy. */
const MIN_PLANE_BYTES = 1024
const WINDOWS = 3
const WINDOW_BYTES = 8 * 1024
/** The windows of a chunk that is cut by content. */
const CHUNK_WINDOWS = 4
const CHUNK_WINDOW_BYTES = 4 * 1024
const WIDTHS: readonly Width[] = [2, 4, 8]
/** Bits per byte that planes must save, compared with unsplit bytes. */
const MIN_GAIN = 0.2
/** Bits per byte that a width must save, compared with a smaller width. */
const MIN_FURTHER_GAIN = 0.05
/** Bits by which one place for the first number must be better than another to rule that out. */
const CLEAR_PHASE = 0.3

/** So many bytes of a chunk tell whether it may be text. */
const TEXT_BYTES = 64

/** How often each byte occurs in the sample: by its place modulo 8, 4, 2 and 1. */
const counts: Readonly<Record<Width, Uint32Array>> = {
  8: new Uint32Array(8 * 256),
  4: new Uint32Array(4 * 256),
  2: new Uint32Array(2 * 256),
  1: new Uint32Array(256),
}
/** The sample of a chunk. */
const chunkSample = new Uint8Array(CHUNK_WINDOWS * CHUNK_WINDOW_BYTES)
/**
 * Guesses the width of the elements of `sample`, which begins with a whole element. Returns 1 if no width makes its
 * byte planes clearly more regular than the unsplit bytes.
 */
export function guessWidth(sample: Uint8Array): Width {
  countPlaces(sample)
  let best: Width = 1
  let bestBits = meanBits(sample.length, 1) - MIN_GAIN
  for (const width of WIDTHS) {
    if (sample.length < width * MIN_PLANE_BYTES) break
    const bits = meanBits(sample.length, width)
    if (bits > bestBits) continue
    best = width
    bestBits = bits - MIN_FURTHER_GAIN
  }
  return best
}

/** `guessWidth` for samples from the bytes [offset, offset + length) of a file. */
export async function guessWidthAt(offset: number, length: number, read: ReadAt): Promise<Width> {
  if (length <= WINDOWS * WINDOW_BYTES) return guessWidth(await readExactly(read, offset, length))
  const sample = new Uint8Array(WINDOWS * WINDOW_BYTES)
  for (let i = 0; i < WINDOWS; i++) {
    sample.set(await readExactly(read, offset + windowStart(i, WINDOWS, WINDOW_BYTES, length), WINDOW_BYTES), i * WINDOW_BYTES)
  }
  return guessWidth(sample)
}

/**
 * Whether a chunk of any file holds numbers, by a sample of 16 KiB, in about 20 µs. A chunk that is cut by content may
 * begin within a number. The bytes alone decide, so the same chunk is the same everywhere.
 */
export function guessNumbers(chunk: Uint8Array): GuessedNumbers | undefined {
  if (seemsText(chunk)) return undefined
  let sample = chunk
  if (chunk.length > chunkSample.length) {
    sample = chunkSample
    for (let i = 0; i < CHUNK_WINDOWS; i++) {
      const start = windowStart(i, CHUNK_WINDOWS, CHUNK_WINDOW_BYTES, chunk.length)
      sample.set(chunk.subarray(start, start + CHUNK_WINDOW_BYTES), i * CHUNK_WINDOW_BYTES)
    }
  }
  const width = guessWidth(sample)
  if (width === 1) return undefined
  const phases = phasesOf(sample.length, width)
  return { width, phases, phase: 31 - Math.clz32(phases & -phases), gain: 1 - meanBits(sample.length, width) / meanBits(sample.length, 1) }
}

/** Of numbers, hardly all of 64 bytes are letters, digits and other signs of ASCII, or blanks. */
function seemsText(chunk: Uint8Array): boolean {
  const step = Math.max(1, Math.floor(chunk.length / TEXT_BYTES))
  for (let i = step >> 1; i < chunk.length; i += step) {
    const byte = chunk[i]!
    if (byte > 0x7e || (byte < 0x20 && (byte < 0x09 || byte > 0x0d))) return false
  }
  return true
}

/**
 * The high bytes of numbers are more regular than their low bytes, and come last in a little-endian number. (A
 * big-endian number seems to begin at its second byte, which does no harm: planes are the same in another order.)
 */
function phasesOf(length: number, width: Exclude<Width, 1>): number {
  const bits = planeBits(length, width)
  const disorder = bits.map((_, phase) => bits.reduce((sum, _, k) => sum + (k + 1) * bits[(phase + k) % width]!, 0))
  const least = Math.min(...disorder)
  return disorder.reduce((mask, value, phase) => (value < least + CLEAR_PHASE ? mask | (1 << phase) : mask), 0)
}

/** The offset of a window: a multiple of 8. */
function windowStart(number: number, windows: number, windowBytes: number, length: number): number {
  const start = Math.floor(((number + 0.5) * length) / windows - windowBytes / 2)
  return start - (start % 8)
}

function countPlaces(sample: Uint8Array): void {
  const places = counts[8].fill(0)
  for (let i = 0; i < sample.length; i++) places[((i & 7) << 8) | sample[i]!]!++
  fold(counts[8], counts[4])
  fold(counts[4], counts[2])
  fold(counts[2], counts[1])
}

/** Adds the counts of the places that are one where there are half as many. */
function fold(from: Uint32Array, to: Uint32Array): void {
  for (let i = 0; i < to.length; i++) to[i] = from[i]! + from[i + to.length]!
}

function meanBits(length: number, width: Width): number {
  return planeBits(length, width).reduce((sum, bits) => sum + bits, 0) / width
}

/**
 * The order-0 entropy of each byte plane of the counted bytes, in bits per byte, with the Miller-Madow correction for
 * short samples.
 */
function planeBits(length: number, width: Width): number[] {
  const count = Math.floor(length / width)
  const occurrences = counts[width]
  const bits: number[] = []
  for (let plane = 0; plane < width; plane++) {
    let total = 0
    let distinct = 0
    for (let i = plane << 8; i < (plane + 1) << 8; i++) {
      const n = occurrences[i]!
      if (n === 0) continue
      total += nLogN(n)
      distinct++
    }
    bits.push(Math.log2(count) - total / LOG_UNITS / count + (distinct - 1) / (2 * count * Math.LN2))
  }
  return bits
}
