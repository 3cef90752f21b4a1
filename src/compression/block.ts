/*
 * Encodes and decodes blocks: codecs, filters, the choice among them, and the pool of threads. It knows bytes and
 * element types, but no chunks, packs or files.
 */

import { equalBytes } from '../util/bytes.ts'
import type { ElementType } from '../util/element-type.ts'
import { corrupt, isAppError, newerFormat } from '../util/errors.ts'
import { freeUnusedBuffers } from '../util/memory/unused-memory.ts'
import type { BlockBase, Coding, Method } from './choose-filter.ts'
import { chooseFilter, splitOfNumbers } from './choose-filter.ts'
import type { PartLayout } from './codecs.ts'
import { FILTER_CODED_DELTA, readCodedDelta } from './coded-delta.ts'
import { FILTER_CODED_FLOATS, readCodedFloats, segmentsOf } from './coded-floats.ts'
import { contextsOf, FILTER_CODED_MATRICES, type Matrix, readCodedMatrices, unpackMeans } from './coded-matrices.ts'
import { checkPart, CODEC_NUMBERS, CODEC_RAW, decodePart } from './codecs.ts'
import { elementTypeId } from './element-type-ids.ts'
import { encodeCopies } from './encode-copies.ts'
import { encodeFields } from './encode-fields.ts'
import { encodePlane } from './encode-plane.ts'
import { type EncodedPart, encodeWhole } from './encode-whole.ts'
import { isFields, joinFields } from './fields.ts'
import { FILTER_NONE, FILTER_SCALED, joinPlanes, parameterCount, planeLengths, type PlaneWidth } from './filters.ts'
import type { Table } from './find-table.ts'
import type { Level } from './limits.ts'
import { MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES } from './limits.ts'
import { decodeNumbers, encodeNumbers } from './numbers.ts'
import { isRecords, joinRecords } from './records.ts'
import { repeatedShare } from './repeats.ts'
import { spreadSample } from './sample.ts'
import { joinScaled } from './scaled.ts'
import type { ZstdCodec } from './zstd/codec.ts'

export { FILTER_NONE } from './filters.ts'
export type { BlockBase } from './choose-filter.ts'
export type { Matrix } from './coded-matrices.ts'

/**
 * `compressed`: the file is likely compressed (`looksCompressed`), so the block is stored raw unless a sample of it
 * shrinks. `tensor`: elements of one type.
 */
export type BlockKind = 'general' | 'compressed' | 'tensor'

export interface BlockRequest {
  level: Level
  kind: BlockKind
  /** Without codec copies, for a reader of other files than packs. */
  withoutCopies?: boolean
  /** For general content: the table found by `findTable`. */
  table?: Table | undefined
  /** For general content that looks like numbers: how many bytes each has, and where the first whole one begins. */
  numbers?: { width: PlaneWidth; phase: number } | undefined
  /** For a tensor: its element type. */
  element?: ElementType | undefined
  /** For a tensor of records: where in the block the first whole one begins. */
  start?: number | undefined
  /**
   * For a tensor of floats: the matrices that its elements make up, as far as the shapes of tensors tell. Those with 0
   * columns have an unknown shape, or only one dimension.
   */
  matrices?: readonly Matrix[] | undefined
  /**
   * For a tensor: the bytes that it may be predicted from. The filter of the result shows whether they were used: see
   * `usesBase`.
   */
  base?: BlockBase | undefined
  /**
   * With a base: the lengths of the block's chunks. Each chunk then needs only its own part of the base. By default one
   * chunk.
   */
  chunkLengths?: readonly number[] | undefined
}

/** The layout of a stored block, as the pack's directory states it. Its parts are stored one after the other. */
export interface BlockLayout {
  filter: number
  /** Parameters that undo the filter. The id of the element type may follow. */
  parameters: Uint8Array
  parts: readonly PartLayout[]
}

export interface EncodedBlock extends BlockLayout {
  /** The stored bytes of all parts. May be the plain bytes themselves. */
  bytes: Uint8Array
}

interface Encoding {
  filter: number
  parameters: Uint8Array
  /** Each part with its plain bytes. */
  parts: { plain: Uint8Array; encoded: EncodedPart }[]
}

