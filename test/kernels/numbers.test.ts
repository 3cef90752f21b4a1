import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { chooseTables } from '../../src/compression/frequencies.ts'
import { loadNumbers } from '../../src/kernels/load-numbers.ts'
import { type Classes, javascriptNumbers, type NumberModel, type NumbersKernel, type NumberWidth } from '../../src/kernels/numbers.ts'
import { REGION_BYTES } from '../../src/kernels/planes.ts'

const WEBASSEMBLY = loadNumbers()
const JAVASCRIPT = javascriptNumbers()

const MODEL: NumberModel = { width: 2, mode: 'delta', center: 0, classes: { kind: 'powers', fine: 2 }, shift: 7, bits: 8 }

/** Every model that there is, nearly. */
const models: fc.Arbitrary<NumberModel> = fc
  .constantFrom<NumberWidth>(1, 2, 4)
  .chain(width => {
    const powers = fc.integer({ min: 0, max: { 1: 7, 2: 4, 4: 3 }[width] }).map((fine): Classes => ({ kind: 'powers', fine }))
    const steps = fc
      .integer({ min: 0, max: 8 * width - 1 })
      .chain(fine => fc.integer({ min: 0, max: 2 ** (8 * width - fine) - 1 }).map((origin): Classes => ({ kind: 'steps', fine, origin })))
    return fc.record({
      width: fc.constant(width),
      mode: fc.constantFrom<NumberModel['mode']>('plain', 'rotated', 'delta'),
      center: fc.oneof(fc.constant(0), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
      classes: fc.oneof(powers, steps),
      shift: fc.integer({ min: 0, max: 8 * width - 8 }),
      bits: fc.integer({ min: 0, max: 8 }),
    })
  })
  .map(model => (model.mode === 'delta' ? model : { ...model, shift: 0 }))
const contents = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400 }),
  fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 1, maxLength: 900 }).map(bytes => Uint8Array.from(bytes)),
)

interface Coded {
  numbers: Uint8Array
  counts: Uint32Array
  words: Uint8Array
  bits: Uint8Array
}

function code(kernel: NumbersKernel, model: NumberModel, plain: Uint8Array, base: Uint8Array): Coded {
  kernel.begin(model)
  kernel.input.set(plain)
  kernel.base.set(base)
  kernel.count(0, plain.length)
  const numbers = kernel.input.slice(0, plain.length)
  const counts = kernel.counts.slice(0, 256 << model.bits)
  const tables = chooseTables(counts, 2 ** model.bits, 64)
  if (!tables) return { numbers, counts, words: new Uint8Array(0), bits: new Uint8Array(0) }
  kernel.setCodes(tables.all, tables.tableOf)
  const { words, bits } = kernel.encode(0, plain.length)
  return { numbers, counts, words: words.slice(), bits: bits.slice() }
}

