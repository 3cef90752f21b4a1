/** The type of a tensor's elements. */
export interface ElementType {
  /** Bytes per element; for complex numbers, bytes per part; 1 if unknown. */
  width: 1 | 2 | 4 | 8
  /**
   * The sign of floats is in the top bit of a little-endian element. `unknown` also covers elements that are not one
   * number each.
   */
  kind: 'float' | 'int' | 'unknown'
  /** The type's name in safetensors. */
  dtype?: string | undefined
  /** The fields of an element that is a record. Its `width` is then 1. */
  record?: readonly RecordField[] | undefined
}

/** Numbers that follow each other in each record. */
export interface RecordField {
  /** Bytes per number. */
  width: ElementType['width']
  count: number
  kind: ElementType['kind']
}

export const UNKNOWN_TYPE: ElementType = { width: 1, kind: 'unknown' }

/** Element types by their names in safetensors. */
export const ELEMENT_TYPES: ReadonlyMap<string, ElementType> = new Map(
  [
    ...floats(8, 'F64', 'C128'),
    ...floats(4, 'F32', 'C64'),
    ...floats(2, 'F16', 'BF16'),
    ...floats(1, 'F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'),
    ...integers(8, 'I64', 'U64'),
    ...integers(4, 'I32', 'U32'),
    ...integers(2, 'I16', 'U16'),
    ...integers(1, 'I8', 'U8', 'BOOL'),
  ].map(type => [type.dtype, type]),
)

function floats(width: ElementType['width'], ...dtypes: string[]) {
  return dtypes.map(dtype => ({ width, kind: 'float' as const, dtype }))
}

function integers(width: ElementType['width'], ...dtypes: string[]) {
  return dtypes.map(dtype => ({ width, kind: 'int' as const, dtype }))
}

/** Bytes of a record. */
export function recordLength(fields: readonly Pick<RecordField, 'width' | 'count'>[]): number {
  return fields.reduce((sum, { width, count }) => sum + width * count, 0)
}

const COMPLEX = ['C64', 'C128', 'complex32']

/** Bytes per element. A complex number has two parts. */
export function itemBytes({ width, dtype }: ElementType): number {
  return COMPLEX.includes(dtype ?? '') ? 2 * width : width
}
