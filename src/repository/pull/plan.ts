import { closeSync, constants, openSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AlikeNames } from '../../local/alike-names.ts'
import { sameMode } from '../../local/attributes.ts'
import { pathFilter } from '../../local/ignore-rules.ts'
import { ABSENT, lookAt, type LocalItem } from '../../local/look-at.ts'
import { isPartName } from '../../local/part-names.ts'
import { nameProblem } from '../../local/platform-names.ts'
import { restoredMode } from '../../local/restored-mode.ts'
import { sameTime } from '../../local/times.ts'
import { throwIfAborted } from '../../util/errors.ts'
import { Breather } from '../../util/event-loop.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { decodeFileName, fsPath } from '../../util/paths.ts'
import { howStrangersReach } from '../../util/small-file.ts'
import { formatCount, plural } from '../../util/words.ts'
import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from '../format/manifest.ts'
import type { OpenRepository } from '../open/open.ts'
import { describeCopy, lackOf } from '../read/block-source.ts'
import { readManifest } from '../read/read-manifest.ts'
import { matchingChunks } from './compare-file.ts'
import { findExtras } from './extras.ts'
import type { PlannedFile, PullPlan, PullPlanRequest } from './pull-plan.ts'
import { Refusals, ROOT } from './refusals.ts'
import { baseOf, covers, matchesNothing, UnusedPatterns } from './selection.ts'
import { sameName, Twins } from './twins.ts'
import { findUnprovenFiles, findUnsavedFiles, replacesUnproven, wouldOverwrite, type UnsavedFile } from './unsaved-files.ts'

/** Makes its path when it is needed: the paths of a hundred thousand files would take tens of megabytes. */
class FileToWrite implements PlannedFile {
  readonly entry: FileEntry
  readonly item: LocalItem
  private readonly localPathOf: PullPlanRequest['localPathOf']

  constructor(entry: FileEntry, item: LocalItem, localPathOf: PullPlanRequest['localPathOf']) {
    this.entry = entry
    this.item = item
    this.localPathOf = localPathOf
  }

  get localPath(): string {
    return this.localPathOf(this.entry.path)
  }
}

/**
 * Compares a snapshot with the destination. Throws `would-overwrite` with a list of files if local content would be
 * lost that the repository does not have. Time and memory: linear in the manifest and in the destination; local files
 * are read where only their content tells whether they are right.
 */
export async function planPull(repository: OpenRepository, request: PullPlanRequest): Promise<PullPlan> {
  const planner = new Planner(repository, request)
  await planner.readSnapshot()
  planner.planRoot()
  const { plan, endangered, known } = planner
  if (known && request.root !== undefined) {
    const endanger = (file: UnsavedFile): void => planner.endanger(file, true)
    await findExtras(request, request.root, { plan, endanger }, known, repository.signal)
  }
  plan.removeDirectories.sort((a, b) => b.localPath.length - a.localPath.length)
  if (!request.force) {
    const unproven = findUnprovenFiles(endangered, request)
    if (unproven.length > 0) throw replacesUnproven(unproven.map(({ localPath }) => localPath))
    const unknown = await findUnsavedFiles(repository, request.snapshot.name, endangered, request.chunker)
    if (unknown.length > 0) throw wouldOverwrite(unknown.map(({ localPath }) => localPath))
  }
  return plan
}

class Planner {
  readonly plan: PullPlan
  readonly endangered: UnsavedFile[] = []
  private readonly repository: OpenRepository
  private readonly request: PullPlanRequest
  /** Folders of the snapshot that are folders at the destination too. Every local item is below one of them. */
  private readonly real: Set<string>
  /** All paths of the version, for `delete`. */
  readonly known: AlikeNames | undefined
  /** What the version has of the folder that becomes the destination. */
  private rootEntry: DirectoryEntry | undefined
  /** Files and symlinks that were planned, and are refused for another one. */
  private readonly losers = new Set<string>()
  private readonly directoryPaths = new Set<string>()
  private seen = 0
  private wanted = 0

  constructor(repository: OpenRepository, request: PullPlanRequest) {
    this.repository = repository
    this.request = request
    this.known = request.delete ? new AlikeNames() : undefined
    this.real = new Set([request.selected ? baseOf(request.selected) : ''])
    this.rootEntry = request.snapshot.root && { ...request.snapshot.root, path: ROOT, type: 'directory' }
    this.plan = {
      root: undefined,
      directories: [],
      files: [],
      symlinks: [],
      touch: [],
      remove: [],
      removeDirectories: [],
      unchanged: 0,
      modesLeftOut: 0,
      damaged: [],
      refused: new Refusals(request.root ?? ''),
      twins: new Twins({
        localPathOf: request.localPathOf,
        exists: path => this.itemAt(path).type !== 'absent',
        isDirectory: path => this.directoryPaths.has(path),
      }),
    }
  }

