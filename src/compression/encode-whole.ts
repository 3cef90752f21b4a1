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

/** zstd level 1 replaces level 3 if it is smaller by this factor on a sample. */
const FAST_WINS = 0.98
/** The level `high` must be smaller by this factor than both of them: otherwise it only takes longer. */
const HIGH_WINS = 0.97
const TRIAL_BYTES = 128 * 1024

type Encode = (plain: Uint8Array) => EncodedPart

/**
 * Encodes any bytes as one part, which may be longer than `plain`. Uses deflate if the zstd codec is missing or fails.
 */
export function encodeWhole(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined): EncodedPart {
  if (zstd === undefined) return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  try {
    return chooseEncoder(plain, level, zstd)(plain)
  } catch (error) {
    if (!isAppError(error)) throw error
    return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  }
}

/**
 * zstd level 1 often beats level 3 by up to a tenth on columns of numbers as text. Elsewhere level 3 wins by as much. A
 * sample from the middle decides.
 */
function chooseEncoder(plain: Uint8Array, level: Level, zstd: ZstdCodec): Encode {
  const by = (each: Level): Encode => {
    return bytes => ({ codec: CODEC_ZSTD, bytes: zstd.compress(bytes, zstd.levels[each]) })
  }
  if (level === 'fast' || level === 'max' || plain.length < 4 * TRIAL_BYTES) return by(level)
  const start = (plain.length - TRIAL_BYTES) >> 1
  const sample = plain.subarray(start, start + TRIAL_BYTES)
  const sizeBy = (each: Level): number => by(each)(sample).bytes.length
  const balanced = sizeBy('balanced')
  const fast = sizeBy('fast')
  if (level === 'high' && sizeBy('high') < HIGH_WINS * Math.min(fast, balanced)) return by('high')
  return by(fast < FAST_WINS * balanced ? 'fast' : 'balanced')
}
