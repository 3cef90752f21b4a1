import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import { forget, type ForgetResult } from '../../repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../repository/prune/grace-periods.ts'
import type { RetentionPolicy } from '../../repository/versions/retention.ts'
import { isAppError } from '../../util/errors.ts'

/**
 * After a new version: forgets those before it that the rules do not keep, and sweeps what is due. The new version is made, whatever becomes of this, so trouble
 * is a warning, and undefined is returned: what can't be forgotten now is so after the next one.
 */
export async function forgetOlder(
  context: RepositoryContext,
  name: string,
  policy: RetentionPolicy,
  newest: StoredSnapshot | undefined,
): Promise<ForgetResult | undefined> {
  try {
    const request = { names: [name], policy, all: false, known: newest?.ref, waits: SAFE_GRACE_PERIODS, dryRun: false }
    const result = await forget(context, request)
    if (result.failure) context.reporter.warn(`Space of forgotten versions could not be freed: ${result.failure.message}`)
    return result
  } catch (error) {
    if (!isAppError(error)) throw error
    if (error.code !== 'interrupted') context.reporter.warn(`Older versions could not be forgotten: ${error.message}`)
    return undefined
  }
}
