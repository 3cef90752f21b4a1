import type { BlockBase, BlockLayout } from '../../../compression/block.ts'
import { FILTER_CODED_DELTA } from '../../../compression/coded-delta.ts'
import { FILTER_CODED_FLOATS } from '../../../compression/coded-floats.ts'
import { FILTER_CODED_MATRICES, type Matrix, readCodedMatrices } from '../../../compression/coded-matrices.ts'
import { isKnownCodec } from '../../../compression/codecs.ts'
import { isFields } from '../../../compression/fields.ts'
import {
  elementTypeOf,
  elementWidthOf,
  FILTER_GROUPED_DELTA,
  FILTER_NARROW,
  FILTER_NONE,
  FILTER_PLANES,
  FILTER_STEPS,
  parameterCount,
  relationOf,
} from '../../../compression/filters.ts'
import { isRecords, readRecordShape, type SplitField } from '../../../compression/records.ts'
import type { ElementType, RecordField } from '../../../util/element-type.ts'
import { ELEMENT_TYPES, UNKNOWN_TYPE } from '../../../util/element-type.ts'

/** The content of a block of tensors, by its encoding. */
export interface StoredTensor {
  element: ElementType
  /** Of records: where in the block the first whole one begins. */
  start?: number
  /** The matrices that its elements make up, if they are known. */
  matrices?: readonly Matrix[]
  /** How its chunks relate to their bases; undefined if they have none. */
  relation: BlockBase['relation'] | undefined
}

/**
 * Whether the chunks of a block can be encoded again one by one. If a newer program made the block, and its filter,
 * codec or element type is unknown here, it can only be copied whole.
 */
export function isDivisible({ filter, parameters, parts }: BlockLayout): boolean {
  if (!parts.every(({ codec }) => isKnownCodec(codec))) return false
  if (isFields(filter)) return true
  const own = parameterCount(filter, parameters)
  if (own === undefined) return false
  return parameters.length === own || elementTypeOf({ filter, parameters }) !== undefined
}

/**
 * The tensor content of a divisible block, or undefined if it holds none. The bytes then show its content, also that of
 * numbers without a type: their chunks may begin within a number.
 */
export function tensorOf({ filter, parameters, parts }: BlockLayout): StoredTensor | undefined {
  if (isFields(filter)) return undefined
  const dtype = elementTypeOf({ filter, parameters })
  if (dtype === undefined && [FILTER_NONE, FILTER_PLANES, FILTER_STEPS].includes(filter)) return undefined
  const relation = relationOf({ filter, parameters })
  if (isRecords(filter)) {
    const { start, fields } = readRecordShape(filter, parameters)
    return { element: { ...UNKNOWN_TYPE, record: fields.map(recordField) }, start, relation }
  }
  const known = dtype === undefined ? undefined : ELEMENT_TYPES.get(dtype)
  const element = known ?? unnamed({ filter, parameters })
  if (filter !== FILTER_CODED_MATRICES) return { element, relation }
  return { element, matrices: readCodedMatrices(parameters, plainLengthOf(parts)).matrices, relation }
}

const plainLengthOf = (parts: BlockLayout['parts']): number => parts.reduce((sum, { plainLength }) => sum + plainLength, 0)

/** Only floats are rotated. */
function recordField({ width, count, change }: SplitField): RecordField {
  return { width, count, kind: change === 'rotated' ? 'float' : 'unknown' }
}

/** The type of elements without a known name, by the filter. */
function unnamed(block: Pick<BlockLayout, 'filter' | 'parameters'>): ElementType {
  const isFloat = [FILTER_NARROW, FILTER_GROUPED_DELTA, FILTER_CODED_DELTA, FILTER_CODED_FLOATS, FILTER_CODED_MATRICES].includes(
    block.filter,
  )
  return { width: elementWidthOf(block) as ElementType['width'], kind: isFloat ? 'float' : 'unknown' }
}
