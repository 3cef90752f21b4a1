import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openForReading } from '../../src/repository/context.ts'
import { forget } from '../../src/repository/forget.ts'
import { openForPrune, prune, type PruneResult } from '../../src/repository/prune/prune.ts'
import { NO_WAITS } from '../../src/repository/prune/waits.ts'
import type { RetentionPolicy } from '../../src/repository/retention.ts'
import { TensorCache } from '../../src/repository/tensor-cache.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { adamSteps, bf16, fp32, network, pt, safetensors, type Trained } from '../helpers/tensors.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'

const VERSIONS = 11
/** Where the same content is stored with and without deltas, blocks are put together otherwise, and so are the samples by which they are encoded. */
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

describe.each(Object.entries(TRAININGS))('of a series of %s', (_, write) => {
  const stores = { deltas: new MemoryStorage(), whole: new MemoryStorage() }
  const contents: ReturnType<typeof pictureOf>[] = []

  beforeAll(
    () =>
      withFolder(async folder => {
        const data = join(folder, 'data')
        for (const [step, state] of adamSteps(network(1, [300_000, 40_000, 5_000, 1_100, 64]), VERSIONS, 1e-5).entries()) {
          makeTree(data, write(state))
          contents.push(pictureOf(data))
          const tags = Object.entries(TAGS).flatMap(([tag, has]) => (has(step) ? [tag] : []))
          const cache = new TensorCache(join(folder, 'cache'), silentReporter, () => 1e11)
          await pushFolder(contextOf(stores.deltas), data, 'run', { tags, bases: { cache } })
          await pushFolder(contextOf(stores.whole), data, 'run', { tags })
        }
        const { index } = await openForReading(contextOf(stores.deltas))
        expect(Math.max(...Array.from({ length: index.size }, (_, entry) => index.depth(entry)))).toBe(8)
      }),
    120_000,
  )

  test.each(Object.entries(KEPT))(
    '%s takes no more than without deltas',
    async (_, policy) => {
      const deltas = await copyOf(stores.deltas)
      const whole = await copyOf(stores.whole)
      await expectForgotten(whole, policy)
      const versions = await expectForgotten(deltas, policy)
      const sizes = [await bytesIn(deltas), await bytesIn(whole)] as const
      if (process.env.DELTAS_TOLD) console.log(_, sizes, sizes[0] / sizes[1], await bytesIn(stores.deltas), await bytesIn(stores.whole))
      expect(sizes[0]).toBeLessThan(TOLERANCE * sizes[1])
      for (const [back, step] of versions.entries()) await expectPulled(deltas, `run~${back}`, contents[step]!)
      const { problems, affected } = await checkAll(contextOf(deltas))
      expect([problems, affected]).toEqual([[], []])
    },
    60_000,
  )
})

async function copyOf(storage: MemoryStorage): Promise<MemoryStorage> {
  const copy = new MemoryStorage()
  for (const { name } of (await storage.list()).objects) await copy.put(name, await storage.get(name))
  return copy
}

async function bytesIn(storage: MemoryStorage): Promise<number> {
  return (await storage.quota()).used!
}

async function pruneNow(storage: MemoryStorage): Promise<PruneResult> {
  const context = contextOf(storage)
  return prune(context, await openForPrune(context), { waits: NO_WAITS, dryRun: false })
}

/** What `forget run ...` and `prune --now` do. The steps of the versions that are kept, the newest first. */
async function expectForgotten(storage: MemoryStorage, policy: RetentionPolicy): Promise<number[]> {
  const context = contextOf(storage)
  const { names } = await forget(context, { names: ['run'], policy, all: false, waits: NO_WAITS, dryRun: false })
  const { kept, forgotten } = names[0]!.decision
  await pruneNow(storage)
  await pruneNow(storage)
  const before = (await storage.list()).objects
  expect(await pruneNow(storage)).toMatchObject({ marked: { packs: 0 }, freed: { packs: 0 }, copiedBytes: 0, problems: [] })
  expect((await storage.list()).objects).toEqual(before)
  const all = [...kept.map(({ version }) => version), ...forgotten].sort((a, b) => a.time - b.time)
  return kept.map(({ version }) => all.indexOf(version))
}

async function expectPulled(storage: MemoryStorage, version: string, expected: ReturnType<typeof pictureOf>): Promise<void> {
  await withFolder(async folder => {
    const out = join(folder, 'out')
    await pullVersion(contextOf(storage), version, out)
    expectSameTree(out, expected)
    rmSync(out, { recursive: true })
  })
}
