import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { tensorCuts } from '../../../src/chunking/layouts/cuts.ts'
import { findTensors } from '../../../src/chunking/tensor-layout.ts'
import { seededBytes } from '../../helpers/seeded.ts'
import { gguf, npy, npyHeader, reading, safetensors, zip } from './writers.ts'

const MIB = 1024 * 1024
const array = npy(npyHeader(`'<f4'`, '(40, 32)'), seededBytes(5120, 1))
const FILES: Record<string, Buffer> = {
  safetensors: safetensors([
    { name: 'a.weight', dtype: 'F32', shape: [32, 40], data: seededBytes(5120, 1) },
    { name: 'a.bias', dtype: 'BF16', shape: [40], data: seededBytes(80, 2) },
  ]),
  npy: array,
  npz: zip([
    { name: 'x.npy', data: array, padding: 5 },
    { name: 'y.npy', data: array },
  ]),
  zip64: zip([{ name: 'x.npy', data: array, wide: true }], { wide: true, comment: 'c' }),
  gguf: gguf([
    { name: 'plain', shape: [16, 16], type: 0, data: seededBytes(1024, 1) },
    { name: 'quantised', shape: [64], type: 2, data: seededBytes(36, 2) },
  ]),
  pt: readFileSync(new URL('fixtures/checkpoint.pt', import.meta.url)),
  module: readFileSync(new URL('fixtures/module.pt', import.meta.url)),
}

/** Where bytes mean something: not inside of the tensors. */
async function meaningful(file: Buffer): Promise<number[]> {
  const spans = (await findTensors(file.length, reading(file).read)) ?? []
  const inside = new Uint8Array(file.length)
  for (const { offset, length } of spans) inside.fill(1, offset, offset + length)
  return [...inside.keys()].filter(at => inside[at] === 0)
}

/** Whatever the file says, the answer is none, or spans that tile a part of it; and not much is read. */
async function expectSane(file: Buffer): Promise<void> {
  const { read, asked } = reading(file)
  const spans = await findTensors(file.length, read)
  expect(asked()).toBeLessThan(MIB)
  if (spans === undefined) return
  expect(spans.length).toBeGreaterThan(0)
  let end = 0
  for (const { offset, length, width } of spans) {
    expect(offset).toBeGreaterThanOrEqual(end)
    expect(length).toBeGreaterThan(0)
    expect([1, 2, 4, 8]).toContain(width)
    end = offset + length
  }
  expect(end).toBeLessThanOrEqual(file.length)
  expect(tensorCuts(spans, file.length).reduce((sum, { length }) => sum + length, 0)).toBe(file.length)
}

const value = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff))
const patch = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  bytes: fc.array(value, { minLength: 1, maxLength: 9 }),
})

test.each(Object.entries(FILES))('a damaged header never makes more than a wrong answer: %s', async (_what, file) => {
  const places = await meaningful(file)
  expect(places.length).toBeGreaterThan(50)
  await fc.assert(
    fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 3 }), async patches => {
      const damaged = Buffer.from(file)
      for (const { at, bytes } of patches)
        damaged.set(bytes.slice(0, damaged.length - places[Math.floor(at * places.length)]!), places[Math.floor(at * places.length)])
      await expectSane(damaged)
    }),
    { numRuns: 300, seed: 20_261_123 },
  )
})

test.each(Object.entries(FILES))('so do cut and joined files: %s', async (_what, file) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length), fc.nat(file.length), async (from, to) => {
      await expectSane(file.subarray(0, from))
      await expectSane(Buffer.concat([file.subarray(0, from), file.subarray(to)]))
    }),
    { numRuns: 60, seed: 20_261_123 },
  )
})
