import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { loadPlanes } from '../../src/kernels/load-planes.ts'
import {
  javascriptPlanes,
  type NarrowFormat,
  type PlaneMode,
  type PlanesKernel,
  REGION_BYTES,
  type Width,
} from '../../src/kernels/planes.ts'
import { seededBytes } from '../helpers/seeded.ts'

const WIDTHS: Width[] = [1, 2, 4, 8]
const MODES: PlaneMode[] = ['plain', 'rotated', 'delta']
const ALL = WIDTHS.flatMap(width => MODES.map(mode => [width, mode] as const))
const WEBASSEMBLY = loadPlanes()
const JAVASCRIPT = javascriptPlanes()

function hex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(/[ |]/g, ''), 'hex')
}

/** Puts `input` and `base` into the kernel, and junk where they end. */
function fill(kernel: PlanesKernel, input: Uint8Array, base: Uint8Array): void {
  for (const [region, bytes] of [
    [kernel.input, input],
    [kernel.base, base],
  ] as const) {
    region.set(bytes)
    region.fill(0xaa, bytes.length, bytes.length + 32)
  }
  kernel.output.fill(0x55, 0, input.length + 32)
}

function split(
  kernel: PlanesKernel,
  width: Width,
  mode: PlaneMode,
  input: Uint8Array,
  base: Uint8Array = new Uint8Array(input.length),
): Uint8Array {
  fill(kernel, input, base)
  kernel.split(width, mode, input.length)
  return kernel.output.slice(0, input.length)
}

function join(
  kernel: PlanesKernel,
  width: Width,
  mode: PlaneMode,
  planes: Uint8Array,
  base: Uint8Array = new Uint8Array(planes.length),
): Uint8Array {
  fill(kernel, planes, base)
  kernel.join(width, mode, planes.length)
  return kernel.output.slice(0, planes.length)
}

afterEach(() => {
  vi.unstubAllGlobals()
})

// Worked out by hand. A change here makes stored blocks unreadable.
const VECTORS: [what: string, width: Width, mode: PlaneMode, input: string, base: string, planes: string][] = [
  ['two bytes and a tail', 2, 'plain', '0102 0304 05', '00 00 00 00 00', '0103 | 0204 | 05'],
  ['four bytes', 4, 'plain', '01020304 11121314', '0000000000000000', '0111 | 0212 | 0313 | 0414'],
  ['eight bytes', 8, 'plain', '0102030405060708', '0000000000000000', '01 02 03 04 05 06 07 08'],
  ['a tail alone', 8, 'rotated', 'ff80ff', '000000', 'ff80ff'],
  ['bf16 -1.0 and 1.0', 2, 'rotated', '80bf 803f', '00000000', '0100 | 7f7f'],
  ['fp32 -2.0', 4, 'rotated', '000000c0', '00000000', '01 00 00 80'],
  ['fp64 -0.0', 8, 'rotated', '0000000000000080', '0000000000000000', '01 00 00 00 00 00 00 00'],
  ['differences 0, -1, 1, -128 of bytes', 1, 'delta', '05 04 06 80', '05 05 05 00', '00 01 02 ff'],
  ['differences -2 and 300', 2, 'delta', '0500 2c01', '0700 0000', '0358 | 0002'],
  ['a difference that wraps around', 4, 'delta', '00000000', 'ffffffff', '02 00 00 00'],
  ['a borrow through all bytes', 8, 'delta', '0000000000000000 07', '0100000000000000 ff', '01 00 00 00 00 00 00 00 07'],
]

// SHA-256 of the planes of 1,000,003 seeded bytes against a seeded base, from an independent implementation
const DIGESTS: Record<string, string> = {
  '1 plain': 'b855a2bcefda4999c1ea2e8eca8a629308b56c14e35e51ca35a7db061342798d',
  '1 rotated': '5c4a3eaddc379495c350b5c7ba19c043932649c0419d84d0acdfcdd2dc926353',
  '1 delta': 'e1cbfc09e1aadf2f95cb8dcecc46cbe05bf8df89bc8eeeb54ac5c9a7448e9175',
  '2 plain': '2ed96ffdad010860692e142c06760b588f6ff7815c7173990e25103345852e70',
  '2 rotated': 'f7e6577be17c262187c06f7f7cee100aff81a8c28f18e5c343721613511e3898',
  '2 delta': '8d8d52b3d58d936c6f3582485af3c74c75e1814ac5a41f8f380e8919959bcf33',
  '4 plain': '9af0b90dbcdb38fbd465d8d674a57c02c7767e2736cfe3a6c2ba0c0a9ab656ec',
  '4 rotated': '5f41c9871a6a4f668cfafdcd3e1234b2a584f017536bce23b1c12b50f83664b5',
  '4 delta': '46d55f2c99c5ebc012082ec4d563c1e47bb29904d9b9294f9a0b818d228da01f',
  '8 plain': 'd5d30ba693d57f2f8cb480779c8f8811605d2553824ea7df27e8308fc748cbdd',
  '8 rotated': '3f3f20810cc8650b554c51b68e8f4eb6cd038324f08812c139f01be0a1b3c265',
  '8 delta': 'b90e1bcd716e99d3718a025dc2092cc8453cc4cfe0aa0bbb49142a458abe0513',
}

