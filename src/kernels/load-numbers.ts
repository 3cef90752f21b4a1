import { blockMemory } from './block-memory.ts'
import {
  assertModel,
  assertStretch,
  CLASSES,
  classTables,
  CODE_WORDS,
  fillCodes,
  fillSlots,
  type Frequencies,
  javascriptNumbers,
  MAX_TABLES,
  type NumberMode,
  type NumbersKernel,
  type NumberWidth,
  TOTAL,
} from './numbers.ts'
import { REGION_BYTES } from './planes.ts'
import { NUMBERS_WASM } from './wasm-bytes.ts'
import { fastestKernel, type WebAssemblyApi } from './web-assembly.ts'

interface NumbersExports {
  inputOffset: { value: number }
  baseOffset: { value: number }
  outputOffset: { value: number }
  lowsOffset: { value: number }
  bitsOffset: { value: number }
  tablesOffset: { value: number }
  countsOffset: { value: number }
  codesOffset: { value: number }
  slotsOffset: { value: number }
  setUp: (mode: number, center: number, steps: number, fine: number, origin: number, shift: number, bits: number) => void
  count: (width: number, start: number, length: number) => void
  encode: (width: number, start: number, length: number) => number
  writeBits: (width: number, start: number, length: number) => number
  decode: (width: number, start: number, length: number, words: number, bits: number, end: number) => number
  countBytes: (lane: number) => number
  encodeBytes: (lane: number) => number
  decodeBytes: (lane: number, words: number) => number
}

/** The numbers of modes in the AssemblyScript source. */
const MODES: Readonly<Record<NumberMode, number>> = { plain: 0, rotated: 1, delta: 2 }

let compiled: object | undefined

function webAssemblyNumbers(api: WebAssemblyApi): NumbersKernel {
  compiled ??= new api.Module(Buffer.from(NUMBERS_WASM, 'base64'))
  const memory = blockMemory(api)
  const wasm = new api.Instance(compiled, { env: { memory } }).exports as NumbersExports
  const bytes = ({ value }: { value: number }, length: number) => new Uint8Array(memory.buffer, value, length)
  const words = ({ value }: { value: number }, length: number) => new Uint32Array(memory.buffer, value, length)
  const [lows, bitCounts, tables] = [words(wasm.lowsOffset, CLASSES), bytes(wasm.bitsOffset, CLASSES), words(wasm.tablesOffset, CLASSES)]
  const counts = words(wasm.countsOffset, CLASSES * CLASSES)
  const codes = words(wasm.codesOffset, MAX_TABLES * CODE_WORDS * CLASSES)
  const slots = words(wasm.slotsOffset, MAX_TABLES * TOTAL)
  const output = bytes(wasm.outputOffset, REGION_BYTES)
  const outputEnd = wasm.outputOffset.value + REGION_BYTES
  let width: NumberWidth
  const setTables = (tableOf: Uint8Array, offset: { value: number }, entries: number): void => {
    for (let context = 0; context < tableOf.length; context++) tables[context] = offset.value + 4 * entries * tableOf[context]!
  }
  return {
    kind: 'webassembly',
    input: bytes(wasm.inputOffset, REGION_BYTES),
    base: bytes(wasm.baseOffset, REGION_BYTES),
    output,
    counts,
    begin(model) {
      assertModel(model)
      const { mode, center, classes, shift, bits } = model
      width = model.width
      const classed = classTables(model)
      lows.set(classed.lows)
      bitCounts.set(classed.bits)
      const isSteps = classes.kind === 'steps'
      wasm.setUp(MODES[mode], center, isSteps ? 1 : 0, classes.fine, isSteps ? classes.origin : 0, shift, bits)
      counts.fill(0, 0, CLASSES << bits)
    },
    count(start, length) {
      assertStretch(start, length, width)
      wasm.count(width, start, length)
    },
    setCodes(all: readonly Frequencies[], tableOf) {
      for (const [i, frequencies] of all.entries()) fillCodes(frequencies, codes.subarray(i * CODE_WORDS * CLASSES))
      setTables(tableOf, wasm.codesOffset, CODE_WORDS * CLASSES)
    },
    encode(start, length) {
      assertStretch(start, length, width)
      const from = wasm.encode(width, start, length)
      const to = wasm.writeBits(width, start, length)
      return {
        words: new Uint8Array(memory.buffer, from, outputEnd - from),
        bits: output.subarray(0, to - wasm.outputOffset.value),
      }
    },
    setSlots(all: readonly Frequencies[], tableOf) {
      for (const [i, frequencies] of all.entries()) fillSlots(frequencies, slots.subarray(i * TOTAL, (i + 1) * TOTAL))
      setTables(tableOf, wasm.slotsOffset, TOTAL)
    },
    decode(start, length, from, bits, end) {
      assertStretch(start, length, width)
      assertStretch(from, end - from, 1)
      return wasm.decode(width, start, length, from, bits, end) === 1
    },
    countBytes(length) {
      assertStretch(0, length, 1)
      return wasm.countBytes(length >> 2)
    },
    encodeBytes(length) {
      assertStretch(0, length, 1)
      const from = wasm.encodeBytes(length >> 2)
      return new Uint8Array(memory.buffer, from, outputEnd - from)
    },
    decodeBytes(length, from, end) {
      assertStretch(0, length, 1)
      assertStretch(from, end - from, 1)
      return wasm.decodeBytes(length >> 2, from) === end
    },
  }
}

/**
 * The fastest kernel that this process can run, in the memory that block kernels share. Both kernels give the same
 * bytes.
 */
export function loadNumbers(): NumbersKernel {
  return fastestKernel(webAssemblyNumbers, javascriptNumbers)
}
