import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MIN_TENSOR_BYTES, TENSOR_CHUNK_BYTES, tensorCuts } from '../../../src/chunking/layouts/cuts.ts'
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
