import { isAppError } from '../util/errors.ts'
import { CODEC_DEFLATE, CODEC_ZSTD, deflate } from './codecs.ts'
import type { Level } from './limits.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** The output of a codec. */
export interface EncodedPart {
  codec: number
  bytes: Uint8Array
  /** How many of the bytes do not grow with the plain bytes, if these are many. */
  fixed?: number
}

/** zstd level 1 may replace level 3 if it is smaller by this factor on a sample. */
const FAST_WINS = 0.98
/** A higher level must be smaller by this factor than both of them: otherwise it only takes longer. */
const HIGHER_WINS = 0.97
const TRIAL_BYTES = 128 * 1024

/**
 * Encodes any bytes as one part, which may be longer than `plain`. Uses deflate if the zstd codec is missing or fails.
 */
export function encodeWhole(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined): EncodedPart {
  if (zstd === undefined) return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  try {
    const frames = levelsFor(plain, level, zstd).map(each => zstd.compress(plain, zstd.levels[each]))
    const bytes = frames.reduce((best, next) => (next.length < best.length ? next : best))
    return { codec: CODEC_ZSTD, bytes }
  } catch (error) {
    if (!isAppError(error)) throw error
    return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  }
}

/**
 * The levels of which the smallest result counts. A sample from the middle decides. Text and programs become about a
 * tenth smaller at a higher level. zstd level 1 often beats level 3 by up to a tenth on columns of numbers as text. But
 * where long repeats lie apart, level 3 wins, which no sample shows: so both are tried.
 */
function levelsFor(plain: Uint8Array, level: Level, zstd: ZstdCodec): (keyof ZstdCodec['levels'])[] {
  if (level === 'fast' || level === 'max' || plain.length <= TRIAL_BYTES) return [level]
  const bytes = Math.min(TRIAL_BYTES, plain.length >> 2)
  const start = (plain.length - bytes) >> 1
  const sample = plain.subarray(start, start + bytes)
  const sizeBy = (each: keyof ZstdCodec['levels']): number => zstd.compress(sample, zstd.levels[each]).length
  const balanced = sizeBy('balanced')
  const fast = sizeBy('fast')
  const higher = level === 'high' ? 'high' : 'text'
  if (sizeBy(higher) < HIGHER_WINS * Math.min(fast, balanced)) return [higher]
  return fast < FAST_WINS * balanced ? ['fast', 'balanced'] : ['balanced']
}
