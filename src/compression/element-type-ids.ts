/**
 * Element types by their names in safetensors. The id of a type is its index in this list; 0 is an unknown type. Ids
 * are written into repositories, so names may only be added at the end.
 */
const TYPES = [
  undefined,
  'F64',
  'F32',
  'F16',
  'BF16',
  'F8_E4M3',
  'F8_E5M2',
  'I64',
  'I32',
  'I16',
  'I8',
  'U64',
  'U32',
  'U16',
  'U8',
  'BOOL',
  'C128',
  'C64',
  'F8_E8M0',
  'F8_E4M3FNUZ',
  'F8_E5M2FNUZ',
] as const

const ids = new Map<string | undefined, number>(TYPES.map((name, id) => [name, id]))

/** The id of a type; 0 for an unlisted one. */
export function elementTypeId(dtype: string | undefined): number {
  return ids.get(dtype) ?? 0
}

/** The type of an id; undefined for 0, and for ids that this version does not know. */
export function elementTypeName(id: number): string | undefined {
  return TYPES[id]
}