  async readSnapshot(): Promise<void> {
    const { snapshot, selected, only, exclude, reporter } = this.request
    const wanted = pathFilter(only, exclude)
    const unused = new UnusedPatterns(only)
    const turns = new Breather()
    const { files, directories, symlinks } = snapshot.counts
    const total = selected ? {} : { totalFiles: files + directories + symlinks }
    /** Folders that do not match themselves. They are made if an entry below them matches. */
    const parents = new Map<string, DirectoryEntry>()
    for await (const entry of readManifest(this.repository, snapshot)) {
      throwIfAborted(this.repository.signal)
      if (selected?.path === entry.path && entry.type === 'directory') this.rootEntry = { ...entry, path: ROOT }
      if (selected && !covers(selected, entry.path)) continue
      this.known?.add(entry.path)
      this.seen++
      if (turns.isDue()) {
        reporter.progress({ phase: 'planning', doneFiles: this.seen, ...total })
        await turns.breathe()
      }
      if (!wanted(entry.path, entry.type === 'directory')) {
        if (entry.type === 'directory') parents.set(entry.path, entry)
        continue
      }
      this.wanted++
      unused.see(entry.path, entry.type === 'directory')
      await this.addParents(entry.path, parents)
      await this.add(entry)
    }
    this.dropLosers()
    // with `delete`, files that are not in the version any more are meant, too
    if (this.wanted === 0 && only.length > 0 && !this.request.delete) throw matchesNothing(snapshot, only)
    unused.warn(snapshot, reporter)
  }

  /**
   * A destination that the pull makes gets the mode and time that its folder had. One that is there keeps its mode,
   * which somebody chose; one where others work, or in which this user lives, keeps its time too.
   */
  planRoot(): void {
    const { root, isLivedIn, selected } = this.request
    const entry = selected?.type === 'directory' || selected === undefined ? this.rootEntry : undefined
    if (root === undefined || isLivedIn === true || entry === undefined) return
    const item = lookAt(root)
    if (item.type === 'absent') this.plan.root = { entry: this.restored(entry, item), localPath: root, item }
    if (item.type !== 'directory' || howStrangersReach(statSync(fsPath(root))) !== undefined) return
    this.plan.root = { entry: { ...entry, mode: item.mode }, localPath: root, item }
  }

  private async addParents(path: string, parents: Map<string, DirectoryEntry>): Promise<void> {
    const missing: DirectoryEntry[] = []
    // above a folder that is made already, all folders are
    for (let parent = parents.get(parentOf(path)); parent; parent = parents.get(parentOf(parent.path))) missing.push(parent)
    for (const parent of missing.reverse()) {
      parents.delete(parent.path)
      await this.add(parent)
    }
  }

  private async add(entry: Entry): Promise<void> {
    const { path } = entry
    const { refused, remove, removeDirectories, twins } = this.plan
    if (refused.covers(path)) return
    const why = nameProblem(path, this.request.platform)
    if (why !== undefined) return refused.add(path, why)
    const planned = [remove, removeDirectories, this.endangered].map(list => ({ list, length: list.length }))
    try {
      const localPath = this.request.localPathOf(path)
      const item = this.itemAt(path)
      const twin = twins.plan(path, item)
      if (twin !== undefined) {
        refused.add(twin.loser, sameName(twin.owner))
        if (twin.loser === path) return
        this.losers.add(twin.loser)
      }
      if (entry.type === 'directory') return this.addDirectory(entry, localPath, item)
      if (item.type === 'directory') this.clearDirectory(path, localPath)
      if (entry.type === 'symlink') return this.addSymlink(entry, localPath, item)
      return await this.addFile(entry, localPath, item)
    } catch (error) {
      refused.take(path, error)
      // nothing is deleted for what is not restored
      for (const { list, length } of planned) list.length = length
    }
  }

  /** Drops the files and symlinks that were refused after they were planned, and what was to be removed for them. */
  private dropLosers(): void {
    const { losers } = this
    if (losers.size === 0) return
    const { files, symlinks, touch, remove, removeDirectories } = this.plan
    let planned = 0
    for (const list of [files, symlinks, touch]) planned += dropWhere<{ entry: Entry }>(list, ({ entry }) => losers.has(entry.path))
    this.plan.unchanged -= losers.size - planned
    const isFor = (path: string): boolean => path !== '' && (losers.has(path) || isFor(parentOf(path)))
    for (const list of [remove, removeDirectories, this.endangered]) dropWhere<{ path: string }>(list, ({ path }) => isFor(path))
  }

  private itemAt(path: string): LocalItem {
    return this.real.has(parentOf(path)) ? lookAt(this.request.localPathOf(path)) : ABSENT
  }

