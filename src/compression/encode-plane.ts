import * as zlib from 'node:zlib'
import { isAppError } from '../util/errors.ts'
import { chunkSizeFor, outputOf } from '../util/memory/zlib-output.ts'
import { CODEC_CONTEXTS, CODEC_DEFLATE, CODEC_RAW, CODEC_ZSTD, deflate } from './codecs.ts'
import { encodeContexts } from './contexts.ts'
import type { EncodedPart } from './encode-whole.ts'
import { entropyOf } from './entropy.ts'
import { looksCompressed, spreadSample } from './sample.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** Encodes a plane, or a sample that is this share of it. May throw AppError if its codec fails. */
export type Encode = (plane: Uint8Array, share?: number) => EncodedPart

export interface Encoder {
  encode: Encode
  /** The size of its result is divided by this for comparison. */
  handicap: number
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
/** Contexts take twice the time of zstd and deflate to decode. */
const CONTEXTS_WIN = 0.98
/** Contexts are not tried on a sample that became smaller than this share of its entropy: it repeats. */
const REPEATS = 0.35
/**
 * Contexts gain with the length of a plane, which has more tables than a sample of it. So where the best encoder of a
 * sample is not smaller than this share of them, both encode the whole plane.
 */
const NEARLY = 0.8

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
  let inContexts = Infinity
  for (const { encode, handicap } of encoders) {
    if (encode === contexts && least < REPEATS * entropyOf([sample])) continue
    const trial = attempt(encode, sample, share)
    if (trial.codec === CODEC_RAW) continue
    const size = trial.bytes.length - (trial.fixed ?? 0) * (1 - share)
    if (trial.codec === CODEC_CONTEXTS) inContexts = size
    if (size / handicap >= least) continue
    best = { encode, trial, size }
    least = size / handicap
  }
  const isNear = best.trial.codec !== CODEC_CONTEXTS && best.size > NEARLY * inContexts
  return share < 1 && isNear ? { ...best, encode: plane => smaller(attempt(best.encode, plane), contexts(plane)) } : best
}

const smaller = (part: EncodedPart, other: EncodedPart): EncodedPart =>
  other.bytes.length < CONTEXTS_WIN * part.bytes.length ? other : part

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
      { encode: runLengths, handicap: 1 },
      { encode: contexts, handicap: CONTEXTS_WIN },
    ]
  }
  return [
    ...zstd.searches.map(search => ({
      encode: (plane: Uint8Array) => ({ codec: CODEC_ZSTD, bytes: zstd.compress(plane, 1, search) }),
      handicap: 1,
    })),
    { encode: runLengths, handicap: DEFLATE_WINS },
    { encode: contexts, handicap: CONTEXTS_WIN },
  ]
}

/** Deflate with run-length matching only: for the top planes of differences, which are mostly zeros. */
function runLengths(plane: Uint8Array): EncodedPart {
  return deflateBy(zlib.constants.Z_RLE, plane)
}

/** For digits, exponents and steps: what comes next depends on what came before, but nothing repeats. */
function contexts(plane: Uint8Array, share?: number): EncodedPart {
  const coded = encodeContexts(plane, share)
  return coded ? { codec: CODEC_CONTEXTS, ...coded } : keep(plane)
}

function deflateBy(strategy: number, plane: Uint8Array): EncodedPart {
  const chunkSize = chunkSizeFor(plane.length)
  return { codec: CODEC_DEFLATE, bytes: outputOf(zlib.deflateRawSync(plane, { strategy, chunkSize, info: true })).bytes }
}

function keep(plane: Uint8Array): EncodedPart {
  return { codec: CODEC_RAW, bytes: plane }
}

function attempt(encode: Encode, plane: Uint8Array, share = 1): EncodedPart {
  try {
    return encode(plane, share)
  } catch (error) {
    if (isAppError(error)) return keep(plane)
    throw error
  }
}
