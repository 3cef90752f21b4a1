import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joinSmall, MIN_TENSOR_BYTES, TENSOR_CHUNK_BYTES, tensorCuts } from '../../../src/chunking/layouts/cuts.ts'
import { columnsOf } from '../../../src/chunking/layouts/span.ts'
import { findTensors, type TensorSpan } from '../../../src/chunking/tensor-layout.ts'
import { seededBytes } from '../../helpers/seeded.ts'
import { npy, npyHeader, reading, safetensors, zip } from './writers.ts'

const MIB = 1024 * 1024

function span(offset: number, length: number): TensorSpan {
  return { name: `at ${offset}`, offset, length, width: 4, kind: 'float' }
}

async function spansOf(file: Uint8Array): Promise<TensorSpan[]> {
  return (await findTensors(file.length, reading(file).read)) ?? []
}

/** Hashes of a file's tensor chunks, in the order of the tensors' names and then of the file. */
async function chunksOf(file: Uint8Array): Promise<string[]> {
  const chunks = tensorCuts(await spansOf(file), file.length).flatMap(segment => (segment.kind === 'tensor' ? [segment] : []))
  chunks.sort((a, b) => a.tensor.name.localeCompare(b.tensor.name) || a.offset - b.offset)
  return chunks.map(({ offset, length }) =>
    createHash('sha256')
      .update(file.subarray(offset, offset + length))
      .digest('hex'),
  )
}

test.each<[what: string, shape: number[] | undefined, length: number, columns: number | undefined]>([
  ['a matrix', [100, 40], 16_000, 40],
  ['complex numbers, which are two each', [100, 40], 32_000, 80],
  ['experts with a matrix each', [4, 100, 40], 64_000, 40],
  ['a convolution, with all that goes to one output', [64, 16, 3, 3], 36_864, 144],
  ['pairs', [1000, 2], 8000, undefined],
  ['a bias', [1000], 4000, undefined],
  ['one row', [1, 1000], 4000, undefined],
  ['no shape', undefined, 4000, undefined],
  ['elements of another width', [100, 41], 16_001, undefined],
])('the rows of %s', (_what, shape, length, columns) => {
  expect(columnsOf({ ...span(0, length), ...(shape ? { shape } : {}) })).toBe(columns)
})

describe('joinSmall', () => {
  const large = span(5000, MIN_TENSOR_BYTES)
  const others = [span(0, 3000), { ...span(3000, 2000), shape: [500] }, large, span(9096, 1), span(9100, 4000), span(13_100, 95)]

  test('makes touching small tensors of one type one, if that is large enough to be cut', () => {
    expect(joinSmall(others, 20_000)).toEqual([span(0, 5000), large, others[3], others[4], others[5]])
    expect(joinSmall([...others, span(13_195, 1)], 20_000)).toEqual([span(0, 5000), large, others[3], span(9100, 4096)])
    expect(joinSmall([{ ...others[0]!, dtype: 'F32' }, others[1]!], 20_000)).toHaveLength(2)
    expect(joinSmall([others[0]!, { ...others[1]!, width: 2 }], 20_000)).toHaveLength(2)
    expect(joinSmall([], 9)).toEqual([])
  })

  test('makes what fills the gap between large tensors one, which is cut', () => {
    const [a, b, c] = [span(100, 5000), span(5100, 200), span(5300, 56)]
    const large = span(5356, 5000)
    expect(joinSmall([a, b, c, large], 20_000)).toEqual([a, { ...span(5100, 256), fillsGap: true }, large])
    expect(joinSmall([a, b, c], 5356)).toEqual([a, { ...span(5100, 256), fillsGap: true }])
    expect(joinSmall([a, span(5100, 256), large], 20_000)).toEqual([a, { ...span(5100, 256), fillsGap: true }, large])
    for (const others of [
      [a, b, c],
      [b, c, large],
      [a, b, span(5300, 55)],
      [a, span(5101, 255), large],
      [a, b, { ...c, dtype: 'I8' }, large],
    ])
      expect(joinSmall(others, 20_000)).toEqual(others)
    expect(tensorCuts(joinSmall([a, b, c, large], 20_000), 20_000).map(({ kind, length }) => [kind, length])).toEqual([
      ['container', 100],
      ['tensor', 5000],
      ['tensor', 256],
      ['tensor', 5000],
      ['container', 9644],
    ])
  })

  test('keeps the bytes that belong to tensors', () => {
    const tensors = fc.array(fc.tuple(fc.nat(1), fc.integer({ min: 1, max: 6000 }), fc.constantFrom('F32', 'I32')))
    fc.assert(
      fc.property(tensors, parts => {
        let at = 0
        const spans = parts.map(([gap, length, dtype]) => {
          at += gap + length
          return { ...span(at - length, length), dtype }
        })
        const ranges = (all: TensorSpan[]) => all.flatMap(({ offset, length }) => [offset, offset + length])
        const joined = joinSmall(spans, at)
        const inner = new Set(ranges(spans))
        for (const end of ranges(joined)) expect(inner.has(end)).toBe(true)
        expect(joined.reduce((sum, { length }) => sum + length, 0)).toBe(spans.reduce((sum, { length }) => sum + length, 0))
        for (let i = 1; i < joined.length; i++)
          expect(joined[i]!.offset).toBeGreaterThanOrEqual(joined[i - 1]!.offset + joined[i - 1]!.length)
      }),
    )
  })
})