const NO_PARAMETERS = new Uint8Array(0)
/** A block of a compressed file is compressed only if a sample of it shrinks below this share. */
const WORTH_COMPRESSING = 0.97
/** ... or if at least this share of it repeats. */
const REPEATS_PAY = 0.02
/** Where this share of a block of numbers repeats, a sample can't tell whether planes are smaller. */
const MAY_REPEAT = 0.05

/**
 * Encodes 1 to `MAX_BLOCK_BYTES` bytes, or to `MAX_LONG_BLOCK_BYTES` if `mayBeLong` (else RangeError). Decodes the
 * result before it returns, so that no fault of a codec can reach a repository. A block that decodes to other bytes, or
 * does not get smaller, is stored raw. Without a zstd codec it uses deflate.
 */
export function encodeBlock(plain: Uint8Array, request: BlockRequest, zstd: ZstdCodec | undefined): EncodedBlock {
  const most = mayBeLong(request) ? MAX_LONG_BLOCK_BYTES : MAX_BLOCK_BYTES
  if (plain.length === 0 || plain.length > most) throw new RangeError(`a block has 1 to ${most} bytes, not ${plain.length}`)
  const block = encodeFiltered(plain, request, zstd)
  if (block) {
    // frees memory of trials before decoding needs as much again
    freeUnusedBuffers(plain.length)
    if (block.bytes.length < plain.length && decodesTo(plain, block, zstd, request)) return block
  }
  const raw: EncodedPart = { codec: CODEC_RAW, bytes: plain }
  return assemble({ filter: FILTER_NONE, parameters: withElementType(NO_PARAMETERS, request), parts: [{ plain, encoded: raw }] })
}

/** Whether a block of such content may be a long one. */
export function mayBeLong({ kind, withoutCopies = false, table, numbers }: Omit<BlockRequest, 'level'>): boolean {
  return kind !== 'tensor' && !withoutCopies && table === undefined && numbers === undefined
}

function encodeFiltered(plain: Uint8Array, request: BlockRequest, zstd: ZstdCodec | undefined): EncodedBlock | undefined {
  const encoding = request.kind === 'tensor' ? encodeTensor(plain, request, zstd) : encodeOther(plain, request, zstd)
  return encoding && assemble(encoding)
}

/**
 * The plain bytes of a block; a view of `stored` if the block is stored raw. `layout` is not trusted: it is checked
 * before anything is allocated. If the filter needs a base, `base` holds the concatenated bases of the block's chunks,
 * and `chunkLengths` the lengths of the chunks. Throws `corrupt`; `newer-format` for an unknown filter or codec;
 * `unsupported` if zstd is needed and missing. Time and memory: linear in the stored and the plain length, which is at
 * most 16 MiB.
 */
export function decodeBlock(
  layout: BlockLayout,
  stored: Uint8Array,
  zstd: ZstdCodec | undefined,
  base?: Uint8Array,
  chunkLengths?: readonly number[],
): Uint8Array {
  const plain = decodeInPlace(layout, stored, zstd, base, chunkLengths)
  return layout.filter === FILTER_NONE ? plain : plain.slice()
}

/**
 * Like `decodeBlock`. But the result of undoing a filter is in the filters' memory, and valid only until their next
 * use.
 */
