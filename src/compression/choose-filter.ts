import type { NumberModel } from '../kernels/numbers.ts'
import { type GroupKey, isGroupKey } from '../kernels/planes.ts'
import type { ElementType } from '../util/element-type.ts'
import { chooseRecords } from './choose-records.ts'
import { codedDeltaParameters, deltaModel, FILTER_CODED_DELTA, medianDifference } from './coded-delta.ts'
import { codedFloatsParameters, FILTER_CODED_FLOATS, floatsModel, inSegments, segmentsOf } from './coded-floats.ts'
import {
  codedMatricesParameters,
  contextsOf,
  FILTER_CODED_MATRICES,
  meansOf,
  matricesOf,
  type Matrix,
  packMeans,
} from './coded-matrices.ts'
import { encodePlane } from './encode-plane.ts'
import { encodeWhole } from './encode-whole.ts'
import { entropyOf } from './entropy.ts'
import {
  type FilteredBlock,
  hasSigns,
  type PlaneWidth,
  splitDelta,
  splitGroupedDelta,
  splitNarrow,
  splitPlanes,
  splitSteps,
} from './filters.ts'
import type { Level } from './limits.ts'
import { sizeOfNumbers } from './numbers.ts'
import { splitRecords } from './records.ts'
import { looksCompressed } from './sample.ts'
import { type ScaledType, seemsScaled, splitScaled } from './scaled.ts'
import type { StepWidth } from './steps.ts'
import type { ZstdCodec } from './zstd/codec.ts'

export { usesBase } from './filters.ts'

/**
 * The base of a block. For `delta` it has as many bytes as the block. For `bf16` and `fp16` it has twice as many: fp32
 * values to be rounded to that type.
 */
export interface BlockBase {
  relation: 'delta' | 'bf16' | 'fp16'
  bytes: Uint8Array
}

/** How to store a tensor's bytes: encoded unsplit, in one of two ways, split by a filter, or coded as numbers. */
export type Method = 'whole' | 'plane' | Split | Coding

/** A block of numbers, all in one part. */
export interface Coding {
  filter: number
  parameters: Uint8Array
  model: NumberModel
  /** Of each element, for models that have no base. */
  contexts?: Uint8Array
  /** Stored before the numbers. */
  head?: Uint8Array
}

/** What is known of a block of a tensor: see `BlockRequest`. */
export interface TensorContent {
  element: ElementType
  base: BlockBase | undefined
  chunkLengths: readonly number[]
  start: number | undefined
  matrices: readonly Matrix[] | undefined
}

/** Splits a block. */
export type Split = (plain: Uint8Array, base: Uint8Array | undefined, chunkLengths: readonly number[]) => FilteredBlock

/** The windows of a sample. */
interface Sampling {
  windows: number
  windowBytes: number
}

const SAMPLING: Sampling = { windows: 8, windowBytes: 16 * 1024 }
/** For groups: long windows, because an entropy coder needs some bytes of each group to adapt to it. */
const GROUPS_SAMPLING: Sampling = { windows: 2, windowBytes: 128 * 1024 }
/** For numbers that were only guessed: there are many small blocks of them, so a window is a share of the block. */
const GUESS_SAMPLING: Sampling = { windows: 4, windowBytes: 16 * 1024 }
/** Guessed planes must be smaller by this factor than all in one, by the entropy of a sample. */
const GUESS_WINS = 0.99
/** For steps, of which there are many to try. */
const STEPS_SAMPLING: Sampling = { windows: 4, windowBytes: 4 * 1024 }
/** Steps take longer than planes, so they must be smaller by this factor. */
const STEPS_WIN = 0.97
/** Widths and distances of steps. */
type StepShapes = readonly (readonly [width: StepWidth, distance: number])[]
/** Those that are tried, by the guessed width. */
const STEPS: Record<PlaneWidth, StepShapes> = {
  2: [
    [2, 1],
    [2, 2],
  ],
  4: [
    [2, 2],
    [4, 1],
    [4, 2],
  ],
  8: [
    [2, 4],
    [4, 2],
  ],
}
/** Those that are tried for integers of known width: pixels, sound, sorted numbers, times. */
const INTEGER_STEPS: Record<ElementType['width'], StepShapes> = {
  1: [
    [1, 1],
    [1, 3],
  ],
  2: [
    [2, 1],
    [2, 2],
  ],
  4: [
    [4, 1],
    [4, 2],
  ],
  8: [
    [4, 2],
    [4, 4],
  ],
}
/** Types whose elements may be integers times scales. */
const SCALED: Record<string, ScaledType | undefined> = { F32: 'fp32', BF16: 'bf16', F16: 'fp16' }
/** Elements of a kind are in one place if so many times more of them follow each other than by chance. */
const CLUSTERED = 1.2
/** Rows and columns make floats smaller by no more than this factor. */
const MATRICES_GAIN = 0.85
/** They are tried if by their means they gain such a share, and must be smaller by this factor than segments. */
const MATRICES_PAY = 0.003
const MATRICES_WIN = 0.998
/** Tables take more than fewer bytes gain. */
const MIN_CODED_BYTES = 4096
/** A filter must be smaller by this factor than the best method without one, because undoing it takes time. */
const FILTER_WINS = 0.995

