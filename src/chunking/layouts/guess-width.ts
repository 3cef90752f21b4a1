import { type ReadAt, readExactly, type TensorSpan } from './span.ts'

type Width = TensorSpan['width']

/** A shorter sample is too short to estimate its entropy. */
const MIN_PLANE_BYTES = 1024
const WINDOWS = 3
const WINDOW_BYTES = 8 * 1024
const WIDTHS: readonly Width[] = [2, 4, 8]
/** Bits per byte that planes must save, compared with unsplit bytes. */
const MIN_GAIN = 0.2
/** Bits per byte that a width must save, compared with a smaller width. */
const MIN_FURTHER_GAIN = 0.05

const counts = new Uint32Array(256)

/**
 * Guesses the width of the elements of `sample`, which begins with a whole element. Returns 1 if no width makes its
 * byte planes clearly more regular than the unsplit bytes.
 */
export function guessWidth(sample: Uint8Array): Width {
  let best: Width = 1
  let bestBits = planeBits(sample, 1) - MIN_GAIN
  for (const width of WIDTHS) {
    if (sample.length < width * MIN_PLANE_BYTES) break
    const bits = planeBits(sample, width)
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
    const start = Math.floor(((i + 0.5) * length) / WINDOWS - WINDOW_BYTES / 2)
    sample.set(await readExactly(read, offset + start - (start % 8), WINDOW_BYTES), i * WINDOW_BYTES)
  }
  return guessWidth(sample)
}

/** The mean order-0 entropy of the byte planes in bits per byte, with the Miller-Madow correction for short samples. */
function planeBits(sample: Uint8Array, width: number): number {
  const count = Math.floor(sample.length / width)
  let total = 0
  for (let plane = 0; plane < width; plane++) {
    counts.fill(0)
    for (let i = 0, at = plane; i < count; i++, at += width) counts[sample[at]!]!++
    let weighted = 0
    let distinct = 0
    for (const occurrences of counts) {
      if (occurrences === 0) continue
      weighted += occurrences * Math.log2(occurrences)
      distinct++
    }
    total += Math.log2(count) - weighted / count + (distinct - 1) / (2 * count * Math.LN2)
  }
  return total / width
}
