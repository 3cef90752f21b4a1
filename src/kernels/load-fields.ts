import { blockMemory } from './block-memory.ts'
import {
  assertFieldShape,
  assertFieldsFit,
  FIELDS_REGION_BYTES,
  type FieldShape,
  type FieldsKernel,
  javascriptFields,
  QUOTE,
  startsOf,
  streamCount,
} from './fields.ts'
import { FIELDS_WASM } from './wasm-bytes.ts'
import { fastestKernel, type WebAssemblyApi } from './web-assembly.ts'

interface FieldsExports {
  inputOffset: { value: number }
  outputOffset: { value: number }
  tablesOffset: { value: number }
  split: (lastColumn: number, length: number) => void
  join: (lastColumn: number, length: number) => number
}

/** The byte classes and the length of a table in the AssemblyScript source. */
const SEPARATOR_CLASS = 1
const ROW_END_CLASS = 2
const QUOTE_CLASS = 3
const TABLE = 256

let compiled: object | undefined

function webAssemblyFields(api: WebAssemblyApi): FieldsKernel {
  compiled ??= new api.Module(Buffer.from(FIELDS_WASM, 'base64'))
  const memory = blockMemory(api)
  const { inputOffset, outputOffset, tablesOffset, split, join } = new api.Instance(compiled, { env: { memory } }).exports as FieldsExports
  const bytes = (offset: number, length: number) => new Uint8Array(memory.buffer, offset, length)
  const [classes, first, last] = [0, TABLE, 2 * TABLE].map(offset => bytes(tablesOffset.value + offset, TABLE)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const [next, ends] = [3, 7].map(tables => new Uint32Array(memory.buffer, tablesOffset.value + tables * TABLE, TABLE)) as [
    Uint32Array,
    Uint32Array,
  ]
  const fillTables = ({ separator, rowEnd, positions }: FieldShape): void => {
    classes.fill(0)
    classes[separator] = SEPARATOR_CLASS
    classes[rowEnd] = ROW_END_CLASS
    classes[QUOTE] = QUOTE_CLASS
    let stream = 0
    for (const [column, count] of positions.entries()) {
      first[column] = stream
      stream += count
      last[column] = stream - 1
    }
  }
  return {
    kind: 'webassembly',
    input: bytes(inputOffset.value, FIELDS_REGION_BYTES),
    output: bytes(outputOffset.value, FIELDS_REGION_BYTES),
    split(shape, length) {
      assertFieldShape(shape)
      assertFieldsFit(length)
      fillTables(shape)
      split(shape.positions.length - 1, length)
      return [...ends.subarray(0, streamCount(shape))]
    },
    join(shape, lengths) {
      assertFieldShape(shape)
      const starts = startsOf(shape, lengths)
      fillTables(shape)
      next.set(starts)
      ends.set(starts.map((start, stream) => start + lengths[stream]!))
      const total = ends[starts.length - 1]!
      return join(shape.positions.length - 1, total) === total
    },
  }
}

/**
 * The fastest kernel that this process can run, in the memory that block kernels share. Both kernels make the same
 * streams.
 */
export function loadFields(): FieldsKernel {
  return fastestKernel(webAssemblyFields, javascriptFields)
}
