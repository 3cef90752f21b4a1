/**
 * Ids of element types, by their place in this list, as safetensors calls them; 0 is an unknown one. Permanent: they are written into repositories, so
 * names are only ever added, at the end.
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

/** 0 for a type that has no id. */
export function elementTypeId(dtype: string | undefined): number {
  return ids.get(dtype) ?? 0
}

/** Undefined for 0, and for ids that a newer program may have given. */
export function elementTypeName(id: number): string | undefined {
  return TYPES[id]
}
