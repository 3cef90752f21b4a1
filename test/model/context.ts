import { PACK_POLICY, type PackPolicy } from '../../src/repository/format/limits.ts'
import type { RepositoryContext } from '../../src/repository/open/open.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { RawPool } from './means.ts'
import { ModelStorage } from './model-storage.ts'
import type { Actor, World } from './world.ts'

/** Packs of two or three blocks, so that tiny contents make several. */
const SMALL_PACKS: PackPolicy = { ...PACK_POLICY, firstBytes: 2500, bytes: 2500, indexEveryBytes: 8000 }

const pool = new RawPool()

/**
 * What the program gets when an actor runs it. Without `freshNames`, equal content has equal names. `wrap`: how the
 * program sees the store.
 */
export function contextOf(world: World, actor: Actor, freshNames = true, wrap = (storage: Storage): Storage => storage): RepositoryContext {
  return {
    storage: wrap(new ModelStorage(world, actor)),
    pool,
    surroundings: {
      now: () => world.time + actor.skew,
      monotonic: () => world.time - actor.slept,
      random: bytes => Uint8Array.from({ length: bytes }, () => (freshNames ? Math.floor(world.chance() * 256) : 7)),
    },
    reporter: silentReporter,
    packPolicy: SMALL_PACKS,
  }
}

/** Resolves when the program can do no more before the world takes a step. */
export async function settled(): Promise<void> {
  do await new Promise(resolve => setImmediate(resolve))
  while (process.getActiveResourcesInfo().some(resource => resource === 'Immediate' || resource.startsWith('FSReq')))
}
