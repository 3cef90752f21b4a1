import type { BlockBase, BlockLayout } from '../../../compression/block.ts'
import { isKnownCodec } from '../../../compression/codecs.ts'
import { FILTER_FIELDS } from '../../../compression/fields.ts'
import {
  elementTypeOf,
  elementWidthOf,
  FILTER_GROUPED_DELTA,
  FILTER_NARROW,
  FILTER_NONE,
  FILTER_PLANES,
  parameterCount,
  relationOf,
} from '../../../compression/filters.ts'
import type { ElementType } from '../../../util/element-type.ts'
import { ELEMENT_TYPES } from '../../../util/element-type.ts'

/** What a block of a tensor tells of its chunks. */
export interface StoredTensor {
  element: ElementType
  /** How its chunks relate to their bases; undefined where they have none. */
  relation: BlockBase['relation'] | undefined
}

/**
 * Whether the chunks of a block can be encoded again one by one, as well as a push would. A block that a newer program made, whose filter, codec or type of elements is not known
 * here, can't be: it has to be taken as it stands.
 */
export function isDivisible({ filter, parameters, parts }: BlockLayout): boolean {
  if (!parts.every(({ codec }) => isKnownCodec(codec))) return false
  if (filter === FILTER_FIELDS) return true
  const own = parameterCount(filter)
  if (own === undefined) return false
  return parameters.length === own || elementTypeOf({ filter, parameters }) !== undefined
}

/** Undefined for a divisible block of something else: what that is, its bytes tell. */
export function tensorOf({ filter, parameters }: BlockLayout): StoredTensor | undefined {
  const dtype = filter === FILTER_FIELDS ? undefined : elementTypeOf({ filter, parameters })
  if (dtype === undefined && (filter === FILTER_NONE || filter === FILTER_FIELDS)) return undefined
  const relation = relationOf({ filter, parameters })
  const known = dtype === undefined ? undefined : ELEMENT_TYPES.get(dtype)
  return { element: known ?? unnamed({ filter, parameters }), relation }
}

/** Elements that have no name, as far as the way they are stored in tells what they are. */
function unnamed(block: Pick<BlockLayout, 'filter' | 'parameters'>): ElementType {
  const { filter, parameters } = block
  const isFloat = filter === FILTER_NARROW || filter === FILTER_GROUPED_DELTA || (filter === FILTER_PLANES && parameters[1] === 1)
  return { width: elementWidthOf(block) as ElementType['width'], kind: isFloat ? 'float' : 'unknown' }
}
