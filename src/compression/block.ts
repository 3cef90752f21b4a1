import { equalBytes } from '../util/bytes.ts'
import { corrupt, isAppError } from '../util/errors.ts'
import type { PartLayout } from './codecs.ts'
import { checkPart, CODEC_DEFLATE, CODEC_RAW, CODEC_ZSTD, decodePart, deflate, newerFormat } from './codecs.ts'
import type { Level } from './limits.ts'
import { MAX_BLOCK_BYTES } from './limits.ts'
import { spreadSample } from './sample.ts'
import type { ZstdCodec, ZstdName } from './zstd-codec.ts'

/** Filter ids of blocks. Permanent: they are written into repositories. */
export const FILTER_NONE = 0

/** `compressed` is what `looksCompressed` said of a file: stored raw, after a look at the whole block. */
export type BlockKind = 'general' | 'compressed'

export interface BlockRequest {
  level: Level
  kind: BlockKind
}

/** How a block is stored, as its directory states it: the parts lie one after the other. */
export interface BlockLayout {
  filter: number
  /** What the filter needs to undo itself; empty for filter 0. */
  parameters: Uint8Array
  parts: readonly PartLayout[]
}

export interface EncodedBlock extends BlockLayout {
  /** The stored bytes of all parts. May be the plain bytes themselves. */
  bytes: Uint8Array
}

interface Candidate {
  codec: number
  bytes: Uint8Array
}

const NO_PARAMETERS = new Uint8Array(0)
const ZSTD_LEVEL = {
  native: { fast: 1, balanced: 3, max: 19 },
  portable: { fast: 1, balanced: 3, max: 9 },
} as const

/** zstd level 1 must beat level 3 by this factor on a sample before it replaces it. */
const FAST_WINS = 0.98
const TRIAL_BYTES = 128 * 1024
/** A block called compressed is compressed after all if a sample of it shrinks below this. */
const WORTH_COMPRESSING = 0.97

/** The most plain bytes that `encodeBlock` takes at a level: 4 MiB, or the 2 MiB that the portable codec can do at `max`. */
export function maxBlockBytes(level: Level, zstd: ZstdName | undefined): number {
  return level === 'max' && zstd === 'portable' ? MAX_BLOCK_BYTES / 2 : MAX_BLOCK_BYTES
}

/**
 * Encodes 1 to `maxBlockBytes(level)` bytes (else RangeError) and decodes them again before it returns, so that no fault of a codec can reach a
 * repository; what does not come back equal, or does not get smaller, is stored raw. Without a zstd codec deflate takes its place.
 */
export function encodeBlock(plain: Uint8Array, request: BlockRequest, zstd: ZstdCodec | undefined): EncodedBlock {
  const most = maxBlockBytes(request.level, zstd?.name)
  if (plain.length === 0 || plain.length > most) throw new RangeError(`a block has 1 to ${most} bytes, not ${plain.length}`)
  if (request.kind === 'compressed' && !worthCompressing(plain, zstd)) return rawBlock(plain)
  const candidate = compress(plain, request.level, zstd)
  if (candidate.bytes.length >= plain.length) return rawBlock(plain)
  const block = singlePart(candidate, plain.length)
  return decodesTo(plain, block, zstd) ? block : rawBlock(plain)
}

/**
 * The plain bytes of a block; where it is stored raw, a view of `stored`. `layout` may come from anywhere: it is checked before anything is allocated.
 * Throws `corrupt`, `newer-format` for a filter or codec that is not known here, `unsupported` where zstd is needed and missing.
 */
export function decodeBlock(layout: BlockLayout, stored: Uint8Array, zstd: ZstdCodec | undefined): Uint8Array {
  if (layout.filter !== FILTER_NONE) throw newerFormat(`A block with filter ${layout.filter}`)
  for (const part of layout.parts) checkPart(part)
  const [part, ...others] = layout.parts
  if (part === undefined || others.length > 0) throw corrupt('A block', `it has ${layout.parts.length} parts where its filter makes one`)
  if (layout.parameters.length > 0) throw corrupt('A block', 'it has parameters where its filter takes none')
  return decodePart(part, stored, zstd)
}

function compress(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined): Candidate {
  if (zstd === undefined) return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  try {
    return { codec: CODEC_ZSTD, bytes: zstd.compress(plain, chooseZstdLevel(plain, level, zstd)) }
  } catch (error) {
    if (!isAppError(error)) throw error
    return { codec: CODEC_DEFLATE, bytes: deflate(plain) }
  }
}

/** On columns of numbers as text level 1 often beats level 3, by up to a tenth; elsewhere level 3 wins by as much. A sample from the middle tells. */
function chooseZstdLevel(plain: Uint8Array, level: Level, zstd: ZstdCodec): number {
  const levels = ZSTD_LEVEL[zstd.name]
  if (level !== 'balanced' || plain.length < 4 * TRIAL_BYTES) return levels[level]
  const start = (plain.length - TRIAL_BYTES) >> 1
  const sample = plain.subarray(start, start + TRIAL_BYTES)
  const fast = zstd.compress(sample, levels.fast).length
  return fast < FAST_WINS * zstd.compress(sample, levels.balanced).length ? levels.fast : levels.balanced
}

function worthCompressing(plain: Uint8Array, zstd: ZstdCodec | undefined): boolean {
  const sample = spreadSample(plain, 16, 4096)
  return compress(sample, 'fast', zstd).bytes.length < WORTH_COMPRESSING * sample.length
}

function decodesTo(plain: Uint8Array, block: EncodedBlock, zstd: ZstdCodec | undefined): boolean {
  try {
    return equalBytes(decodeBlock(block, block.bytes, zstd), plain)
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}

function rawBlock(plain: Uint8Array): EncodedBlock {
  return singlePart({ codec: CODEC_RAW, bytes: plain }, plain.length)
}

function singlePart({ codec, bytes }: Candidate, plainLength: number): EncodedBlock {
  return { filter: FILTER_NONE, parameters: NO_PARAMETERS, parts: [{ codec, storedLength: bytes.length, plainLength }], bytes }
}
