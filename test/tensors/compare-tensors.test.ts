import { describe, expect, test } from 'vitest'
import { compareTensors, type TensorComparison, type TensorSide } from '../../src/tensors/compare-tensors.ts'
import { findPrefix } from '../../src/tensors/match-names.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import { unequalStretches, type HashedSource } from '../../src/tensors/stretches.ts'
import { type Entry, safetensors } from '../chunking/layouts/writers.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { filesOf, hashedSourceOf, sourceOf } from './tensor-files.ts'

const floats = (length: number, change: (values: Float32Array) => void = () => undefined): Buffer => {
  const values = Float32Array.from({ length }, (_, i) => Math.sin(i))
  change(values)
  return Buffer.from(values.buffer)
}

async function sideOf(source: HashedSource): Promise<TensorSide> {
  return { name: 'a file', source, file: await readTensorFile('a file', source) }
}

async function compare(before: readonly Entry[], after: readonly Entry[]): Promise<Record<string, Omit<TensorComparison, 'name'>>> {
  const sides = [await sideOf(sourceOf(safetensors(before))), await sideOf(sourceOf(safetensors(after)))] as const
  const found: Record<string, Omit<TensorComparison, 'name'>> = {}
  const prefix = findPrefix(sides[0].file, sides[1].file)
  for await (const { name, kind, difference } of compareTensors(...sides, { prefix }))
    found[name] = difference === undefined ? { kind } : { kind, difference }
  return found
}

const f32 = (name: string, data: Buffer, shape = [data.length / 4]): Entry => ({ name, dtype: 'F32', shape, data })

test('tensors are compared by name: identical, changed and by how much, of another type or shape, on one side alone', async () => {
  const half = Buffer.from(Uint16Array.of(0x3c00, 0x4000).buffer)
  const found = await compare(
    [
      f32('same', floats(1000)),
      f32('moved', floats(1000)),
      f32('shape', floats(6), [2, 3]),
      f32('type', floats(2)),
      f32('gone', floats(1)),
    ],
    [
      { name: 'type', dtype: 'F16', shape: [2], data: half },
      f32('shape', floats(6), [3, 2]),
      f32('same', floats(1000)),
      f32(
        'moved',
        floats(1000, values => ((values[17]! += 0.5), (values[18] = NaN))),
      ),
      f32('new', floats(1)),
    ],
  )
  expect(found).toEqual({
    same: { kind: 'identical' },
    moved: { kind: 'changed', difference: { changed: 2, maxAbs: 0.5, nonFinite: 1 } },
    shape: { kind: 'reshaped' },
    type: { kind: 'retyped', difference: { changed: 2, maxAbs: 2 - Math.fround(Math.sin(1)), nonFinite: 0 } },
    gone: { kind: 'removed' },
    new: { kind: 'added' },
  })
})

test('a checkpoint is compared with its export: what its names have in front is left out where no name is in both', async () => {
  const file = (...names: string[]) => filesOf(safetensors(names.map(name => f32(name, floats(8)))))
  const checkpoint = await file('model.a.weight', 'model.b.weight', 'model.c', 'optimizer.state.0.step', 'optimizer.state.1.step')
  expect(findPrefix(checkpoint, await file('a.weight', 'b.weight', 'c'))).toEqual({ side: 'before', prefix: 'model.' })
  expect(findPrefix(await file('a.weight', 'b.weight'), checkpoint)).toEqual({ side: 'after', prefix: 'model.' })
  expect(findPrefix(await file('module.x.y', 'module.x.z'), await file('y', 'z'))).toEqual({ side: 'before', prefix: 'module.x.' })
  // one name in both, too few of them, or none at all
  expect(findPrefix(checkpoint, await file('a.weight', 'b.weight', 'model.c'))).toBeUndefined()
  expect(findPrefix(checkpoint, await file('a.weight', 'x', 'y', 'z'))).toBeUndefined()
  expect(findPrefix(checkpoint, await file('p', 'q'))).toBeUndefined()

  const trained = [f32('model.a', floats(8)), f32('model.b', floats(8)), f32('optimizer.b', floats(2))]
  const exported = [
    f32(
      'b',
      floats(8, values => (values[0]! += 1)),
    ),
    f32('a', floats(8)),
    f32('c', floats(1)),
  ]
  expect(await compare(trained, exported)).toEqual({
    'model.a': { kind: 'identical' },
    'model.b': { kind: 'changed', difference: { changed: 1, maxAbs: 1, nonFinite: 0 } },
    'optimizer.b': { kind: 'removed' },
    c: { kind: 'added' },
  })
  expect(await compare(exported, trained)).toMatchObject({
    a: { kind: 'identical' },
    b: { kind: 'changed' },
    c: { kind: 'removed' },
    'optimizer.b': { kind: 'added' },
  })
})

test('what is larger than one window is compared to its end', async () => {
  const count = 5 * 1024 * 1024
  const before = floats(count)
  const after = Buffer.from(before)
  for (const at of [0, 2 * 1024 * 1024, count - 1]) after.writeFloatLE(before.readFloatLE(4 * at) + 1, 4 * at)
  expect((await compare([f32('a', before)], [f32('a', after)]))['a']).toMatchObject({ kind: 'changed', difference: { changed: 3 } })
})

test('elements that are no numbers are compared by their bytes', async () => {
  const entry = (byte: number): Entry => ({ name: 'q', dtype: 'F4', shape: [4], data: Buffer.of(1, byte) })
  expect((await compare([entry(2)], [entry(2)]))['q']).toEqual({ kind: 'identical' })
  expect((await compare([entry(2)], [entry(3)]))['q']).toEqual({ kind: 'changed' })
})

describe('stretches that may differ', () => {
  const bytes = seededBytes(10_000, 1)
  const other = Buffer.from(bytes)
  other[5_000]! ^= 1

  test('are told from hashes alone where both sides have them', async () => {
    const [a, b] = [hashedSourceOf(bytes, [1000, 4000, 7000]), hashedSourceOf(other, [1000, 4000, 7000])]
    expect(await unequalStretches({ source: a, start: 0 }, { source: b, start: 0 }, 10_000)).toEqual([{ start: 4000, length: 3000 }])
    // chunks that reach out of what is compared count as well, where they lie alike
    expect(await unequalStretches({ source: a, start: 500 }, { source: b, start: 500 }, 4000)).toEqual([{ start: 3500, length: 500 }])
    expect(await unequalStretches({ source: a, start: 0 }, { source: b, start: 1 }, 9_000)).toEqual([{ start: 0, length: 9_000 }])
    expect([...a.asked, ...b.asked]).toEqual([])
  })

  test('of a side without hashes are read there alone', async () => {
    const [a, b] = [hashedSourceOf(bytes, [1000, 4000, 7000]), sourceOf(other)]
    for (const [left, right] of [
      [a, b],
      [b, a],
    ] as const)
      expect(await unequalStretches({ source: left, start: 0 }, { source: right, start: 0 }, 10_000)).toEqual([
        { start: 4000, length: 3000 },
      ])
    expect(a.asked).toEqual([])
    expect(await unequalStretches({ source: a, start: 2000 }, { source: sourceOf(bytes.subarray(2000)), start: 0 }, 8000)).toEqual([
      { start: 0, length: 2000 },
    ])
  })

  test('are all where there are no hashes', async () => {
    const place = { source: sourceOf(bytes), start: 0 }
    expect(await unequalStretches(place, { source: sourceOf(bytes), start: 0 }, 100)).toEqual([{ start: 0, length: 100 }])
  })
})
