import * as zlib from 'node:zlib'
import { isAppError } from '../util/errors.ts'
import { chunkSizeFor, outputOf } from '../util/memory/zlib-output.ts'
import { CODEC_DEFLATE, CODEC_PAIRS, CODEC_RAW, CODEC_ZSTD, deflate, deflatePairs } from './codecs.ts'
import type { EncodedPart } from './encode-whole.ts'
import { symbolsOf } from './pairs.ts'
import { looksCompressed, spreadSample } from './sample.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** Encodes a plane. May throw AppError if its codec fails. */
export type Encode = (plane: Uint8Array) => EncodedPart

export interface Encoder {
  encode: Encode
  /** The size of its result is divided by this for comparison. */
  handicap: number
  /**
   * How many bytes of its result do not grow with the plane; undefined if a trial is not worthwhile. Gets the sample's
   * symbols if there are few.
   */
  overhead?: (symbols: Uint8Array | undefined) => number | undefined
}

export interface BestEncoder {
  encode: Encode
  /** The encoded sample; the sample itself if no encoder makes it smaller. */
  trial: EncodedPart
  /** The bytes of `trial`. Bytes that do not grow with the plane count only by the sample's share. */
  size: number
}

const SAMPLE_WINDOWS = 6
const SAMPLE_WINDOW_BYTES = 8 * 1024
/** Deflate takes up to twice the time of zstd in both directions, so it must be smaller by this factor. */
const DEFLATE_WINS = 0.99

/**
 * Encodes one byte plane (1 to 4 MiB) with the encoder that makes a sample of it smallest. Mantissa planes are nearly
 * random: they are recognised by their entropy and stay raw without a trial. If the codec fails, the plane is stored
 * raw. The result is never longer than the plane.
 */
export function encodePlane(plane: Uint8Array, zstd: ZstdCodec | undefined): EncodedPart {
  if (looksCompressed(plane)) return keep(plane)
  const sample = spreadSample(plane, SAMPLE_WINDOWS, SAMPLE_WINDOW_BYTES)
  const { encode, trial } = bestEncoder(sample, planeEncoders(zstd), sample.length / plane.length)
  return sample === plane ? trial : encodeBy(encode, plane)
}

/** The encoder that makes a sample smallest. The sample is this share of the plane. */
export function bestEncoder(sample: Uint8Array, encoders: readonly Encoder[], share = 1): BestEncoder {
  let best: BestEncoder = { encode: keep, trial: keep(sample), size: sample.length }
  let least = sample.length
  const symbols = symbolsOf(sample)
  for (const { encode, handicap, overhead = () => 0 } of encoders) {
    const fixed = overhead(symbols)
    if (fixed === undefined) continue
    const trial = attempt(encode, sample)
    const size = trial.bytes.length - fixed * (1 - share)
    if (trial.codec === CODEC_RAW || size / handicap >= least) continue
    best = { encode, trial, size }
    least = size / handicap
  }
  return best
}

/** Raw if the codec fails or does not make the bytes smaller. */
export function encodeBy(encode: Encode, plane: Uint8Array): EncodedPart {
  const encoded = attempt(encode, plane)
  return encoded.bytes.length < plane.length ? encoded : keep(plane)
}

/** All encoders that are tried for a plane. */
export function planeEncoders(zstd: ZstdCodec | undefined): Encoder[] {
  if (zstd === undefined) {
    return [
      { encode: plane => ({ codec: CODEC_DEFLATE, bytes: deflate(plane) }), handicap: 1 },
      { ...HUFFMAN, handicap: 1 },
      { encode: runLengths, handicap: 1 },
      { ...PAIRS, handicap: 1 },
    ]
  }
  return [
    ...zstd.searches.map(search => ({
      encode: (plane: Uint8Array) => ({ codec: CODEC_ZSTD, bytes: zstd.compress(plane, 1, search) }),
      handicap: 1,
    })),
    { ...HUFFMAN, handicap: DEFLATE_WINS },
    { encode: runLengths, handicap: DEFLATE_WINS },
    { ...PAIRS, handicap: DEFLATE_WINS },
  ]
}

/** Deflate without matching: for exponents. */
function huffman(plane: Uint8Array): EncodedPart {
  return deflateBy(zlib.constants.Z_HUFFMAN_ONLY, plane)
}

/** Deflate with run-length matching only: for the top planes of differences, which are mostly zeros. */
function runLengths(plane: Uint8Array): EncodedPart {
  return deflateBy(zlib.constants.Z_RLE, plane)
}

/** Not tried if the symbols are few enough for pairs, which are smaller. */
const HUFFMAN = { encode: huffman, overhead: (symbols: Uint8Array | undefined) => (symbols ? undefined : 0) }

/** For digits. */
const PAIRS = { encode: pairs, overhead: pairsOverhead }

/** Bytes of the symbols, and about five bits for the code of each pair. */
function pairsOverhead(symbols: Uint8Array | undefined): number | undefined {
  const count = symbols?.length
  return count && 1 + count + 0.6 * count ** 2
}

function pairs(plane: Uint8Array): EncodedPart {
  const bytes = deflatePairs(plane)
  return bytes ? { codec: CODEC_PAIRS, bytes } : huffman(plane)
}

function deflateBy(strategy: number, plane: Uint8Array): EncodedPart {
  const chunkSize = chunkSizeFor(plane.length)
  return { codec: CODEC_DEFLATE, bytes: outputOf(zlib.deflateRawSync(plane, { strategy, chunkSize, info: true })).bytes }
}

function keep(plane: Uint8Array): EncodedPart {
  return { codec: CODEC_RAW, bytes: plane }
}

function attempt(encode: Encode, plane: Uint8Array): EncodedPart {
  try {
    return encode(plane)
  } catch (error) {
    if (isAppError(error)) return keep(plane)
    throw error
  }
}
