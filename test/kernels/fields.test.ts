import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { FIELDS_REGION_BYTES, type FieldShape, type FieldsKernel, javascriptFields, MAX_STREAMS } from '../../src/kernels/fields.ts'
import { loadFields } from '../../src/kernels/load-fields.ts'
import { seededBytes } from '../helpers/seeded.ts'

const WEBASSEMBLY = loadFields()
const JAVASCRIPT = javascriptFields()
const KERNELS = [WEBASSEMBLY, JAVASCRIPT]

function split(kernel: FieldsKernel, shape: FieldShape, plain: Uint8Array): Buffer[] {
  kernel.input.set(plain)
  const lengths = kernel.split(shape, plain.length)
  let at = 0
  return lengths.map(length => Buffer.from(kernel.output.slice(at, (at += length))))
}

function join(kernel: FieldsKernel, shape: FieldShape, streams: readonly Uint8Array[]): Buffer | undefined {
  kernel.input.set(Buffer.concat(streams))
  const lengths = streams.map(({ length }) => length)
  return kernel.join(shape, lengths) ? Buffer.from(kernel.output.slice(0, Buffer.concat(streams).length)) : undefined
}

/** Mostly what rows are made of. */
const text = fc
  .array(fc.constantFrom(...Buffer.from('0123456789,,,,;"\n\n\r.x\0'), 255), { maxLength: 300 })
  .map(bytes => Uint8Array.from(bytes))
const shape = fc.record<FieldShape>({
  separator: fc.constantFrom(...Buffer.from(',;\t\0x'), 255),
  rowEnd: fc.constantFrom(10, 13),
  positions: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 10 }),
})

describe('both kernels', () => {
  test('are what they say', () => expect(KERNELS.map(({ kind }) => kind)).toEqual(['webassembly', 'javascript']))

  test.each(KERNELS)('put each byte where its column and its place say ($kind)', kernel => {
    const shape: FieldShape = { separator: 44, rowEnd: 10, positions: [2, 1, 3] }
    const plain = Buffer.from('abc,"d,e",1\nf,,23,45\ng')
    expect(split(kernel, shape, plain).map(String)).toEqual(['afg', 'bc,,', '"d,e",,', '124', '\n35', ',\n'])
    expect(String(join(kernel, shape, split(kernel, shape, plain)))).toBe(String(plain))
  })

  test.each(KERNELS)('end rows with carriage returns if they are told so ($kind)', kernel => {
    const shape: FieldShape = { separator: 44, rowEnd: 13, positions: [1, 1] }
    const plain = Buffer.from('a,"b,\r\nc,"d\ne"\r')
    expect(split(kernel, shape, plain).map(String)).toEqual(['a,\nc,', '"b,\r"d\ne"\r'])
    expect(String(join(kernel, shape, split(kernel, shape, plain)))).toBe(String(plain))
  })

  test('take any bytes apart alike, and join them again', () => {
    fc.assert(
      fc.property(text, shape, (plain, shape) => {
        const streams = split(WEBASSEMBLY, shape, plain)
        expect(split(JAVASCRIPT, shape, plain)).toEqual(streams)
        for (const kernel of KERNELS) expect(Buffer.compare(join(kernel, shape, streams)!, plain)).toBe(0)
      }),
      { numRuns: 300 },
    )
  })

  test('agree on streams from anywhere: what they join takes itself apart into those streams again, and all else is refused', () => {
    let refused = 0
    let joined = 0
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 4, maxLength: 4 }),
        fc.constantFrom([4], [1, 3], [1, 1, 1, 1], [2, 2]),
        (streams, positions) => {
          const shape: FieldShape = { separator: 44, rowEnd: 10, positions }
          const [plain, other] = KERNELS.map(kernel => join(kernel, shape, streams))
          expect(other).toEqual(plain)
          if (plain) expect(split(WEBASSEMBLY, shape, plain).map(String)).toEqual(streams.map(stream => String(Buffer.from(stream))))
          if (plain) joined++
          else refused++
        },
      ),
      {
        numRuns: 300,
        examples: [
          [
            [Buffer.from('1,'), Buffer.from('2,'), Buffer.from('3,'), Buffer.from('4\n')],
            [1, 1, 1, 1],
          ],
        ],
      },
    )
    expect(Math.min(refused, joined)).toBeGreaterThan(0)
  })

  test('take blocks of the largest size', () => {
    const digits = seededBytes(FIELDS_REGION_BYTES, 3).map((byte, i) => (i % 40 === 39 ? 10 : i % 8 === 7 ? 44 : 48 + (byte % 10)))
    const shape: FieldShape = { separator: 44, rowEnd: 10, positions: [8, 8, 8, 8, 8] }
    const streams = split(WEBASSEMBLY, shape, digits)
    expect(streams.map(({ length }) => length)).toEqual(new Array(40).fill(0).map((_, i) => Math.ceil((FIELDS_REGION_BYTES - i) / 40)))
    expect(Buffer.compare(join(WEBASSEMBLY, shape, streams)!, digits)).toBe(0)
  })

  test.each(KERNELS)('refuse what is no shape, and what does not fit ($kind)', kernel => {
    const positions = [1, 1]
    for (const wrong of [
      { separator: 10, rowEnd: 10, positions },
      { separator: 13, rowEnd: 13, positions },
      { separator: 34, rowEnd: 10, positions },
      { separator: 256, rowEnd: 10, positions },
      { separator: 44, rowEnd: 10, positions: [] },
      { separator: 44, rowEnd: 10, positions: [1, 0] },
      { separator: 44, rowEnd: 10, positions: [MAX_STREAMS, 1] },
    ] as const) {
      expect(() => kernel.split(wrong, 1)).toThrow(RangeError)
    }
    expect(() => kernel.split({ separator: 44, rowEnd: 10, positions }, FIELDS_REGION_BYTES + 1)).toThrow(RangeError)
    expect(() => kernel.join({ separator: 44, rowEnd: 10, positions }, [1])).toThrow(RangeError)
    expect(() => kernel.join({ separator: 44, rowEnd: 10, positions }, [FIELDS_REGION_BYTES, 1])).toThrow(RangeError)
  })
})

describe('without WebAssembly', () => {
  afterEach(() => vi.unstubAllGlobals())

  test('the plain twin takes over', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect(loadFields().kind).toBe('javascript')
  })
})
