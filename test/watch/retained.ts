import type { StoredSnapshot } from '../../src/repository/format/snapshot.ts'
import { openForReading, type OpenRepository, type RepositoryContext } from '../../src/repository/open/open.ts'
import { packsOf } from '../../src/repository/prune/reachability.ts'
import { readSnapshot } from '../../src/repository/versions/versions.ts'

/** A version whose metrics show its content. */
export interface Made {
  step: number
  stored: StoredSnapshot
}

/** All that are there, by their steps. */
export async function versionsIn(context: RepositoryContext): Promise<Made[]> {
  const versions = await snapshotsOf(await openForReading(context))
  return versions.map(stored => ({ step: stored.metrics.step!, stored })).sort((a, b) => a.step - b.step)
}

/** What a policy of so many last and best ones keeps, in other words than the program's. */
export function keptOf(steps: readonly number[], lossOf: readonly number[], last: number, best: number): number[] {
  const lowest = [...steps].sort((a, b) => lossOf[a]! - lossOf[b]! || b - a).slice(0, best)
  return [...steps].sort((a, b) => a - b).filter((step, i, all) => i >= all.length - last || lowest.includes(step))
}

export interface DeadPack {
  size: number
  /** ms since 1970. */
  created: number
  tombed: boolean
}

/** Packs that no version needs. */
export async function deadPacksOf(repository: OpenRepository): Promise<DeadPack[]> {
  const { inventory, tombedPacks } = repository.view
  const live = await packsOf(repository, await snapshotsOf(repository))
  return [...inventory.packs].filter(([id]) => !live.has(id)).map(([id, pack]) => ({ ...pack, tombed: tombedPacks.has(id) }))
}

function snapshotsOf({ storage, view }: OpenRepository): Promise<StoredSnapshot[]> {
  return Promise.all(view.inventory.snapshots.map(ref => readSnapshot(storage, ref)))
}
