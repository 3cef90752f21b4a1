import { beforeAll, describe, expect, test } from 'vitest'
import { openForReading } from '../../../../src/repository/open/open.ts'
import type { RetentionPolicy } from '../../../../src/repository/versions/retention.ts'
import { contextOf } from '../../../helpers/in-process.ts'
import type { MemoryStorage } from '../../../helpers/storage/memory.ts'
import { adamSteps, bf16, fp32, network, pt, safetensors, type Trained } from '../../../helpers/tensors.ts'
import { bytesIn, copyOf, forgetNow, pruneNow, Series } from '../series.ts'

const VERSIONS = 11
/**
 * Where the same content is stored with and without deltas, blocks are put together otherwise, and so are the samples
 * by which they are encoded.
 */
const TOLERANCE = 1.01

/** What a training writes at each step. */
const TRAININGS: Record<string, (state: Trained) => Record<string, Buffer>> = {
  'bf16 weights': ({ model }) => ({ 'model.safetensors': safetensors(bf16(model)) }),
  'fp32 weights with the state of Adam': ({ model, optimizer }) => ({ 'last.pt': pt(fp32([...model, ...optimizer])) }),
  'fp32 weights and their bf16 export': ({ model }) => ({
    'last.pt': pt(fp32(model)),
    'export/model.safetensors': safetensors(bf16(model)),
  }),
}

const TAGS = { second: (step: number) => step % 2 === 0, fourth: (step: number) => step % 4 === 2 }

const KEPT: Record<string, RetentionPolicy> = {
  'the last': { last: 1 },
  'the last two': { last: 2 },
  'the last three': { last: 3 },
  'every second': { tags: ['second'] },
  'every fourth, and the last': { last: 1, tags: ['fourth'] },
}

describe.each(Object.entries(TRAININGS))('of a series of %s', (what, write) => {
  const series = new Series()

  beforeAll(async () => {
    const states = adamSteps(network(1), VERSIONS, 1e-5)
    const tagsOf = (step: number): string[] => Object.entries(TAGS).flatMap(([tag, has]) => (has(step) ? [tag] : []))
    await series.push(states.map((state, step) => ({ tree: write(state), tags: tagsOf(step) })))
    const { index } = await openForReading(contextOf(series.deltas))
    expect(Math.max(...Array.from({ length: index.size }, (_, entry) => index.depth(entry)))).toBe(8)
  }, 120_000)

  test.each(Object.entries(KEPT))(
    '%s takes no more than without deltas',
    async (kept, policy) => {
      const [deltas, whole] = [await copyOf(series.deltas), await copyOf(series.whole)]
      await expectPruned(whole, policy)
      const steps = await expectPruned(deltas, policy)
      const [left, leftWhole] = [await bytesIn(deltas), await bytesIn(whole)]
      if (process.env.TELL_SIZES !== undefined) console.log(`${what}, ${kept}: ${left} bytes, without deltas ${leftWhole}`)
      expect(left).toBeLessThan(TOLERANCE * leftWhole)
      await series.expectSound(deltas, steps)
    },
    60_000,
  )
})

test('of blocks of tensors most of which are gone, what is left takes what it would have taken without the others', async () => {
  const [first, other] = [network(1, [30_000, 50_000]), network(2, [30_000, 50_000])]
  const newest = { 'model.safetensors': safetensors(fp32([first[0]!, other[1]!])) }
  const alone = await new Series().push([{ tree: newest }])
  const series = await new Series().push([{ tree: { 'model.safetensors': safetensors(fp32(first)) } }, { tree: newest }])
  for (const store of [series.whole, series.deltas]) {
    expect(await bytesIn(store)).toBeGreaterThan(1.5 * (await bytesIn(alone.whole)))
    expect(await expectPruned(store, { last: 1 })).toEqual([1])
    expect(await bytesIn(store)).toBeLessThan(TOLERANCE * (await bytesIn(alone.whole)))
    await series.expectSound(store, [1])
  }
})

/** Forgets and prunes until all is freed; another prune finds nothing to do. */
async function expectPruned(storage: MemoryStorage, policy: RetentionPolicy): Promise<number[]> {
  const context = contextOf(storage)
  const steps = await forgetNow(context, policy)
  for (let run = 0; run < 3; run++) await pruneNow(context)
  const before = (await storage.list()).objects
  expect(await pruneNow(context)).toMatchObject({ marked: { packs: 0 }, freed: { packs: 0 }, copiedBytes: 0, problems: [] })
  expect((await storage.list()).objects).toEqual(before)
  return steps
}
