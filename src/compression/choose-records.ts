import { type RecordField, recordLength } from '../util/element-type.ts'
import { entropyOf } from './entropy.ts'
import type { FilteredBlock } from './filters.ts'
import {
  canSplit,
  type Change,
  MAX_RECORD_STREAMS,
  type RecordShape,
  recordStreams,
  splitField,
  type SplitField,
  splitRecords,
} from './records.ts'

/** A change takes time, so the planes must be smaller by this factor than without it. */
const CHANGE_WINS = 0.98
/** The places of a field of so many bytes or fewer may each have a stream of its own. */
const MAX_PLACES = 16
/** Bytes that a stream adds: its lengths in the directory, and a table of codes. */
const STREAM_BYTES = 32

const WINDOWS = 8
const WINDOW_BYTES = 16 * 1024

/** How to split a block of records. */
export interface ChosenRecords {
  shape: RecordShape
  /** Whether some field is stored as differences to the base. */
  usesBase: boolean
  /** Whole records from several places of the block, split. */
  sample: FilteredBlock
  sampleBytes: number
}

/**
 * How to split a block of records of these fields, the first whole one of which begins at byte `start`. Undefined if
 * they are too long, too many or too few.
 */
export function chooseRecords(
  plain: Uint8Array,
  fields: readonly RecordField[],
  start: number,
  base: Uint8Array | undefined,
): ChosenRecords | undefined {
  const length = recordLength(fields)
  if (!canSplit(fields) || length > WINDOW_BYTES || plain.length < start + length) return undefined
  const sample = sampleOf(plain, start, length)
  const baseSample = base && sampleOf(base, start, length)
  const split = chooseFields(fields, sample, baseSample)
  const usesBase = split.some(({ change }) => change === 'delta')
  return {
    shape: { start, fields: split },
    usesBase,
    sample: splitRecords(sample, { start: 0, fields: split }, usesBase ? baseSample : undefined),
    sampleBytes: sample.length,
  }
}

/** Whole records; all of them if they are few. */
function sampleOf(plain: Uint8Array, start: number, length: number): Uint8Array {
  const count = Math.floor((plain.length - start) / length)
  const each = Math.floor(WINDOW_BYTES / length)
  if (count <= WINDOWS * each) return plain.subarray(start, start + count * length)
  const sample = new Uint8Array(WINDOWS * each * length)
  for (let i = 0; i < WINDOWS; i++) {
    const from = start + Math.floor(((i + 0.5) * count) / WINDOWS - each / 2) * length
    sample.set(plain.subarray(from, from + each * length), i * each * length)
  }
  return sample
}

/**
 * How to split each field of records, by the entropy of `sample`, which is whole records. `base` is the same part of
 * the base. The fields are few enough for a block. Time: linear in the sample.
 */
function chooseFields(fields: readonly RecordField[], sample: Uint8Array, base?: Uint8Array): SplitField[] {
  const length = recordLength(fields)
  const count = sample.length / length
  let room = MAX_RECORD_STREAMS - recordStreams(fields)
  let at = 0
  return fields.flatMap(field => {
    const start = at
    at += field.width * field.count
    const sizeOf = (split: SplitField, place = start): number => entropyOf(splitField(sample, { at: place, length, count }, split, base))
    const { split, size } = changesOf(field, base !== undefined)
      .map(change => ({ width: field.width, count: field.count, change }))
      .map(each => ({ split: each, size: sizeOf(each) / (each.change === 'none' ? 1 : CHANGE_WINS) }))
      .reduce((best, next) => (next.size < best.size ? next : best))
    const extra = field.count - 1
    if (field.width > 1 || extra === 0 || field.count > MAX_PLACES || extra > room) return split
    const places = Array.from({ length: field.count }, () => ({ ...split, count: 1 }))
    if (places.reduce((sum, place, i) => sum + sizeOf(place, start + i) + STREAM_BYTES, 0) >= CHANGE_WINS * size) return split
    room -= extra
    return places
  })
}

function changesOf({ width, kind }: RecordField, hasBase: boolean): Change[] {
  const changes: Change[] = ['none', 'steps']
  if (kind === 'float' && width > 1) changes.push('rotated')
  if (hasBase) changes.push('delta')
  return changes
}