function decode(kernel: NumbersKernel, model: NumberModel, { counts, words, bits }: Coded, base: Uint8Array): Uint8Array | undefined {
  const tables = chooseTables(counts, 2 ** model.bits, 64)!
  kernel.begin(model)
  kernel.setSlots(tables.all, tables.tableOf)
  kernel.input.set(words)
  kernel.input.set(bits, words.length)
  kernel.base.set(base)
  const end = words.length + bits.length
  return kernel.decode(0, base.length, 0, words.length, end) ? kernel.output.slice(0, base.length) : undefined
}

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('coded numbers', () => {
  test('are the same on both kernels, and both give every bit back', () => {
    expect(WEBASSEMBLY.kind).toBe('webassembly')
    fc.assert(
      fc.property(models, contents, fc.integer({ min: 1, max: 255 }), (model, plain, seed) => {
        const base = plain.map((byte, i) => byte ^ (i % 3 === 0 ? seed : 0))
        const coded = code(WEBASSEMBLY, model, plain, base)
        expect(code(JAVASCRIPT, model, plain, base)).toEqual(coded)
        if (coded.words.length === 0) return
        const whole = plain.length - (plain.length % model.width)
        for (const kernel of [WEBASSEMBLY, JAVASCRIPT]) {
          const decoded = decode(kernel, model, coded, base)!
          expect(Buffer.compare(decoded.subarray(0, whole), plain.subarray(0, whole))).toBe(0)
        }
      }),
    )
  })

  // The words were worked out with the arithmetic of docs/format.md alone. A change here makes stored blocks
  // unreadable.
  test('have the words that repositories hold', () => {
    const plain = Buffer.from('000000000100ffff000000006400', 'hex')
    const { numbers, words, bits } = code(WEBASSEMBLY, { ...MODEL, bits: 0 }, plain, new Uint8Array(plain.length))
    expect(Buffer.from(numbers).toString('hex')).toBe('000000000200010000000000c800')
    expect(Buffer.from(words).toString('hex')).toBe('2902030029020300ef6b310035090700')
    expect(Buffer.from(bits).toString('hex')).toBe('08')
  })

  // Worked out with docs/format.md alone, too.
  test('have, as bytes in contexts, the words that repositories hold', () => {
    const plain = Buffer.from('010110001101222')
    const tables = [Uint16Array.from({ length: 256 }, (_, c) => (c === 48 ? 1024 : c === 49 ? 3072 : 0))]
    tables.push(tables[0]!.map((frequency, c) => (c === 48 || c === 49 ? 4096 - frequency : 0)))
    const tableOf = Uint8Array.from({ length: 256 }, (_, context) => (context === 49 ? 1 : 0))
    for (const kernel of [WEBASSEMBLY, JAVASCRIPT]) {
      kernel.input.set(plain)
      expect(kernel.countBytes(plain.length)).toBe(49)
      const found = [...kernel.counts.subarray(0, 256 * 50)].flatMap((count, at) => (count > 0 ? [[at >> 8, at & 255, count]] : []))
      expect(found).toEqual([
        [0, 48, 2],
        [0, 49, 2],
        [48, 48, 1],
        [48, 49, 3],
        [49, 48, 3],
        [49, 49, 1],
      ])
      kernel.setCodes(tables, tableOf)
      const words = kernel.encodeBytes(plain.length).slice()
      expect(Buffer.from(words).toString('hex')).toBe('00200700002807000080150000640200')
      kernel.setSlots(tables, tableOf)
      kernel.input.set(words)
      expect(kernel.decodeBytes(plain.length, 0, words.length)).toBe(true)
      expect(String(Buffer.from(kernel.output.subarray(0, 12)))).toBe('010110001101')
      expect(kernel.decodeBytes(plain.length, 0, words.length + 2)).toBe(false)
    }
  })

  test('that end too early or too late are told from whole ones', () => {
    const plain = Uint8Array.from({ length: 2000 }, (_, i) => (i % 2 === 0 ? (i * i) % 17 : 0))
    const base = new Uint8Array(plain.length)
    const coded = code(WEBASSEMBLY, MODEL, plain, base)
    for (const kernel of [WEBASSEMBLY, JAVASCRIPT]) {
      expect(decode(kernel, MODEL, coded, base)).toBeDefined()
      for (const words of [
        coded.words.subarray(2),
        coded.words.map((byte, i) => (i === 20 ? byte ^ 4 : byte)),
        Buffer.concat([coded.words, Buffer.alloc(2)]),
      ]) {
        expect(decode(kernel, MODEL, { ...coded, words }, base)).toBeUndefined()
      }
      for (const bits of [coded.bits.subarray(1), Buffer.concat([coded.bits, Buffer.alloc(1)])]) {
        expect(decode(kernel, MODEL, { ...coded, bits }, base)).toBeUndefined()
      }
    }
  })

  test('of no model, or beyond the region, are refused before anything is touched', () => {
    for (const kernel of [WEBASSEMBLY, JAVASCRIPT]) {
      for (const wrong of [
        { shift: 9 },
        { mode: 'plain' as const },
        { bits: 9 },
        { center: 2 ** 31 },
        { classes: { kind: 'powers' as const, fine: 5 } },
      ]) {
        expect(() => kernel.begin({ ...MODEL, ...wrong })).toThrow(RangeError)
      }
      kernel.begin(MODEL)
      expect(() => kernel.count(2, REGION_BYTES)).toThrow(RangeError)
      expect(() => kernel.count(1, 2)).toThrow(RangeError)
    }
  })

  test('are coded in TypeScript where there is no WebAssembly', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect(loadNumbers().kind).toBe('javascript')
  })
})