  private addDirectory(entry: DirectoryEntry, localPath: string, item: LocalItem): void {
    if (item.type === 'directory') this.real.add(entry.path)
    else if (item.type !== 'absent') this.endanger({ path: entry.path, localPath, item }, true)
    this.plan.directories.push({ entry: this.restored(entry, item), localPath, item })
    this.directoryPaths.add(entry.path)
  }

  /** The entry with the mode that it gets. What has its own mode already keeps it. */
  private restored<T extends FileEntry | DirectoryEntry>(entry: T, item: LocalItem): T {
    if (this.request.platform === 'win32') return entry // it has none of those bits
    const mode = this.request.specialModes === true ? entry.mode : restoredMode(entry.mode)
    const now = 'mode' in item ? item.mode : undefined
    if (mode === entry.mode || now === entry.mode) return entry
    if (now !== mode) this.plan.modesLeftOut++
    return { ...entry, mode }
  }

  private addSymlink(entry: SymlinkEntry, localPath: string, item: LocalItem): void {
    if (item.type === 'symlink' && item.target === entry.target) {
      if (sameTime(entry.mtime, item.fingerprint)) this.plan.unchanged++
      else this.plan.touch.push({ entry, localPath, item })
    } else {
      if (item.type !== 'absent' && item.type !== 'directory') this.endanger({ path: entry.path, localPath, item }, false)
      this.plan.symlinks.push({ entry, localPath, item })
    }
  }

  private async addFile(entry: FileEntry, localPath: string, item: LocalItem): Promise<void> {
    const problem = this.unreadable(entry)
    if (problem !== undefined) {
      this.plan.damaged.push({ path: entry.path, why: problem })
      return
    }
    if (item.type === 'file' && (await this.isRight(entry, localPath, item))) {
      const restored = this.restored(entry, item)
      if (sameMode(restored.mode, item.mode, 'file', this.request.platform) && sameTime(entry.mtime, item.fingerprint))
        this.plan.unchanged++
      else this.plan.touch.push({ entry: restored, localPath, item })
      return
    }
    if (item.type !== 'absent' && item.type !== 'directory') this.endanger({ path: entry.path, localPath, item }, false)
    this.plan.files.push(new FileToWrite(this.restored(entry, ABSENT), item, this.request.localPathOf))
  }

  /** Why a file can't be restored, by the chunk index; undefined if it may be. */
  private unreadable(entry: FileEntry): string | undefined {
    const { index } = this.repository
    let size = 0
    for (let i = 0; i < entry.chunks.length; i += HASH_BYTES) {
      const found = index.find(entry.chunks, i)
      if (found < 0) return `chunk ${entry.chunks.toString('hex', i, i + 6)} is in no pack of the repository`
      if (index.whole.best(entry.chunks, i) < 0) return `${describeCopy(index, found)} ${lackOf(index, found)}`
      size += index.length(found)
    }
    return size === entry.size ? undefined : `its chunks have ${plural(size, 'byte')} instead of ${formatCount(entry.size)}`
  }

  private async isRight(entry: FileEntry, localPath: string, item: LocalItem & { type: 'file' }): Promise<boolean> {
    if (item.fingerprint.size !== entry.size) return false
    const cached = this.request.cache?.lookup(entry.path, item.fingerprint)
    if (cached) return cached.equals(entry.chunks)
    const { index, signal } = this.repository
    let fd: number | undefined
    try {
      fd = openSync(fsPath(localPath), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
      const lengthOf = (chunk: number): number => index.length(index.find(entry.chunks, chunk * HASH_BYTES))
      const matches = await matchingChunks(fd, entry, lengthOf, index.chunkKeys, signal)
      return matches.every(Boolean)
    } catch {
      return false // a file that can't be read is not right; `findUnsavedFiles` decides whether it may be replaced
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  endanger(endangered: UnsavedFile, remove: boolean): void {
    this.endangered.push(endangered)
    if (remove) this.plan.remove.push(endangered)
  }

  /** A local folder has the path of a file or a symlink: plans to delete everything in it, also ignored files. */
  private clearDirectory(path: string, localPath: string): void {
    this.request.skip?.refuse(localPath)
    this.plan.removeDirectories.push({ path, localPath })
    for (const name of readdirSync(fsPath(localPath), { encoding: 'buffer' }).map(decodeFileName)) {
      const inside = { path: `${path}/${name}`, localPath: join(localPath, name) }
      const item = lookAt(inside.localPath)
      if (item.type === 'directory') this.clearDirectory(inside.path, inside.localPath)
      else if (isPartName(name)) this.plan.remove.push({ ...inside, item })
      else this.endanger({ ...inside, item }, true)
    }
  }
}

/** Returns how many were dropped. */
function dropWhere<T>(list: T[], test: (item: T) => boolean): number {
  const kept = list.filter(item => !test(item))
  const dropped = list.length - kept.length
  for (const [i, item] of kept.entries()) list[i] = item
  list.length = kept.length
  return dropped
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
