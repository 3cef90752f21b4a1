import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import { listTrash, refuseTrashed } from '../../repository/prune/empty-trash.ts'
import { forget, type ForgetResult } from '../../repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../repository/prune/grace-periods.ts'
import type { RetentionPolicy } from '../../repository/versions/retention.ts'
import { plural } from '../../ui/format.ts'
import { isAppError } from '../../util/errors.ts'
import type { Session } from '../shared/session.ts'

/**
 * Forgets versions of a source that the rules do not keep, after a new one was saved, and frees what is due. Versions
 * of other sources and of other lines stay. `line` is that of the new version. If it is undefined, nothing is
 * forgotten. Errors can't harm the new version, so an error is only a warning, and the result is undefined. The next
 * run forgets the rest.
 */
export async function forgetOlder(
  context: RepositoryContext,
  { name, source, line }: { name: string; source: { root: string }; line: string | undefined },
  policy: RetentionPolicy,
  newest: StoredSnapshot | undefined,
  trash: Session['trash'],
): Promise<ForgetResult | undefined> {
  if (line === undefined) return undefined
  try {
    refuseTrashed(await listTrash(trash, { signal: context.signal, glance: true }))
    const request = {
      names: [name],
      source: source.root.toWellFormed(),
      line,
      policy,
      all: false,
      known: newest?.ref,
      waits: SAFE_GRACE_PERIODS,
      dryRun: false,
      sparesDeltas: true,
    }
    const result = await forget(context, request)
    if (result.failure) context.reporter.warn(`Space of forgotten versions could not be freed: ${result.failure.message}`)
    if (result.left > 0)
      context.reporter.note(`${plural(result.left, 'older version')} stayed: only the people who pushed them can forget them`)
    for (const problem of result.pruned?.problems ?? []) context.reporter.warn(problem)
    return result
  } catch (error) {
    if (!isAppError(error)) throw error
    if (error.code !== 'interrupted') context.reporter.warn(`Older versions could not be forgotten: ${error.message}`)
    return undefined
  }
}
