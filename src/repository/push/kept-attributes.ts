import { sameMode } from '../../local/attributes.ts'
import { sameTime } from '../../local/times.ts'
import { isAppError } from '../../util/errors.ts'
import type { Entry } from '../format/manifest.ts'
import { compareEntries, type Entries } from '../versions/compare-versions.ts'

/**
 * Gives entries the modes and times of the version before that this system could not hold exactly: what came from
 * another system keeps them on its way through Windows.
 */
export async function keepAttributes(version: Entries, entries: readonly Entry[]): Promise<void> {
  try {
    for await (const each of compareEntries(version, entries)) {
      if (each.kind !== 'touched' && each.kind !== 'changed') continue
      const { before, after } = each
      if (before.type !== after.type) continue
      if (sameMode(before.mode, after.mode, after.type)) after.mode = before.mode
      if (sameTime(before.mtime, after)) after.mtime = before.mtime
    }
  } catch (error) {
    // those of a version that can't be read are lost
    if (!isAppError(error, 'corrupt', 'newer-format', 'not-found')) throw error
  }
}
