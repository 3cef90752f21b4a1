import * as zlib from 'node:zlib'
import { isAppError } from '../util/errors.ts'
import { chunkSizeFor, outputOf } from '../util/memory/zlib-output.ts'
import { CODEC_DEFLATE, CODEC_PAIRS, CODEC_RAW, CODEC_ZSTD, deflate, deflatePairs } from './codecs.ts'
import type { EncodedPart } from './encode-whole.ts'
import { symbolsOf } from './pairs.ts'
import { looksCompressed, spreadSample } from './sample.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** May throw AppError where its codec fails. */
export type Encoder = (plane: Uint8Array) => EncodedPart

export interface Candidate {
  encode: Encoder
  /** What its result is divided by when it is compared with others. */
  handicap: number
  /** Bytes of its result that do not grow with what it encodes; undefined where it is not worth a trial. Told the sample's symbols where they are few. */
  overhead?: (symbols: Uint8Array | undefined) => number | undefined
}

export interface BestEncoder {
  encode: Encoder
  /** What it makes of the sample; the sample itself where nothing makes it smaller. */
  trial: EncodedPart
  /** Its bytes, without what would be the same for far more than the sample. */
  size: number
}

const SAMPLE_WINDOWS = 6
const SAMPLE_WINDOW_BYTES = 8 * 1024
/** Deflate takes up to twice the time of zstd, both ways: it must be smaller by this factor. */
const DEFLATE_WINS = 0.99

/**
 * Encodes one byte plane (1 to 4 MiB) with whatever makes a sample of it smallest. Planes of mantissas, nearly random, are recognised by their entropy
 * and stay raw at the price of a look. Where the codec fails, the plane is stored raw: the result is never longer than the plane.
 */
export function encodePlane(plane: Uint8Array, zstd: ZstdCodec | undefined): EncodedPart {
  if (looksCompressed(plane)) return keep(plane)
  const sample = spreadSample(plane, SAMPLE_WINDOWS, SAMPLE_WINDOW_BYTES)
  const { encode, trial } = bestEncoder(sample, planeEncoders(zstd), sample.length / plane.length)
  return sample === plane ? trial : encodeBy(encode, plane)
}

/** Which of the candidates makes what `sample` is a share of smallest. */
export function bestEncoder(sample: Uint8Array, candidates: readonly Candidate[], share = 1): BestEncoder {
  let best: BestEncoder = { encode: keep, trial: keep(sample), size: sample.length }
  let least = sample.length
  const symbols = symbolsOf(sample)
  for (const { encode, handicap, overhead = () => 0 } of candidates) {
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

/** Raw where the codec fails, and where it makes the bytes no smaller. */
export function encodeBy(encode: Encoder, plane: Uint8Array): EncodedPart {
  const encoded = attempt(encode, plane)
  return encoded.bytes.length < plane.length ? encoded : keep(plane)
}

/** Everything that a plane may be encoded with, beside staying as it is. */
export function planeEncoders(zstd: ZstdCodec | undefined): Candidate[] {
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

/** Deflate that looks for runs of one byte alone: for top planes of differences, zeros with a few others among them. */
function runLengths(plane: Uint8Array): EncodedPart {
  return deflateBy(zlib.constants.Z_RLE, plane)
}

/** Where there are pairs, they take less. */
const HUFFMAN = { encode: huffman, overhead: (symbols: Uint8Array | undefined) => (symbols ? undefined : 0) }

/** For digits. */
const PAIRS = { encode: pairs, overhead: pairsOverhead }

/** The symbols, and about five bits for the code of each pair of them. */
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

function attempt(encode: Encoder, plane: Uint8Array): EncodedPart {
  try {
    return encode(plane)
  } catch (error) {
    if (isAppError(error)) return keep(plane)
    throw error
  }
}