describe.each([
  ['webassembly', WEBASSEMBLY],
  ['javascript', JAVASCRIPT],
] as const)('%s', (kind, kernel) => {
  test('is what it says', () => {
    expect(kernel.kind).toBe(kind)
    for (const region of [kernel.input, kernel.base, kernel.output]) expect(region).toHaveLength(REGION_BYTES)
  })

  test.each(VECTORS)('%s', (_what, width, mode, input, base, planes) => {
    expect(Buffer.from(split(kernel, width, mode, hex(input), hex(base)))).toEqual(hex(planes))
    expect(Buffer.from(join(kernel, width, mode, hex(planes), hex(base)))).toEqual(hex(input))
  })

  test.each(ALL)('width %i, %s: the planes of many bytes never change', (width, mode) => {
    const planes = split(kernel, width, mode, seededBytes(1_000_003, 11), seededBytes(1_000_003, 12))
    expect(createHash('sha256').update(planes).digest('hex')).toBe(DIGESTS[`${width} ${mode}`])
  })

  test('takes a full region, and no byte more', () => {
    kernel.input.set(seededBytes(REGION_BYTES, 1))
    kernel.split(4, 'rotated', REGION_BYTES)
    kernel.input.set(kernel.output)
    kernel.join(4, 'rotated', REGION_BYTES)
    expect(Buffer.compare(kernel.output, seededBytes(REGION_BYTES, 1))).toBe(0)
    for (const length of [REGION_BYTES + 1, -1, 1.5]) {
      expect(() => kernel.split(4, 'plain', length)).toThrow(RangeError)
      expect(() => kernel.join(4, 'plain', length)).toThrow(RangeError)
    }
  })

  test('nothing has no planes', () => {
    kernel.output.fill(7, 0, 8)
    kernel.split(4, 'delta', 0)
    kernel.join(4, 'delta', 0)
    expect([...kernel.output.subarray(0, 8)]).toEqual(Array(8).fill(7))
  })

  test('writes nothing behind the block', () => {
    for (const [width, mode] of ALL) {
      split(kernel, width, mode, seededBytes(1003, 1))
      expect([...kernel.output.subarray(1003, 1003 + 32)]).toEqual(Array(32).fill(0x55))
      join(kernel, width, mode, seededBytes(1003, 1))
      expect([...kernel.output.subarray(1003, 1003 + 32)]).toEqual(Array(32).fill(0x55))
    }
  })
})

test('both kernels make the same planes, and get the bytes back from them', () => {
  const extremes = fc.constantFrom(0, 0x7f, 0x80, 0xff)
  const bytes = fc.uint8Array({ maxLength: 700 })
  const edges = fc.array(extremes, { maxLength: 700 }).map(values => Uint8Array.from(values))
  fc.assert(
    fc.property(fc.constantFrom(...ALL), fc.oneof(bytes, edges), fc.integer(), fc.boolean(), ([width, mode], input, seed, near) => {
      const noise = seededBytes(input.length, seed)
      const base = near ? input.map((byte, i) => (i % width === 0 ? byte ^ (noise[i]! & 3) : byte)) : noise
      const planes = split(WEBASSEMBLY, width, mode, input, base)
      expect(split(JAVASCRIPT, width, mode, input, base)).toEqual(planes)
      expect(join(WEBASSEMBLY, width, mode, planes, base)).toEqual(input)
      expect(join(JAVASCRIPT, width, mode, planes, base)).toEqual(input)
    }),
    { numRuns: 400, seed: 20_261_123 },
  )
})

// fp32 bits and what they are rounded to. A change here makes stored blocks unreadable.
const ROUNDED: [what: string, bits: number, bf16: number, fp16: number][] = [
  ['1.0', 0x3f800000, 0x3f80, 0x3c00],
  ['-0.0', 0x80000000, 0x8000, 0x8000],
  ['bf16: a tie above an even number', 0x3f808000, 0x3f80, 0x3c04],
  ['bf16: a tie above an odd number', 0x3f818000, 0x3f82, 0x3c0c],
  ['bf16: just above a tie', 0x3f808001, 0x3f81, 0x3c04],
  ['fp16: a tie above an even number', 0x3f801000, 0x3f80, 0x3c00],
  ['fp16: a tie above an odd number', 0x3f803000, 0x3f80, 0x3c02],
  ['fp16: just above a tie', 0x3f801001, 0x3f80, 0x3c01],
  ['fp16: the largest number', 0x477fefff, 0x4780, 0x7bff],
  ['fp16: beyond it', 0x477ff000, 0x4780, 0x7c00],
  ['the largest fp32', 0x7f7fffff, 0x7f80, 0x7c00],
  ['its negative', 0xff7fffff, 0xff80, 0xfc00],
  ['infinity', 0x7f800000, 0x7f80, 0x7c00],
  ['-infinity', 0xff800000, 0xff80, 0xfc00],
  ['a signalling NaN, its payload below what is kept', 0x7f800001, 0x7fc0, 0x7e00],
  ['a quiet NaN with a payload', 0xffc12345, 0xffc1, 0xfe09],
  ['a NaN of all ones', 0xffffffff, 0xffff, 0xffff],
  ['fp16: half of the smallest number', 0x33000000, 0x3300, 0x0000],
  ['fp16: a bit more', 0x33000001, 0x3300, 0x0001],
  ['fp16: a denormal', 0xb8003000, 0xb800, 0x8201],
  ['fp16: a denormal that becomes the smallest normal number', 0x387fe000, 0x3880, 0x0400],
  ['a denormal of fp32', 0x80000001, 0x8000, 0x8000],
  ['the largest denormal of fp32', 0x007fffff, 0x0080, 0x0000],
]

