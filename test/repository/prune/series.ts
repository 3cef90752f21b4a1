import { join } from 'node:path'
import { expect } from 'vitest'
import { TensorCache } from '../../../src/repository/bases/tensor-cache.ts'
import type { RepositoryContext } from '../../../src/repository/open/open.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune, type PruneResult } from '../../../src/repository/prune/prune.ts'
import type { RetentionPolicy } from '../../../src/repository/versions/retention.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { withFolder } from '../../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { expectSameTree, makeTree, pictureOf, type TreePicture } from '../../helpers/trees.ts'

/** What is pushed one after the other as `run`, with its tags. */
export interface Step {
  tree: Record<string, Buffer>
  tags?: string[]
}

/** A series of versions that overwrite each other in place, stored with deltas and without. */
export class Series {
  readonly deltas = new MemoryStorage()
  readonly whole = new MemoryStorage()
  /** What each version must come back as, the oldest first. */
  readonly contents: TreePicture[] = []

  async push(steps: readonly Step[]): Promise<this> {
    await withFolder(async folder => {
      const data = join(folder, 'data')
      for (const { tree, tags = [] } of steps) {
        makeTree(data, tree)
        this.contents.push(pictureOf(data))
        const cache = new TensorCache(join(folder, 'cache'), silentReporter, () => 1e11)
        await pushFolder(contextOf(this.deltas), data, 'run', { tags, bases: { cache } })
        await pushFolder(contextOf(this.whole), data, 'run', { tags })
      }
    })
    return this
  }

  /**
   * Expects that the versions of these steps, the newest first, come back exact from a store, and that nothing in it is
   * damaged.
   */
  async expectSound(storage: MemoryStorage, steps: readonly number[]): Promise<void> {
    const context = contextOf(storage)
    for (const [back, step] of steps.entries())
      await withFolder(async folder => {
        const { damaged } = await pullVersion(context, `run~${back}`, join(folder, 'out'))
        expect(damaged).toEqual([])
        expectSameTree(join(folder, 'out'), this.contents[step]!)
      })
    const { problems, affected } = await checkAll(context)
    expect([problems, affected]).toEqual([[], []])
  }
}

export async function copyOf(storage: MemoryStorage): Promise<MemoryStorage> {
  const copy = new MemoryStorage()
  for (const { name } of (await storage.list()).objects) await copy.put(name, await storage.get(name))
  return copy
}

export async function bytesIn(storage: MemoryStorage): Promise<number> {
  return (await storage.quota()).used!
}

/**
 * What `forget run ...` does, without waiting for anybody. Tells the steps of the versions that are kept, the newest
 * first, where none was forgotten before.
 */
export async function forgetNow(context: RepositoryContext, policy: RetentionPolicy): Promise<number[]> {
  const { names, failure } = await forget(context, { names: ['run'], policy, all: false, waits: NO_GRACE_PERIODS, dryRun: false })
  if (failure) throw failure
  const { kept, forgotten } = names[0]!.decision
  const all = [...kept.map(({ version }) => version), ...forgotten].sort((a, b) => a.time - b.time)
  return kept.map(({ version }) => all.indexOf(version))
}

/** Runs the first half of `prune --now`, which marks packs. The second half deletes them. */
export async function pruneNow(context: RepositoryContext, dryRun = false): Promise<PruneResult> {
  return prune(context, await openForPrune(context), { waits: NO_GRACE_PERIODS, dryRun })
}
