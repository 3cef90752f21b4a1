import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type FastCdcKernel,
  findCut,
  gearTable,
  gearTableOf,
  javascriptFastCdc,
  MAX_CHUNK,
  MIN_CHUNK,
  WINDOW_BYTES,
} from '../../src/kernels/fastcdc.ts'
import { loadFastCdc } from '../../src/kernels/load-fastcdc.ts'
import { seededBytes } from '../helpers/seeded.ts'

const MIB = 1024 * 1024

function squares(): Uint8Array {
  let text = ''
  for (let i = 0; i < 40_000; i++) text += `${i},${i * i}\n`
  return Buffer.from(text)
}

// Computed by an independent implementation. After a change here a push finds no chunk of an older repository.
const VECTORS: [what: string, bytes: Uint8Array, cuts: number[]][] = [
  ['nothing', new Uint8Array(0), []],
  ['less than the minimum', seededBytes(1000, 3), [1000]],
  ['the minimum', seededBytes(MIN_CHUNK, 4), [16384]],
  ['a byte more than the minimum', seededBytes(MIN_CHUNK + 1, 4), [16385]],
  ['the maximum of zeros', new Uint8Array(MAX_CHUNK), [262144]],
  ['a byte more than the maximum of zeros', new Uint8Array(MAX_CHUNK + 1), [262144, 262145]],
  ['the maximum of noise', seededBytes(MAX_CHUNK, 5), [46326, 93284, 172723, 257437, 262144]],
  ['1 MiB of zeros', new Uint8Array(MIB), [262144, 524288, 786432, 1048576]],
  ['0xff bytes', new Uint8Array(600_000).fill(0xff), [262144, 524288, 600000]],
  ['text', squares(), [70415, 107971, 193055, 280880, 352697, 430073, 506766, 584728, 622641]],
  ['noise', seededBytes(MIB, 1), [76541, 153308, 277665, 348097, 433309, 572776, 645319, 731737, 813645, 916402, 995538, 1019737, 1048576]],
]

const KERNELS: [FastCdcKernel['kind'], FastCdcKernel][] = [
  ['webassembly', loadFastCdc()],
  ['javascript', javascriptFastCdc()],
]

function cutsOf(kernel: FastCdcKernel, start: number, end: number, final: boolean): number[] {
  return [...kernel.cuts.subarray(0, kernel.findCuts(start, end, final))]
}

afterEach(() => {
  vi.unstubAllGlobals()
})

test('the gear table never changes', () => {
  const table = gearTable()
  expect(table).toHaveLength(256)
  const digest = createHash('sha256')
    .update(Buffer.from(table.buffer, table.byteOffset, table.byteLength))
    .digest('hex')
  expect(digest).toBe('8cc4f08780eda17e75bc3a9f82bbc57a170c85c038a584da5bdcc85628cfac89')
})

describe.each(KERNELS)('%s', (kind, kernel) => {
  test('is what it says', () => {
    expect(kernel.kind).toBe(kind)
    expect(kernel.window).toHaveLength(WINDOW_BYTES)
  })

  test.each(VECTORS)('cuts %s where it always did', (_what, bytes, cuts) => {
    kernel.window.set(bytes)
    expect(cutsOf(kernel, 0, bytes.length, true)).toEqual(cuts)
  })

  test('cuts the same anywhere in the window', () => {
    const [, bytes, cuts] = VECTORS.at(-1)!
    const start = 12_345
    kernel.window.set(bytes, start)
    expect(cutsOf(kernel, start, start + bytes.length, true)).toEqual(cuts.map(cut => cut + start))
  })

  test('leaves less than the maximum for later, unless it is final', () => {
    const [, bytes, cuts] = VECTORS.at(-1)!
    kernel.window.set(bytes)
    const certain = cuts.filter((_cut, i) => bytes.length - (cuts[i - 1] ?? 0) >= MAX_CHUNK)
    expect(certain.length).toBeLessThan(cuts.length)
    expect(cutsOf(kernel, 0, bytes.length, false)).toEqual(certain)
    expect(cutsOf(kernel, 0, MAX_CHUNK - 1, false)).toEqual([])
    expect(cutsOf(kernel, 0, MAX_CHUNK, false)).toEqual([cuts[0]])
  })

  test('holds the cuts of a window that is full', () => {
    kernel.window.fill(0)
    const cuts = cutsOf(kernel, 0, WINDOW_BYTES, true)
    expect(cuts).toEqual(Array.from({ length: WINDOW_BYTES / MAX_CHUNK }, (_, i) => (i + 1) * MAX_CHUNK))
    kernel.window.set(seededBytes(WINDOW_BYTES, 6))
    expect(cutsOf(kernel, 0, WINDOW_BYTES, true).at(-1)).toBe(WINDOW_BYTES)
  })
})

