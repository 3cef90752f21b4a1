import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import { firstOf, plural } from '../../ui/format.ts'

const VERSIONS_SHOWN = 5

/** The versions that `result` has forgotten. */
export const forgottenOf = ({ names }: ForgetResult): StoredSnapshot[] => names.flatMap(({ decision }) => decision.forgotten)

/** Which versions were forgotten, in one line. Undefined if there were none. */
export function forgottenText(result: ForgetResult): string | undefined {
  const forgotten = forgottenOf(result)
  if (forgotten.length === 0) return undefined
  const ids = forgotten.map(({ id }) => id.slice(0, 8))
  return `forgot ${plural(forgotten.length, 'older version')}: ${firstOf(ids, VERSIONS_SHOWN)}`
}
