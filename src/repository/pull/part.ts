import { pathFilter } from '../../local/ignore-rules.ts'
import { AppError } from '../../util/errors.ts'
import { comparePaths } from '../../util/paths.ts'
import { versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository } from '../open/open.ts'
import { readManifest } from '../read/read-manifest.ts'

/**
 * One entry of a version that is pulled alone. A file or a symlink keeps its name; the contents of a folder take the
 * version's place.
 */
export interface Part {
  path: string
  type: 'file' | 'directory'
}

/**
 * The wanted part of a version: one entry, or what matches a pattern in gitignore syntax. Without either, the whole
 * version.
 */
export interface PartOfVersion {
  part?: Part
  pattern?: string
}

/** Finds what was written after the colon of `name:path`. Throws `not-found` when nothing is there. */
export async function findPart(repository: OpenRepository, snapshot: StoredSnapshot, written: string): Promise<PartOfVersion> {
  const path = written.replace(/^\.?\/+/, '').replace(/\/+$/, '')
  if (path === '' || path === '.') return {}
  for await (const entry of readManifest(repository, snapshot)) {
    const order = comparePaths(entry.path, path)
    if (order === 0) return { part: { path, type: entry.type === 'directory' ? 'directory' : 'file' } }
    if (order > 0) break
  }
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

/** The folder whose place in the destination is the destination itself. */
export function baseOf({ path, type }: Part): string {
  return type === 'directory' ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** Whether a path of the version belongs to the part. */
export function covers({ path, type }: Part, entry: string): boolean {
  return type === 'directory' ? entry.startsWith(`${path}/`) : entry === path
}