describe('other gear tables', () => {
  const keyed = (seed: number): Int32Array => gearTableOf(text => createHmac('sha256', Buffer.alloc(32, seed)).update(text).digest())

  test('both kernels cut alike, elsewhere than with any other table', () => {
    const all = new Set<string>()
    for (const gear of [gearTable(), ...Array.from({ length: 8 }, (_, seed) => keyed(seed))]) {
      const kernels = [loadFastCdc(gear), javascriptFastCdc(gear)]
      for (const [what, bytes] of VECTORS) {
        for (const { window } of kernels) window.set(bytes)
        const [webassembly, javascript] = kernels.map(kernel => cutsOf(kernel, 0, bytes.length, true))
        expect(webassembly, what).toEqual(javascript)
        if (what === 'noise') all.add(webassembly!.join())
      }
    }
    expect(all.size).toBe(9)
  })

  test('a key gives the cuts that an independent implementation computed', () => {
    const kernel = loadFastCdc(keyed(1))
    const [, noise] = VECTORS.at(-1)!
    kernel.window.set(noise)
    expect(cutsOf(kernel, 0, noise.length, true)).toEqual([
      69247, 135614, 219570, 295138, 372386, 438013, 530386, 611534, 693146, 761907, 827786, 915638, 983211, 1048576,
    ])
  })
})

test('findCut asks for more bytes with a 0', () => {
  const bytes = seededBytes(MAX_CHUNK, 5)
  expect(findCut(bytes, 0, MAX_CHUNK - 1, false)).toBe(0)
  expect(findCut(bytes, 0, MAX_CHUNK - 1, true)).toBe(46326)
  expect(findCut(bytes, 0, MAX_CHUNK, false)).toBe(46326)
})

test('both kernels find the same cuts', () => {
  const [[, webassembly], [, javascript]] = KERNELS as [[string, FastCdcKernel], [string, FastCdcKernel]]
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer(),
        period: fc.integer({ min: 1, max: 400_000 }),
        length: fc.nat(600_000),
        start: fc.nat(100),
        final: fc.boolean(),
      }),
      ({ seed, period, length, start, final }) => {
        const pattern = seededBytes(period, seed)
        for (const { window } of [webassembly, javascript]) {
          for (let at = 0; at < start + length; at += period) window.set(pattern, at)
        }
        expect(cutsOf(webassembly, start, start + length, final)).toEqual(cutsOf(javascript, start, start + length, final))
      },
    ),
    { numRuns: 60, seed: 20_261_123 },
  )
})

describe('without WebAssembly', () => {
  test('the plain twin stands in', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect(loadFastCdc().kind).toBe('javascript')
  })

  test('also when an instance is refused', () => {
    const refuse = class {
      constructor() {
        throw new RangeError('out of memory')
      }
    }
    vi.stubGlobal('WebAssembly', { Module: refuse, Instance: refuse })
    expect(loadFastCdc().kind).toBe('javascript')
  })
})

test('instances do not share their windows', () => {
  const [one, other] = [loadFastCdc(), loadFastCdc()]
  one.window[0] = 1
  expect(other.window[0]).toBe(0)
})
