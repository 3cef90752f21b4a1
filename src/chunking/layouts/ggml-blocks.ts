import type { ElementType, RecordField } from '../../util/element-type.ts'

/** How a type of ggml stores elements in blocks with shared scales. */
export interface GgmlBlock {
  elements: number
  fields: readonly RecordField[]
}

const KINDS: Readonly<Record<string, ElementType['kind']>> = { f: 'float', u: 'int', b: 'unknown' }

/**
 * The blocks of each type, as ggml-common.h states them: elements, then the fields in their order. `f2` is a float of 2
 * bytes, `u2x8` are 8 integers of 2 bytes, `b32` are 32 bytes. What ggml packs in groups of bytes is one number here:
 * the bytes at one place of all groups then lie together. The scales of Q4_K and Q5_K are of three kinds.
 */
export const GGML_BLOCKS: ReadonlyMap<string, GgmlBlock> = new Map([
  blockOf('Q4_0', 32, 'f2 b16'),
  blockOf('Q4_1', 32, 'f2 f2 b16'),
  blockOf('Q5_0', 32, 'f2 b4 b16'),
  blockOf('Q5_1', 32, 'f2 f2 b4 b16'),
  blockOf('Q8_0', 32, 'f2 b32'),
  blockOf('Q8_1', 32, 'f2 f2 b32'),
  blockOf('Q2_K', 256, 'b16 b64 f2 f2'),
  blockOf('Q3_K', 256, 'b32 b64 b8 b4 f2'),
  blockOf('Q4_K', 256, 'f2 f2 b4 b4 b4 b128'),
  blockOf('Q5_K', 256, 'f2 f2 b4 b4 b4 b32 b128'),
  blockOf('Q6_K', 256, 'b128 b64 b16 f2'),
  blockOf('Q8_K', 256, 'f4 b256 u2x16'),
  blockOf('IQ2_XXS', 256, 'f2 u8x8'),
  blockOf('IQ2_XS', 256, 'f2 u2x32 b8'),
  blockOf('IQ2_S', 256, 'f2 b32 b32 b8 b8'),
  blockOf('IQ3_XXS', 256, 'f2 b64 u4x8'),
  blockOf('IQ3_S', 256, 'f2 b64 b8 b32 b4'),
  blockOf('IQ1_S', 256, 'f2 b32 u2x8'),
  blockOf('IQ1_M', 256, 'b32 b16 u2x4'),
  blockOf('IQ4_NL', 32, 'f2 b16'),
  blockOf('IQ4_XS', 256, 'f2 u2 b4 b128'),
  blockOf('TQ1_0', 256, 'b48 b4 f2'),
  blockOf('TQ2_0', 256, 'b64 f2'),
  blockOf('MXFP4', 32, 'b1 b16'),
])

/** An element type of ggml with blocks. */
export function ggmlElement(dtype: string): ElementType {
  return { width: 1, kind: 'unknown', dtype, record: GGML_BLOCKS.get(dtype)?.fields }
}

function blockOf(name: string, elements: number, text: string): [string, GgmlBlock] {
  const fields = text.split(' ').map((field): RecordField => {
    const [, code = '', first = '', count = '1'] = /^([fub])(\d+)(?:x(\d+))?$/.exec(field) ?? []
    const kind = KINDS[code]!
    return kind === 'unknown'
      ? { width: 1, count: Number(first), kind }
      : { width: Number(first) as ElementType['width'], count: Number(count), kind }
  })
  return [name, { elements, fields }]
}
