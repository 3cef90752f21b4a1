import { pathFilter } from '../../local/ignore-rules.ts'
import { AppError } from '../../util/errors.ts'
import type { Reporter } from '../../util/reporter.ts'
import { versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository } from '../open/open.ts'
import { findEntry, readManifest } from '../read/read-manifest.ts'

/**
 * One manifest entry of a version that is pulled alone. A file or a symlink keeps its name. The content of a folder is
 * restored as if the folder were the version.
 */
export interface SelectedEntry {
  path: string
  type: 'file' | 'directory'
}

/** One entry of a version, or all that match a pattern in gitignore syntax. Without either, the whole version. */
export interface Selection {
  entry?: SelectedEntry
  pattern?: string
}

/** Finds the entries for the path in `name:path`. Throws `not-found` if there are none. */
export async function findSelection(repository: OpenRepository, snapshot: StoredSnapshot, written: string): Promise<Selection> {
  const path = written.replace(/^\.?\/+/, '').replace(/\/+$/, '')
  if (path === '' || path === '.') return {}
  const found = await findEntry(repository, snapshot, path)
  if (found) return { entry: { path: found.path, type: found.type === 'directory' ? 'directory' : 'file' } }
  const pattern = `/${path}`
  if (/[*?[]/.test(path)) {
    const matches = pathFilter([pattern], [])
    for await (const entry of readManifest(repository, snapshot)) if (matches(entry.path, entry.type === 'directory')) return { pattern }
  }
  const version = versionLabel(snapshot)
  throw new AppError('not-found', `${JSON.stringify(path)} is not in ${version}.`, {
    hint: `List what is there: colab-escape ls ${version}`,
  })
}

/** Path of the folder of the version that becomes the destination folder; empty for the version itself. */
export function baseOf({ path, type }: SelectedEntry): string {
  return type === 'directory' ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** Whether a path of the version is selected. */
export function covers({ path, type }: SelectedEntry, entry: string): boolean {
  return type === 'directory' ? entry.startsWith(`${path}/`) : entry === path
}

/** No entry matches one of the patterns `only`. */
export function matchesNothing(snapshot: StoredSnapshot, only: readonly string[]): AppError {
  const version = versionLabel(snapshot)
  return new AppError('not-found', `Nothing in ${version} matches ${only.map(pattern => JSON.stringify(pattern)).join(' or ')}.`, {
    hint: `List what is there: colab-escape ls ${version}`,
  })
}

/** Tells which of several patterns `only` no entry matches, such as one with a typing error. */
export class UnusedPatterns {
  private left: { pattern: string; matches: (path: string, isDirectory: boolean) => boolean }[]

  constructor(only: readonly string[]) {
    const several = only.length > 1 ? only.filter(pattern => !pattern.startsWith('!')) : []
    this.left = several.map(pattern => ({ pattern, matches: pathFilter([pattern], []) }))
  }

  see(path: string, isDirectory: boolean): void {
    if (this.left.length > 0) this.left = this.left.filter(({ matches }) => !matches(path, isDirectory))
  }

  warn(snapshot: StoredSnapshot, reporter: Reporter): void {
    for (const { pattern } of this.left) reporter.warn(`nothing in ${versionLabel(snapshot)} matches --only ${JSON.stringify(pattern)}`)
  }
}