function decodeInPlace(
  layout: BlockLayout,
  stored: Uint8Array,
  zstd: ZstdCodec | undefined,
  base: Uint8Array | undefined,
  chunkLengths: readonly number[] | undefined,
): Uint8Array {
  const { filter, parameters, parts } = layout
  if (!isFields(filter) && !isRecords(filter) && parameterCount(filter, parameters) === undefined)
    throw newerFormat(`A block with filter ${filter}`)
  for (const part of parts) checkPart(part)
  if (filter === FILTER_NONE) {
    const [part, ...others] = parts
    if (part === undefined || others.length > 0) throw corrupt('A block', `it has ${parts.length} parts where its filter makes one`)
    if (parameters.length > 1) throw corrupt('A block', 'it has parameters where its filter takes none')
    return decodePart(part, stored, zstd)
  }
  const plainLength = parts.reduce((sum, part) => sum + part.plainLength, 0)
  if (plainLength > MAX_BLOCK_BYTES) throw corrupt('A block', `it would have ${plainLength} bytes`)
  if (isFields(filter)) return joinFields({ filter, parameters, streams: decodeParts(parts, stored, zstd) })
  if (isRecords(filter)) return joinRecords({ filter, parameters, planes: decodeParts(parts, stored, zstd) }, base)
  if (filter === FILTER_SCALED) return joinScaled({ parameters, planes: decodeParts(parts, stored, zstd) })
  if ([FILTER_CODED_DELTA, FILTER_CODED_FLOATS, FILTER_CODED_MATRICES].includes(filter))
    return joinNumbers(layout, stored, base, chunkLengths)
  const lengths = planeLengths(filter, parameters, plainLength)
  if (lengths.length !== parts.length || !parts.every((part, i) => part.plainLength === lengths[i])) {
    throw corrupt('A block', 'its parts are not what its filter makes')
  }
  return joinPlanes({ filter, parameters, planes: decodeParts(parts, stored, zstd) }, base, chunkLengths)
}

function joinNumbers(
  { filter, parameters, parts }: BlockLayout,
  stored: Uint8Array,
  base: Uint8Array | undefined,
  chunkLengths: readonly number[] | undefined,
): Uint8Array {
  const [part, ...others] = parts
  if (part?.codec !== CODEC_NUMBERS || others.length > 0 || part.storedLength !== stored.length) {
    throw corrupt('A block', 'its parts are not what its filter makes')
  }
  const { plainLength } = part
  if (filter === FILTER_CODED_FLOATS) {
    const floats = readCodedFloats(parameters, plainLength)
    return decodeNumbers(stored, floats.model, [plainLength], segmentsOf(plainLength, floats))
  }
  if (filter === FILTER_CODED_MATRICES) {
    const coded = readCodedMatrices(parameters, plainLength)
    const { means, length } = unpackMeans(stored, coded)
    return decodeNumbers(stored.subarray(length), coded.model, [plainLength], contextsOf(coded, means))
  }
  const model = readCodedDelta(parameters)
  if (base?.length !== plainLength) throw corrupt('A block', `its base has ${base?.length ?? 0} bytes where ${plainLength} are needed`)
  return decodeNumbers(stored, model, chunkLengths ?? [plainLength], base)
}

function decodeParts(parts: readonly PartLayout[], stored: Uint8Array, zstd: ZstdCodec | undefined): Uint8Array[] {
  let at = 0
  const plain = parts.map(part => decodePart(part, stored.subarray(at, (at += part.storedLength)), zstd))
  if (at !== stored.length) throw corrupt('A block', `${stored.length} bytes were read where ${at} are stored`)
  return plain
}

function encodeOther(plain: Uint8Array, request: BlockRequest, zstd: ZstdCodec | undefined): Encoding | undefined {
  const { kind, level, table, numbers } = request
  if (kind === 'compressed' && !worthCompressing(plain, zstd)) return undefined
  const fields = table && encodeFields(plain, table, level, zstd)
  if (fields) return fields
  return (numbers && encodeGuessed(plain, numbers, request, zstd)) ?? inOne(plain, request, zstd)
}

/** What looks like numbers, split. Undefined if the parts are not smaller than all of it in one. */
function encodeGuessed(
  plain: Uint8Array,
  numbers: NonNullable<BlockRequest['numbers']>,
  request: BlockRequest,
  zstd: ZstdCodec | undefined,
): Encoding | undefined {
  const split = splitOfNumbers(plain, numbers, request.level, zstd)
  if (split === undefined) return undefined
  const encoding = byMethod(split, plain, zstd)
  if (repeatedShare(plain) < MAY_REPEAT) return encoding
  const other = inOne(plain, request, zstd)
  return sizeOf(encoding) < sizeOf(other) ? encoding : other
}

const sizeOf = ({ parts }: Encoding): number => parts.reduce((sum, { encoded }) => sum + encoded.bytes.length, 0)

