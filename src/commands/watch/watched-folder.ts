import { readlinkSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { lookAt } from '../../local/look-at.ts'
import { realPathOf } from '../../local/real-path.ts'
import type { Reporter } from '../../util/reporter.ts'
import { sleep } from '../../util/waiting.ts'

const LOOK_EVERY_MS = 500

/**
 * The absolute path of a folder to watch, with its links resolved. A link whose target is not there yet counts as its
 * target: the folder has the same path before and after it is made.
 */
export function placeOf(path: string): string {
  const place = realPathOf(resolve(path))
  return lookAt(place).type === 'symlink' ? placeOf(resolve(dirname(place), readlinkSync(place))) : place
}

const isAbsent = (path: string): boolean => lookAt(placeOf(path)).type === 'absent'

/** Whether a path is absent, and nothing but folders lies where it would be. */
export function mayStillCome(path: string): boolean {
  if (!isAbsent(path)) return false
  const place = placeOf(path)
  const above = dirname(place)
  return lookAt(above).type === 'directory' || (above !== place && mayStillCome(above))
}

/** A training makes its folder when it begins. False if the watch shall end before the folder is there. */
export async function waitFor(
  path: string,
  { reporter, signal, hasEnded }: { reporter: Reporter; signal: AbortSignal; hasEnded: (() => boolean) | undefined },
): Promise<boolean> {
  if (!isAbsent(path)) return true
  reporter.note(`${placeOf(path)} does not exist yet: it is watched as soon as it does`)
  while (isAbsent(path)) {
    if (signal.aborted || hasEnded?.() === true) return false
    await sleep(LOOK_EVERY_MS, signal).catch(() => undefined)
  }
  return true
}