describe('tensorCuts', () => {
  test('cuts at the ends of tensors, and every 1 MiB inside', () => {
    const big = span(100, 2 * MIB + 5000)
    const small = span(100 + big.length, MIN_TENSOR_BYTES)
    const size = small.offset + small.length + 7
    expect(tensorCuts([big, small], size)).toEqual([
      { kind: 'container', offset: 0, length: 100 },
      { kind: 'tensor', offset: 100, length: MIB, tensor: big },
      { kind: 'tensor', offset: 100 + MIB, length: MIB, tensor: big },
      { kind: 'tensor', offset: 100 + 2 * MIB, length: 5000, tensor: big },
      { kind: 'tensor', offset: small.offset, length: MIN_TENSOR_BYTES, tensor: small },
      { kind: 'container', offset: size - 7, length: 7 },
    ])
  })

  test('leaves tiny tensors to the container', () => {
    expect(tensorCuts([span(10, MIN_TENSOR_BYTES - 1), span(9000, 12)], 10_000)).toEqual([{ kind: 'container', offset: 0, length: 10_000 }])
    expect(tensorCuts([], 5)).toEqual([{ kind: 'container', offset: 0, length: 5 }])
    expect(tensorCuts([], 0)).toEqual([])
  })

  test('covers any file without gaps, and no container byte shares a segment with a tensor', () => {
    const gaps = fc.array(fc.tuple(fc.nat(9000), fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 3 * MIB }))), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(gaps, fc.nat(5000), (parts, rest) => {
        let position = 0
        const spans = parts.map(([gap, length]) => {
          const made = span(position + gap, length)
          position = made.offset + length
          return made
        })
        const segments = tensorCuts(spans, position + rest)
        let at = 0
        for (const segment of segments) {
          expect(segment.offset).toBe(at)
          expect(segment.length).toBeGreaterThan(0)
          at += segment.length
          if (segment.kind === 'container') continue
          const { tensor, offset, length } = segment
          expect(length).toBeLessThanOrEqual(TENSOR_CHUNK_BYTES)
          expect((offset - tensor.offset) % TENSOR_CHUNK_BYTES).toBe(0)
          expect(offset + length).toBeLessThanOrEqual(tensor.offset + tensor.length)
        }
        expect(at).toBe(position + rest)
        const large = spans.filter(({ length }) => length >= MIN_TENSOR_BYTES)
        const inTensors = segments.flatMap(segment => (segment.kind === 'tensor' ? [segment.length] : []))
        expect(inTensors.reduce((sum, length) => sum + length, 0)).toBe(large.reduce((sum, { length }) => sum + length, 0))
      }),
      { numRuns: 200, seed: 20_261_123 },
    )
  })
})

describe('one tensor in several containers', () => {
  test('becomes the same chunks in .npy, .npz and safetensors', async () => {
    const data = seededBytes(1_300_000, 1)
    const array = npy(npyHeader(`'<f4'`, '(325000,)'), data)
    const expected = await chunksOf(array)
    expect(expected).toHaveLength(2)
    expect(await chunksOf(zip([{ name: 'x.npy', data: array, padding: 3 }]))).toEqual(expected)
    expect(
      await chunksOf(
        safetensors([
          { name: 'before', dtype: 'U8', shape: [77], data: seededBytes(77, 2) },
          { name: 'x', dtype: 'F32', shape: [325_000], data },
        ]),
      ),
    ).toEqual(expected)
  })

  test('becomes the same chunks in a checkpoint of PyTorch and in safetensors', async () => {
    const checkpoint = readFileSync(new URL('fixtures/checkpoint.pt', import.meta.url))
    const spans = await spansOf(checkpoint)
    const entries = spans.map(({ name, dtype, shape = [1088], offset, length }) => {
      return { name, dtype: dtype!, shape, data: checkpoint.subarray(offset, offset + length) }
    })
    const exported = safetensors(entries.reverse())
    expect(await chunksOf(exported)).toEqual(await chunksOf(checkpoint))
    expect(await chunksOf(exported)).toHaveLength(7)
  })
})
