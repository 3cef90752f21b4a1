import * as zlib from 'node:zlib'
import { isAppError } from '../util/errors.ts'
import { chunkSizeFor, outputOf } from '../util/memory/zlib-output.ts'
import { CODEC_DEFLATE, CODEC_PAIRS, CODEC_RAW, CODEC_ZSTD, deflate, deflatePairs } from './codecs.ts'
import type { EncodedPart } from './encode-whole.ts'
import { symbolsOf } from './pairs.ts'
import { looksCompressed, spreadSample } from './sample.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** Encodes a plane. May throw AppError where its codec fails. */
export type Encode = (plane: Uint8Array) => EncodedPart

export interface Encoder {
  encode: Encode
  /** Its result is divided by this when it is compared with others. */
  handicap: number
  /**
   * How many bytes of its result do not grow with the plane; undefined where it is not worth a trial. Gets the sample's
   * symbols where they are few.
   */
  overhead?: (symbols: Uint8Array | undefined) => number | undefined
}

export interface BestEncoder {
  encode: Encode
  /** Its encoding of the sample; the sample itself where no encoder makes it smaller. */
  trial: EncodedPart
  /** The bytes of `trial`; those that do not grow with the plane count by the sample's share only. */
  size: number
}

const SAMPLE_WINDOWS = 6
const SAMPLE_WINDOW_BYTES = 8 * 1024
/** Deflate takes up to twice the time of zstd, in both directions: it must be smaller by this factor. */
const DEFLATE_WINS = 0.99

/**
 * Encodes one byte plane (1 to 4 MiB) with the encoder that makes a sample of it smallest. Planes of mantissas, which
 * are nearly random, are recognised by their entropy and stay raw without a trial. Where the codec fails, the plane is
 * stored raw: the result is never longer than the plane.
 */
export function encodePlane(plane: Uint8Array, zstd: ZstdCodec | undefined): EncodedPart {
  if (looksCompressed(plane)) return keep(plane)
  const sample = spreadSample(plane, SAMPLE_WINDOWS, SAMPLE_WINDOW_BYTES)
  const { encode, trial } = bestEncoder(sample, planeEncoders(zstd), sample.length / plane.length)
  return sample === plane ? trial : encodeBy(encode, plane)
}

/** The encoder that makes a plane smallest, judged by a sample that is this share of it. */
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

/** Raw where the codec fails or does not make the bytes smaller. */
export function encodeBy(encode: Encode, plane: Uint8Array): EncodedPart {
  const encoded = attempt(encode, plane)
  return encoded.bytes.length < plane.length ? encoded : keep(plane)
}

/** All encoders that a plane may be encoded with. */
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

/** Deflate without a search for repeats: for exponents. */
function huffman(plane: Uint8Array): EncodedPart {
  return deflateBy(zlib.constants.Z_HUFFMAN_ONLY, plane)
}

/** Deflate that only looks for runs of one byte: for the top planes of differences, which are zeros with few others. */
function runLengths(plane: Uint8Array): EncodedPart {
  return deflateBy(zlib.constants.Z_RLE, plane)
}

/** Pairs take less where there are any. */
const HUFFMAN = { encode: huffman, overhead: (symbols: Uint8Array | undefined) => (symbols ? undefined : 0) }

/** For digits. */
const PAIRS = { encode: pairs, overhead: pairsOverhead }

/** The symbols, and about five bits for the code of each pair. */
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
