import { isAppError } from '../util/errors.ts'
import { CODEC_DEFLATE, CODEC_ZSTD, deflate } from './codecs.ts'
import type { Level } from './limits.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** Bytes as a codec made them. */
export interface EncodedPart {
  codec: number
  bytes: Uint8Array
}

/** zstd level 1 must beat level 3 by this factor on a sample before it replaces it. */
const FAST_WINS = 0.98
const TRIAL_BYTES = 128 * 1024

type Encoder = (plain: Uint8Array) => EncodedPart

/** Bytes of any kind as one part; it may be longer than `plain`. Without a zstd codec, and where that fails, deflate takes its place. */
export function encodeWhole(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined): EncodedPart {
  if (zstd === undefined) return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  try {
    return chooseEncoder(plain, level, zstd)(plain)
  } catch (error) {
    if (!isAppError(error)) throw error
    return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  }
}

/** On columns of numbers as text zstd level 1 often beats level 3, by up to a tenth; elsewhere level 3 wins by as much. A sample from the middle tells. */
function chooseEncoder(plain: Uint8Array, level: Level, zstd: ZstdCodec): Encoder {
  const by = (each: Level): Encoder => {
    return bytes => ({ codec: CODEC_ZSTD, bytes: zstd.compress(bytes, zstd.levels[each]) })
  }
  if (level !== 'balanced' || plain.length < 4 * TRIAL_BYTES) return by(level)
  const start = (plain.length - TRIAL_BYTES) >> 1
  const sample = plain.subarray(start, start + TRIAL_BYTES)
  const sizeBy = (each: Level): number => by(each)(sample).bytes.length
  return by(sizeBy('fast') < FAST_WINS * sizeBy('balanced') ? 'fast' : 'balanced')
}
