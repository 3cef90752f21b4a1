/*
 * Restores a version: plans everything first, then fetches chunks, writes part files, and renames each one when it is
 * whole. It never overwrites content that no version holds, unless it is asked to.
 */

import { join } from 'node:path'
import { Chunker } from '../../chunking/chunker.ts'
import { HeldFolders } from '../../local/held-folders.ts'
import { leadsOutside } from '../../local/leads-outside.ts'
import type { OwnFiles } from '../../local/own-files.ts'
import { describeLeftPart } from '../../local/part-names.ts'
import { SmallObjectStorage } from '../../storage/small-objects.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { isAppError, throwIfAborted } from '../../util/errors.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import type { StatCache } from '../source/stat-cache.ts'
import { forgottenMeanwhile, isStillThere } from '../versions/forgotten-meanwhile.ts'
import { findLackOfSpace } from './free-space.ts'
import { findSuspectGrowth } from './growth.ts'
import { LocalChanges } from './local-changes.ts'
import { placeOf, type Place } from './place.ts'
import { planPull } from './plan.ts'
import type { DamagedFile, PullPlan } from './pull-plan.ts'
import { describeRefusal } from './refusals.ts'
import { restoreFiles } from './restore.ts'
import { baseOf, type SelectedEntry } from './selection.ts'
import { findStaleParts } from './stale-parts.ts'
import { wouldOverwrite } from './unsaved-files.ts'

/** Packs up to this size (bytes) are read whole. */
const WHOLE_PACK_BYTES = 8 * 1024 * 1024

export interface PullRequest {
  snapshot: StoredSnapshot
  /** Undefined for the whole version. */
  selected?: SelectedEntry | undefined
  /** As the person gave it. Undefined: a folder with the name of the version, in the current folder. */
  destination: string | undefined
  only: readonly string[]
  exclude: readonly string[]
  delete: boolean
  force: boolean
  specialModes?: boolean | undefined
  /** Restores also what grows to more than a hundred times its stored size. */
  allowGrowth?: boolean | undefined
  dryRun: boolean
  /** What is never deleted, and no destination. */
  skip: OwnFiles | undefined
  /** Opens the cache of file states for an absolute source path and the keys of a repository. */
  openCache: (source: string, chunkKeys: ChunkKeys) => Promise<StatCache | undefined>
}

export interface PullResult {
  /** Absolute path of the restored folder or file. */
  destination: string
  plan: PullPlan
  /** Files and symlinks. */
  written: number
  writtenSymlinks: number
  writtenBytes: number
  resumedBytes: number
  unchanged: number
  deleted: number
  damaged: DamagedFile[]
  /** Symlinks to make that point out of the destination. */
  outsideLinks: number
  /** Part files in the folders of this pull that it or others could not remove, left, or are writing now. */
  staleParts: { files: number; bytes: number }
  /** Number of new files that the file system of the destination gave another mode or time. */
  withoutAttributes: number
  /** Whether all that was written is synced to the disk. False if the medium can't do that, and in a dry run. */
  isSynced: boolean
}

/**
 * Restores a snapshot. Plans everything first. Throws `quota` if it doesn't fit the disk. Then deletes the items in the
 * way, makes folders, writes and verifies files, and last sets the modes and times of folders and syncs them. Continues
 * an interrupted run. Throws `not-found` if the version was forgotten meanwhile and some of its data is gone. The files
 * that are restored by then are whole.
 */
export async function pull(context: RepositoryContext, opened: OpenRepository, request: PullRequest): Promise<PullResult> {
  const { snapshot } = request
  try {
    const result = await restore(context, opened, request)
    if (result.damaged.length === 0 || (await isStillThere(context, snapshot))) return result
  } catch (error) {
    if (!isAppError(error, 'corrupt') || (await isStillThere(context, snapshot))) throw error
  }
  throw forgottenMeanwhile(snapshot)
}

async function restore(context: RepositoryContext, opened: OpenRepository, request: PullRequest): Promise<PullResult> {
  const { snapshot, selected } = request
  const repository = selected || request.only.length + request.exclude.length > 0 ? opened : withWholePacks(opened)
  const place = await placeOf(repository, snapshot, selected, request.destination)
  request.skip?.refuse(place.folder)
  // the cache has the paths of a whole version, and the paths of a selected entry differ
  const cache = selected ? undefined : await request.openCache(place.file ?? place.folder, repository.index.chunkKeys)
  const above = selected && baseOf(selected) !== '' ? baseOf(selected).length + 1 : 0
  const localPathOf = (path: string): string => place.file ?? join(place.folder, path.slice(above))
  const plan = await planPull(repository, {
    snapshot,
    selected,
    localPathOf,
    root: (selected ?? snapshot.source).type === 'directory' ? place.folder : undefined,
    isLivedIn: place.isLivedIn,
    only: request.only,
    exclude: request.exclude,
    delete: request.delete,
    force: request.force,
    specialModes: request.specialModes,
    needsProof: path => (place.file === undefined ? place.isLivedIn && isHidden(path.slice(above)) : !place.isNamed),
    skip: request.skip,
    cache,
    platform: process.platform,
    chunker: new Chunker(repository.index.chunkKeys),
    reporter: context.reporter,
  })
  const growth = request.allowGrowth === true ? undefined : await findSuspectGrowth(repository, plan.files)
  for (const refusal of [await findLackOfSpace(repository, plan, context.reporter), growth]) {
    if (refusal && !request.dryRun) throw refusal
    if (refusal) context.reporter.warn(refusal.message)
  }
  const result: PullResult = {
    destination: place.file ?? place.folder,
    plan,
    written: 0,
    writtenSymlinks: 0,
    writtenBytes: 0,
    resumedBytes: 0,
    unchanged: plan.unchanged,
    deleted: 0,
    damaged: plan.damaged,
    outsideLinks: plan.symlinks.filter(({ entry }) => leadsOutside(entry.path.slice(above).split('/'), entry.target)).length,
    staleParts: { files: 0, bytes: 0 },
    withoutAttributes: 0,
    isSynced: false,
  }
  if (request.dryRun) return result
  await carryOut(context, repository, place, plan, request.force, result)
  result.staleParts = await findStaleParts([place.folder, ...plan.directories.map(({ localPath }) => localPath)])
  return result
}

