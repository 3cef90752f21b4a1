import type { RepositoryContext } from '../open/open.ts'
import { NO_GRACE_PERIODS } from './grace-periods.ts'
import { openForPrune, prune, type Amount, type PruneBasis, type PruneResult, type Removal } from './prune.ts'

/**
 * Prunes without grace periods. If this marks packs, prunes again, so that they are deleted too. The result adds up
 * both runs. Only safe if nothing else uses the repository.
 */
export async function pruneNow(context: RepositoryContext, opened: PruneBasis, removed?: Removal): Promise<PruneResult> {
  const request = { waits: NO_GRACE_PERIODS, dryRun: false }
  const first = await prune(context, opened, request, removed)
  if (first.marked.packs === 0) return first
  const second = await prune(context, await openForPrune(context), request)
  return {
    ...second,
    freed: sum(first.freed, second.freed),
    copiedBytes: first.copiedBytes + second.copiedBytes,
    marked: first.marked,
    problems: [...new Set([...first.problems, ...second.problems])],
  }
}

function sum(a: Amount, b: Amount): Amount {
  return { packs: a.packs + b.packs, bytes: a.bytes + b.bytes }
}