/** Without a filter, and without long repeats if there are many. */
function inOne(plain: Uint8Array, { level, withoutCopies = false }: BlockRequest, zstd: ZstdCodec | undefined): Encoding {
  const encoded = withoutCopies ? undefined : encodeCopies(plain, level, zstd)
  return encoded ? { filter: FILTER_NONE, parameters: NO_PARAMETERS, parts: [{ plain, encoded }] } : whole(plain, level, zstd)
}

function encodeTensor(plain: Uint8Array, request: BlockRequest, zstd: ZstdCodec | undefined): Encoding | undefined {
  const { level, base, element = { width: 1, kind: 'unknown' }, chunkLengths = [plain.length], start, matrices } = request
  const method = chooseFilter(plain, { element, base, chunkLengths, start, matrices }, level, zstd)
  if (method === undefined) return undefined
  const encoding =
    method === 'whole'
      ? whole(plain, level, zstd)
      : typeof method === 'object'
        ? coded(plain, method, base, chunkLengths)
        : byMethod(method, plain, zstd, base, chunkLengths)
  return encoding && { ...encoding, parameters: withElementType(encoding.parameters, request) }
}

function coded(
  plain: Uint8Array,
  { filter, parameters, model, contexts, head }: Coding,
  base: BlockBase | undefined,
  chunkLengths: readonly number[],
): Encoding | undefined {
  const bytes = encodeNumbers(plain, model, contexts ? [plain.length] : chunkLengths, contexts ?? base!.bytes, head)
  return bytes && { filter, parameters, parts: [{ plain, encoded: { codec: CODEC_NUMBERS, bytes } }] }
}

function whole(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined): Encoding {
  return { filter: FILTER_NONE, parameters: NO_PARAMETERS, parts: [{ plain, encoded: encodeWhole(plain, level, zstd) }] }
}

function byMethod(
  method: Exclude<Method, 'whole' | Coding>,
  plain: Uint8Array,
  zstd: ZstdCodec | undefined,
  base?: BlockBase,
  chunkLengths: readonly number[] = [plain.length],
): Encoding {
  if (method === 'plane') return { filter: FILTER_NONE, parameters: NO_PARAMETERS, parts: [{ plain, encoded: encodePlane(plain, zstd) }] }
  const { filter, parameters, planes } = method(plain, base?.bytes, chunkLengths)
  return { filter, parameters, parts: planes.map(plane => ({ plain: plane, encoded: encodePlane(plane, zstd) })) }
}

function withElementType(parameters: Uint8Array, { kind, element }: BlockRequest): Uint8Array {
  const id = kind === 'tensor' ? elementTypeId(element?.dtype) : 0
  return id === 0 ? parameters : Uint8Array.of(...parameters, id)
}

function worthCompressing(plain: Uint8Array, zstd: ZstdCodec | undefined): boolean {
  const sample = spreadSample(plain, 16, 4096)
  if (repeatedShare(plain) >= REPEATS_PAY) return true
  return encodeWhole(sample, 'fast', zstd).bytes.length < WORTH_COMPRESSING * sample.length
}

function decodesTo(plain: Uint8Array, block: EncodedBlock, zstd: ZstdCodec | undefined, { base, chunkLengths }: BlockRequest): boolean {
  try {
    return equalBytes(decodeInPlace(block, block.bytes, zstd, base?.bytes, chunkLengths), plain)
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}

function assemble({ filter, parameters, parts }: Encoding): EncodedBlock {
  const layouts = parts.map(({ plain, encoded: { codec, bytes } }) => ({ codec, storedLength: bytes.length, plainLength: plain.length }))
  const [first, ...others] = parts.map(({ encoded }) => encoded.bytes)
  if (others.length === 0) return { filter, parameters, parts: layouts, bytes: first! }
  const bytes = new Uint8Array(layouts.reduce((sum, { storedLength }) => sum + storedLength, 0))
  let at = 0
  for (const { encoded } of parts) {
    bytes.set(encoded.bytes, at)
    at += encoded.bytes.length
  }
  return { filter, parameters, parts: layouts, bytes }
}
