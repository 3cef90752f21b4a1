import { basename, dirname, join, sep } from 'node:path'
import type { AlikeNames } from '../../local/alike-names.ts'
import { pathFilter } from '../../local/ignore-rules.ts'
import { lookAt } from '../../local/look-at.ts'
import { partName } from '../../local/part-names.ts'
import { walk } from '../../local/walk.ts'
import type { PullPlan, PullPlanRequest } from './pull-plan.ts'
import { ROOT } from './refusals.ts'
import { baseOf } from './selection.ts'
import type { UnsavedFile } from './unsaved-files.ts'
import { VersionPaths } from './version-paths.ts'

/** Plans to delete what is in the destination and not in the version. `known`: all paths of the version. */
export async function findExtras(
  { selected, only, exclude, skip, reporter }: PullPlanRequest,
  root: string,
  { plan, endanger }: { plan: PullPlan; endanger: (file: UnsavedFile) => void },
  known: AlikeNames,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (lookAt(root).type !== 'directory') return
  const base = selected && baseOf(selected) !== '' ? `${baseOf(selected)}/` : ''
  const wanted = pathFilter(only, [])
  const walked = await walk(root, { excludes: exclude, skip, reporter, signal }).catch((error: unknown) =>
    plan.refused.take(ROOT, error, 'listing'),
  )
  if (walked === undefined) return
  const { entries, partFiles, unreadable } = walked
  const ours = new Set(plan.files.map(({ entry, localPath }) => join(dirname(localPath), partName(entry.path, entry.chunks))))
  for (const localPath of partFiles)
    if (!ours.has(localPath)) plan.remove.push({ path: basename(localPath), localPath, item: lookAt(localPath) })
  const planned = new Set(plan.removeDirectories.map(({ localPath }) => localPath))
  const versionPaths = new VersionPaths(known, base, path => join(root, path))
  for (const { path, localPath, type } of entries) {
    const isKnown = versionPaths.of(path) !== undefined
    if (isKnown || isInOneOf(planned, localPath) || !wanted(base + path, type === 'directory')) continue
    const item = lookAt(localPath)
    if (item.type === 'directory') plan.removeDirectories.push({ path: base + path, localPath })
    else if (item.type !== 'absent') endanger({ path: base + path, localPath, item })
  }
  for (const { path, localPath } of unreadable)
    plan.refused.add(base + path, `${localPath} can't be looked into, so nothing in it is deleted`, undefined, 'removal')
}

/** True for one of `folders`, and for any path in one of them. */
function isInOneOf(folders: ReadonlySet<string>, path: string): boolean {
  if (folders.has(path)) return true
  for (let end = path.lastIndexOf(sep); end > 0; end = path.lastIndexOf(sep, end - 1)) if (folders.has(path.slice(0, end))) return true
  return false
}