/** Position of a float's exponent, by type or else by width. */
const EXPONENTS: Record<string, GroupKey | undefined> = {
  BF16: { shift: 7, bits: 8 },
  F16: { shift: 10, bits: 5 },
  F32: { shift: 23, bits: 8 },
  F64: { shift: 52, bits: 8 },
  2: { shift: 7, bits: 8 },
  4: { shift: 23, bits: 8 },
  8: { shift: 52, bits: 8 },
}

/**
 * The method that makes a sample of `plain` smallest; undefined if none makes it smaller. If its elements are records,
 * the first whole one begins at byte `start`. Tries a handful of methods on
 * 128 KiB, which takes less time than zstd at level 1 takes for a block of 4 MiB.
 */
export function chooseFilter(
  plain: Uint8Array,
  { element, base, chunkLengths, start = 0, matrices = [] }: TensorContent,
  level: Level,
  zstd: ZstdCodec | undefined,
): Method | undefined {
  const [sample, baseSample] = sampleOf(plain, base, SAMPLING)
  const sizes: [method: Method, size: number][] = []
  const prediction = base && predictionBy(base, element)
  const trySplit = (split: Split): number => sizes.push([split, sizeOf(split(sample, baseSample, [sample.length]), zstd) / FILTER_WINS])
  // codes of bytes gain nothing that the coding of floats does not, unless something repeats
  const isCoded = plain.length >= MIN_CODED_BYTES && exponentOf(element) !== undefined && (element.width === 2 || element.width === 4)
  const isMoved = isCoded && base?.relation === 'delta' && differAllOver(sample, baseSample!, element.width)
  if (prediction && !isMoved) trySplit(prediction)
  if (!isCoded || !hasRandomPlaces(sample, element.width)) {
    sizes.push(['whole', encodeWhole(sample, level, zstd).bytes.length], ['plane', encodePlane(sample, zstd).bytes.length])
    planeSplits(sample, element).forEach(trySplit)
  }
  const steps = element.kind === 'int' ? integerSteps(plain, element) : undefined
  if (steps) sizes.push([steps, sizeOf(steps(sample, undefined, []), zstd) / STEPS_WIN])
  const records = element.record && chooseRecords(plain, element.record, start, base?.relation === 'delta' ? base.bytes : undefined)
  if (records) {
    const size = (sizeOf(records.sample, zstd) * sample.length) / records.sampleBytes
    sizes.push([(bytes, other) => splitRecords(bytes, records.shape, records.usesBase ? other : undefined), size / FILTER_WINS])
  }
  const scaled = SCALED[element.dtype ?? '']
  if (scaled && seemsScaled(sample, scaled)) {
    const own = splitScaled(sample, scaled)
    if (own)
      sizes.push([
        bytes => splitScaled(bytes, scaled) ?? splitPlanes(bytes, element.width as PlaneWidth, true),
        sizeOf(own, zstd) / FILTER_WINS,
      ])
  }
  if (base?.relation === 'delta' && plain.length >= MIN_CODED_BYTES)
    sizes.push(...codedDeltas(sample, baseSample!, element, sample.length / plain.length))
  if (plain.length >= MIN_CODED_BYTES)
    sizes.push(...codedFloats(plain, sample, element, matrices, Math.min(...sizes.map(([, size]) => size))))
  const [method, size] = sizes.reduce((best, next) => (next[1] < best[1] ? next : best))
  if (size >= sample.length) return undefined
  const groups = method === prediction && base?.relation === 'delta' ? groupedDelta(element) : undefined
  return groups && groupsHelp(groups, prediction!, sampleOf(plain, base, GROUPS_SAMPLING), chunkLengths, zstd) ? groups : method
}

/** Whether the last places of floats look random, and hardly any repeat. */
function hasRandomPlaces(sample: Uint8Array, width: number): boolean {
  const lowest = new Uint8Array(sample.length / width)
  for (let i = 0; i < lowest.length; i++) lowest[i] = sample[i * width]!
  return looksCompressed(lowest)
}