const isHidden = (path: string): boolean => path.split('/').some(part => part.startsWith('.'))

/** For a pull of a whole version: reads small packs whole, because they hold chunks of the manifest and of files. */
function withWholePacks(repository: OpenRepository): OpenRepository {
  const { packs } = repository.view.inventory
  const sizes = new Map([...packs.values()].map(({ name, size }) => [name, size]))
  const storage = new SmallObjectStorage(repository.storage, {
    sizeOf: name => sizes.get(name),
    objectBytes: WHOLE_PACK_BYTES,
    totalBytes: 4 * WHOLE_PACK_BYTES,
  })
  return { ...repository, storage }
}

async function carryOut(
  context: RepositoryContext,
  repository: OpenRepository,
  place: Place,
  plan: PullPlan,
  force: boolean,
  result: PullResult,
): Promise<void> {
  const folders = new HeldFolders(place.folder, context.fileSystem)
  try {
    await change(context, repository, folders, plan, force, result)
  } catch (error) {
    for (const refusal of plan.refused.found) context.reporter.warn(describeRefusal(refusal, place.folder, path => path))
    throw error
  } finally {
    folders.close()
  }
}

async function change(
  { reporter, signal }: RepositoryContext,
  repository: OpenRepository,
  folders: HeldFolders,
  plan: PullPlan,
  force: boolean,
  result: PullResult,
): Promise<void> {
  const local = new LocalChanges(folders)
  const { refused, twins } = plan
  const changed: string[] = []
  local.makeRoot(plan.root?.entry.mode)
  for (const { path, localPath, item } of plan.remove)
    refused.attempt(
      path,
      () => {
        if (!force && !local.isStill(localPath, item)) changed.push(localPath)
        else if (local.remove(localPath)) result.deleted++
      },
      'removal',
    )
  for (const { path, localPath } of plan.removeDirectories) refused.attempt(path, () => local.removeIfEmpty(localPath), 'removal')
  const directories = plan.directories.filter(({ entry, localPath, item }) => {
    const { path } = entry
    if (refused.covers(path)) return false
    refused.attempt(path, () => {
      twins.ensureFree(path, item, () => folders.lookAt(localPath))
      local.makeDirectory(localPath, item.type === 'directory', entry.mode)
      twins.place(path)
    })
    return !refused.covers(path)
  })
  throwIfAborted(signal)
  const files = plan.files.filter(({ entry }) => !refused.covers(entry.path))
  const restored = await restoreFiles(repository, files, {
    force,
    folders,
    refused,
    twins,
    onLeft: (part, error) => reporter.warn(describeLeftPart(part, error)),
    onProgress: done => reporter.progress({ phase: 'restoring', ...done }),
  })
  changed.push(...restored.changedMeanwhile)
  result.written += restored.placed
  result.writtenBytes += restored.placedBytes
  result.resumedBytes += restored.resumedBytes
  local.withoutAttributes = restored.withoutAttributes
  result.damaged.push(...restored.damaged)
  for (const { entry, localPath, item } of plan.symlinks) {
    if (refused.covers(entry.path)) continue
    refused.attempt(entry.path, () => {
      twins.ensureFree(entry.path, item, () => folders.lookAt(localPath))
      if (!force && !local.isStill(localPath, item)) return changed.push(localPath)
      local.makeSymlink(localPath, entry)
      twins.place(entry.path)
      result.writtenSymlinks++
      return result.written++
    })
  }
  for (const { entry, localPath, item } of plan.touch)
    refused.attempt(
      entry.path,
      () => {
        if (entry.type === 'symlink') local.setLinkTime(localPath, entry.mtime)
        else if (!local.setFileAttributes(localPath, item, entry.mode, entry.mtime)) changed.push(localPath)
      },
      'attributes',
    )
  await local.finish(plan.root ? [plan.root, ...directories] : directories, refused)
  result.withoutAttributes = local.withoutAttributes
  result.isSynced = restored.isSynced && local.isSynced
  if (changed.length > 0) throw wouldOverwrite(changed)
}
