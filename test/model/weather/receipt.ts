import type { StoredSnapshot } from '../../../src/repository/format/snapshot.ts'
import type { RepositoryContext } from '../../../src/repository/open/open.ts'
import { Loss } from '../truth.ts'
import { short } from '../world.ts'
import { expectNewest } from './offers.ts'
import type { Promises } from './promises.ts'

/**
 * Throws if a version that a push has acknowledged is not whole, or not the newest. A push may rely on what only
 * reading shows to be damaged, unless a tomb names it.
 */
export async function expectReceipt(context: RepositoryContext, promises: Promises, { id }: StoredSnapshot): Promise<void> {
  const { physical } = promises
  const version = promises.versions.find(version => version.id === id)!
  version.isPromised = true
  if (!physical.isThere(version.objectName, 'seen')) return
  const holdings = physical.holdings('seen')
  const hidden = hiddenDamage(promises)
  for (const chunk of [...version.manifest, ...version.files.values()]) {
    if (holdings.has(chunk) || promises.isExcused(chunk)) continue
    if (![...physical.withBases([chunk])].some(needed => hidden.has(needed)))
      throw new Loss('receipt', `${short(version.objectName)} was just pushed and lacks the chunk ${chunk.slice(0, 8)}`)
  }
  await expectNewest(context, version)
}

/** Chunks that a pack seems to hold, as far as one can see without reading it. */
function hiddenDamage({ physical }: Promises): Set<string> {
  const hidden = new Set<string>()
  const tombed = physical.tombed()
  for (const copy of physical.copies('seen')) {
    if (tombed.has(copy.born)) continue
    for (const id of physical.claims.get(copy.born) ?? []) hidden.add(id)
    if (!physical.isIntact(copy) && !physical.isVisiblyDamaged(copy)) for (const id of physical.chunksOf(copy.born)) hidden.add(id)
  }
  return hidden
}