/**
 * Whether elements differ from those of the base all over: a tenth of them at least, and neither those that do nor
 * those that don't are in one place, as rows that a step of training left alone. By their lowest bytes.
 */
function differAllOver(sample: Uint8Array, base: Uint8Array, width: number): boolean {
  const counts = [0, 0]
  const pairs = [0, 0]
  let before = 2
  for (let at = 0; at < sample.length; at += width) {
    const kind = sample[at] === base[at] ? 0 : 1
    counts[kind]!++
    if (kind === before) pairs[kind]!++
    before = kind
  }
  const all = counts[0]! + counts[1]!
  const rare = counts[0]! < counts[1]! ? 0 : 1
  return counts[1]! >= all / 10 && pairs[rare]! * all <= CLUSTERED * counts[rare]! ** 2
}

/**
 * How to split what looks like numbers of this width, perhaps by chance, of which the first whole one begins at byte
 * `phase`; undefined if a sample doesn't get clearly smaller. By entropy: trials of each codec would take longer than
 * encoding a small block.
 */
export function splitOfNumbers(
  plain: Uint8Array,
  { width, phase }: { width: PlaneWidth; phase: number },
  level: Level,
  zstd: ZstdCodec | undefined,
): Split | undefined {
  const [sample] = sampleOf(plain, undefined, GUESS_SAMPLING)
  const [few] = sampleOf(plain, undefined, STEPS_SAMPLING)
  const planes = smallest(sample, planeSplits(sample, { width, kind: 'unknown' }))
  const steps = smallest(few, stepSplits(STEPS[width], phase))
  const best = sizeIn(few, steps) < STEPS_WIN * sizeIn(few, planes) ? steps : planes
  return sizeIn(sample, best) < GUESS_WINS * encodeWhole(sample, level, zstd).bytes.length ? best : undefined
}

/** Steps of integers, if by the entropy of a few of them these are clearly smaller than planes. */
function integerSteps(plain: Uint8Array, element: ElementType): Split | undefined {
  const [few] = sampleOf(plain, undefined, STEPS_SAMPLING)
  const steps = smallest(few, stepSplits(INTEGER_STEPS[element.width], 0))
  const others = [entropyOf([few]), ...planeSplits(few, element).map(split => sizeIn(few, split))]
  return sizeIn(few, steps) < STEPS_WIN * Math.min(...others) ? steps : undefined
}

const sizeIn = (bytes: Uint8Array, split: Split): number => entropyOf(split(bytes, undefined, []).planes)

function smallest(bytes: Uint8Array, splits: readonly Split[]): Split {
  const sizes = splits.map(split => sizeIn(bytes, split))
  return splits[sizes.indexOf(Math.min(...sizes))]!
}

/** Numbers in sequence, such as sound. Those of two channels look like numbers of twice the width. */
function stepSplits(shapes: StepShapes, phase: number): Split[] {
  return shapes.flatMap(([own, distance]) =>
    ([1, 2] as const).map(
      (order): Split =>
        plain =>
          splitSteps(plain, own, { start: phase % own, distance, order }),
    ),
  )
}

function predictionBy({ relation }: BlockBase, { width }: ElementType): Split {
  return (plain, bytes) => (relation === 'delta' ? splitDelta(plain, bytes!, width) : splitNarrow(plain, bytes!, relation))
}

/** The differences as numbers, around 0 and around their median. The tables count only by the sample's share. */
function codedDeltas(sample: Uint8Array, base: Uint8Array, element: ElementType, share: number): [Coding, number][] {
  const { width } = element
  if (width !== 2 && width !== 4) return []
  const key = exponentOf(element) ?? { shift: 0, bits: 0 }
  return [...new Set([0, medianDifference(sample, base, width)])].map(center => {
    const model = deltaModel(width, key, center)
    const { numbers, tables } = sizeOfNumbers(sample, model, base)
    return [{ filter: FILTER_CODED_DELTA, parameters: codedDeltaParameters(model), model }, numbers + tables * share]
  })
}

/**
 * The values as numbers, by segments and by rows and columns. Segments of the sample may be far from each other in the
 * block, as they differ there, too. Rows are not tried if the `least` size of others is far below that of segments.
 */