// SHA-256 of what 250,000 seeded values are rounded to, computed by NumPy
const ROUNDED_DIGESTS: Record<NarrowFormat, string> = {
  bf16: 'ada01d00a96662c07d767f9f7c11b232f00f5200ac76be7383ea7063fe4a4ab4',
  fp16: '9cd57a7be535c659680b4a26468468df469cd814899f44d0e1669f5b251ca266',
}

const FORMATS: NarrowFormat[] = ['bf16', 'fp16']

function narrow(kernel: PlanesKernel, format: NarrowFormat, values: Uint32Array, to = 0): Uint16Array {
  kernel.input.set(new Uint8Array(values.buffer))
  kernel.base.fill(0x55, to, to + 2 * values.length + 32)
  kernel.narrow(format, values.length, to)
  expect([...kernel.base.subarray(to + 2 * values.length, to + 2 * values.length + 32)]).toEqual(Array(32).fill(0x55))
  return new Uint16Array(kernel.base.slice(to, to + 2 * values.length).buffer)
}

/** Seeded bits, every other one with an exponent near those that fp16 has. */
function seededFloats(count: number): Uint32Array {
  const values = new Uint32Array(seededBytes(4 * count, 13).buffer)
  for (let i = 0; i < count; i += 2) values[i] = (values[i]! & 0x807fffff) | ((100 + ((values[i]! >>> 3) % 45)) << 23)
  return values
}

describe.each([
  ['webassembly', WEBASSEMBLY],
  ['javascript', JAVASCRIPT],
] as const)('rounding by %s', (_kind, kernel) => {
  test.each(ROUNDED)('%s', (_what, bits, bf16, fp16) => {
    // alone, and among others, where eight are rounded at a time
    for (const count of [1, 11]) {
      expect([...narrow(kernel, 'bf16', new Uint32Array(count).fill(bits))]).toEqual(Array(count).fill(bf16))
      expect([...narrow(kernel, 'fp16', new Uint32Array(count).fill(bits), 6)]).toEqual(Array(count).fill(fp16))
    }
  })

  test.each(FORMATS)('many values are rounded to %s as others do it', format => {
    const rounded = narrow(kernel, format, seededFloats(250_000))
    expect(createHash('sha256').update(rounded).digest('hex')).toBe(ROUNDED_DIGESTS[format])
  })

  test('takes a full region, and no value more', () => {
    const most = REGION_BYTES / 4
    kernel.input.fill(0x3f)
    kernel.narrow('bf16', most, REGION_BYTES - 2 * most)
    expect([...kernel.base.subarray(REGION_BYTES - 2)]).toEqual([0x3f, 0x3f])
    for (const [count, to] of [
      [most + 1, 0],
      [most, REGION_BYTES - 2 * most + 2],
      [-1, 0],
      [1, -2],
      [0.5, 0],
    ] as const) {
      expect(() => kernel.narrow('fp16', count, to)).toThrow(RangeError)
    }
  })
})

test('both kernels round to the same numbers, at every sign and exponent', () => {
  const mantissas = [0, 1, 0xfff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x7fff, 0x8000, 0x8001, 0x18000, 0x3fffff, 0x400000, 0x7fe000, 0x7fffff]
  const values = new Uint32Array(512 * mantissas.length)
  for (let top = 0; top < 512; top++) mantissas.forEach((mantissa, i) => (values[top * mantissas.length + i] = (top << 23) | mantissa))
  for (const format of FORMATS) expect(narrow(WEBASSEMBLY, format, values)).toEqual(narrow(JAVASCRIPT, format, values))
})

describe('without WebAssembly', () => {
  test('the plain twin stands in', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect(loadPlanes().kind).toBe('javascript')
  })

  test('also where a kernel with SIMD is refused', () => {
    const refuse = class {
      constructor() {
        throw new RangeError('out of memory')
      }
    }
    vi.stubGlobal('WebAssembly', { Module: refuse, Instance: refuse })
    expect(loadPlanes().kind).toBe('javascript')
  })
})
