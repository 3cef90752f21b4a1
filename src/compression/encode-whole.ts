import { isAppError } from '../util/errors.ts'
import { CODEC_DEFLATE, CODEC_ZSTD, deflate, deflateColumns } from './codecs.ts'
import type { Level } from './limits.ts'
import type { ZstdCodec } from './zstd-codec.ts'

/** Bytes as a codec made them. */
export interface EncodedPart {
  codec: number
  bytes: Uint8Array
}

export const ZSTD_LEVEL = {
  native: { fast: 1, balanced: 3, max: 19 },
  portable: { fast: 1, balanced: 3, max: 9 },
} as const

/** zstd level 1 must beat level 3 by this factor on a sample before it replaces it. */
const FAST_WINS = 0.98
/** And deflate, at half its speed, zstd level 1. */
const COLUMNS_WIN = 0.97
const TRIAL_BYTES = 128 * 1024

type Encoder = (plain: Uint8Array) => EncodedPart

/** Bytes of any kind as one part; it may be longer than `plain`. Without a zstd codec, and where that fails, deflate takes its place. */
export function encodeWhole(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined, zstdOnly = false): EncodedPart {
  if (zstd === undefined) return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  try {
    return chooseEncoder(plain, level, zstd, zstdOnly)(plain)
  } catch (error) {
    if (!isAppError(error)) throw error
    return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  }
}

/**
 * On columns of numbers as text zstd level 1 often beats level 3, by up to a tenth; elsewhere level 3 wins by as much. Where level 1 wins, deflate without short
 * repeats wins by another twentieth, and is worth its time beside the portable codec; the native one is far faster. A sample from the middle tells.
 */
function chooseEncoder(plain: Uint8Array, level: Level, zstd: ZstdCodec, zstdOnly: boolean): Encoder {
  const levels = ZSTD_LEVEL[zstd.name]
  const by = (each: Level): Encoder => {
    return bytes => ({ codec: CODEC_ZSTD, bytes: zstd.compress(bytes, levels[each]) })
  }
  if (level !== 'balanced' || plain.length < 4 * TRIAL_BYTES) return by(level)
  const start = (plain.length - TRIAL_BYTES) >> 1
  const sample = plain.subarray(start, start + TRIAL_BYTES)
  const sizeBy = (encode: Encoder): number => encode(sample).bytes.length
  const fast = sizeBy(by('fast'))
  if (fast >= FAST_WINS * sizeBy(by('balanced'))) return by('balanced')
  return !zstdOnly && zstd.name === 'portable' && sizeBy(columns) < COLUMNS_WIN * fast ? columns : by('fast')
}

function columns(plain: Uint8Array): EncodedPart {
  return { codec: CODEC_DEFLATE, bytes: deflateColumns(plain) }
}