function codedFloats(
  plain: Uint8Array,
  sample: Uint8Array,
  element: ElementType,
  known: readonly Matrix[],
  least: number,
): [Coding, number][] {
  const { width } = element
  const exponent = exponentOf(element)
  if (!exponent || (width !== 2 && width !== 4)) return []
  const share = sample.length / plain.length
  const model = floatsModel(sample, width, exponent.shift, hasSigns(sample, width))
  const floats = inSegments(model, plain.length)
  const windows = { ...floats, segment: Math.log2(SAMPLING.windowBytes / width) }
  const sizeWith = (contexts: Uint8Array, head: number): number => {
    const { numbers, tables } = sizeOfNumbers(sample, model, contexts)
    return (numbers + (tables + head) * share) / FILTER_WINS
  }
  const inWindows = sizeWith(segmentsOf(sample.length, windows), 0)
  const codings: [Coding, number][] = [
    [
      { filter: FILTER_CODED_FLOATS, parameters: codedFloatsParameters(floats), model, contexts: segmentsOf(plain.length, floats) },
      inWindows,
    ],
  ]
  const matrices = least > MATRICES_GAIN * inWindows ? matricesOf(known, Math.floor(plain.length / width)) : undefined
  if (!matrices) return codings
  const coded = { model, matrices }
  const { means, gain } = meansOf(plain, coded)
  if (gain < MATRICES_PAY * plain.length) return codings
  const contexts = contextsOf(coded, means)
  const head = packMeans(means)
  const starts = sampleStarts(plain.length, SAMPLING).map(start => start / width)
  const size = sizeWith(gather(contexts, starts, SAMPLING.windowBytes / width), head.length)
  codings.push([{ filter: FILTER_CODED_MATRICES, parameters: codedMatricesParameters(coded), model, contexts, head }, size / MATRICES_WIN])
  return codings
}

function planeSplits(sample: Uint8Array, { width, kind }: ElementType): Split[] {
  const splits: Split[] = []
  if (width === 1) return splits
  const signed = hasSigns(sample, width)
  if (kind !== 'int') splits.push(plain => splitPlanes(plain, width, true))
  if (kind !== 'float' || !signed) splits.push(plain => splitPlanes(plain, width, false))
  return splits
}

function exponentOf({ width, kind, dtype }: ElementType): GroupKey | undefined {
  return kind === 'float' ? [dtype ?? width, width].map(type => EXPONENTS[type]).find(key => key && isGroupKey(width, key)) : undefined
}

function groupedDelta(element: ElementType): Split | undefined {
  const { width } = element
  const exponent = exponentOf(element)
  if (width === 1 || !exponent) return undefined
  return (plain, bytes, chunkLengths) => splitGroupedDelta(plain, bytes!, chunkLengths, { width, key: exponent })
}

function groupsHelp(
  groups: Split,
  alone: Split,
  [sample, baseSample]: Sample,
  chunkLengths: readonly number[],
  zstd: ZstdCodec | undefined,
): boolean {
  const usual = Math.ceil(chunkLengths.reduce((sum, length) => sum + length, 0) / chunkLengths.length / 8) * 8
  const pieces = Array.from({ length: Math.ceil(sample.length / usual) }, (_, i) => Math.min(usual, sample.length - i * usual))
  return sizeOf(groups(sample, baseSample, pieces), zstd) < FILTER_WINS * sizeOf(alone(sample, baseSample, pieces), zstd)
}

function sizeOf({ planes }: FilteredBlock, zstd: ZstdCodec | undefined): number {
  return planes.reduce((sum, plane) => sum + encodePlane(plane, zstd).bytes.length, 0)
}

/** A sample of a block and of its base. */
type Sample = [plain: Uint8Array, base: Uint8Array | undefined]

function sampleOf(plain: Uint8Array, base: BlockBase | undefined, sampling: Sampling): Sample {
  const starts = sampleStarts(plain.length, sampling)
  return [
    gather(plain, starts, sampling.windowBytes),
    base && gather(base.bytes, starts, sampling.windowBytes, base.bytes.length / plain.length),
  ]
}

/**
 * Offsets of a sample's windows. They are multiples of 8, so each window begins with a whole element. Empty if the
 * sample is all of the bytes.
 */
function sampleStarts(length: number, { windows, windowBytes }: Sampling): number[] {
  if (length <= windows * windowBytes) return []
  const share = length / windows
  return Array.from({ length: windows }, (_, i) => Math.floor((i * share + (share - windowBytes) / 2) / 8) * 8)
}

/** The concatenated windows of a sample. `bytes` is `scale` times as long as the block that the windows refer to. */
function gather(bytes: Uint8Array, starts: readonly number[], windowBytes: number, scale = 1): Uint8Array {
  if (starts.length === 0) return bytes
  const size = windowBytes * scale
  const sample = new Uint8Array(starts.length * size)
  starts.forEach((start, i) => sample.set(bytes.subarray(start * scale, start * scale + size), i * size))
  return sample
}
