import type { Width } from '../kernels/planes.ts'
import { encodePlane } from './encode-plane.ts'
import { encodeWhole } from './encode-whole.ts'
import { type FilteredBlock, hasSigns, splitDelta, splitNarrow, splitPlanes } from './filters.ts'
import type { Level } from './limits.ts'
import type { ZstdCodec } from './zstd-codec.ts'

export { usesBase } from './filters.ts'

/** What a block of a tensor is made of. */
export interface ElementType {
  /** Bytes of an element; 1 where it is not known. */
  width: Width
  kind: 'float' | 'int' | 'unknown'
  /** As safetensors calls it. */
  dtype?: string | undefined
}

/** What a block may be predicted from: as many bytes (`delta`), or twice as many, of fp32, that are rounded to bf16 or fp16. */
export interface BlockBase {
  relation: 'delta' | 'bf16' | 'fp16'
  bytes: Uint8Array
}

/** One way to store a tensor's bytes: split as a filter does, or, where it doesn't, encoded as they are. */
export type Way = 'whole' | 'plane' | ((plain: Uint8Array, base: Uint8Array | undefined) => FilteredBlock)

const WINDOWS = 8
const WINDOW_BYTES = 16 * 1024
/** What a filter must save over the best way without one; a filter costs time on the way back. */
const FILTER_WINS = 0.995

/**
 * The way that makes a sample of `plain` smallest; undefined where none makes it smaller. 128 KiB are tried in a handful of ways, which takes less time than
 * zstd takes for a block of 4 MiB at its level 1.
 */
export function chooseFilter(
  plain: Uint8Array,
  element: ElementType,
  base: BlockBase | undefined,
  level: Level,
  zstd: ZstdCodec | undefined,
): Way | undefined {
  const starts = sampleStarts(plain.length)
  const sample = gather(plain, starts, 1)
  const baseSample = base && gather(base.bytes, starts, base.bytes.length / plain.length)
  const sizes: [way: Way, size: number][] = [
    ['whole', encodeWhole(sample, level, zstd).bytes.length],
    ['plane', encodePlane(sample, zstd).bytes.length],
  ]
  for (const way of filters(sample, element, base)) {
    const size = way(sample, baseSample).planes.reduce((sum, plane) => sum + encodePlane(plane, zstd).bytes.length, 0)
    sizes.push([way, size / FILTER_WINS])
  }
  const [way, size] = sizes.reduce((best, next) => (next[1] < best[1] ? next : best))
  return size < sample.length ? way : undefined
}

function filters(sample: Uint8Array, { width, kind }: ElementType, base: BlockBase | undefined): Exclude<Way, string>[] {
  const ways: Exclude<Way, string>[] = []
  if (base) {
    const { relation } = base
    ways.push((plain, bytes) => (relation === 'delta' ? splitDelta(plain, bytes!, width) : splitNarrow(plain, bytes!, relation)))
  }
  if (width === 1) return ways
  const signed = hasSigns(sample, width)
  if (kind !== 'int') ways.push(plain => splitPlanes(plain, width, true))
  if (kind !== 'float' || !signed) ways.push(plain => splitPlanes(plain, width, false))
  return ways
}

/** Where the windows of a sample begin: at multiples of 8, so at whole elements; none where all of the bytes are the sample. */
function sampleStarts(length: number): number[] {
  if (length <= WINDOWS * WINDOW_BYTES) return []
  const share = length / WINDOWS
  return Array.from({ length: WINDOWS }, (_, i) => Math.floor((i * share + (share - WINDOW_BYTES) / 2) / 8) * 8)
}

/** The windows of bytes that are `scale` times as many. */
function gather(bytes: Uint8Array, starts: readonly number[], scale: number): Uint8Array {
  if (starts.length === 0) return bytes
  const size = WINDOW_BYTES * scale
  const sample = new Uint8Array(starts.length * size)
  starts.forEach((start, i) => sample.set(bytes.subarray(start * scale, start * scale + size), i * size))
  return sample
}
