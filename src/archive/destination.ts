import { chmodSync, linkSync, lstatSync, lutimesSync, mkdirSync, symlinkSync, utimesSync, type Stats } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { AlikeNames, spelledNames } from '../local/alike-names.ts'
import { HeldFolders, replaced } from '../local/held-folders.ts'
import { leadsOutside } from '../local/leads-outside.ts'
import { ONLY_ADDS } from '../local/part-names.ts'
import { unpackedMode } from '../local/restored-mode.ts'
import { noSymlinks, readTarget } from '../local/symlinks.ts'
import { utimesSeconds } from '../local/times.ts'
import { errnoOf } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'
import { perEntry, OccupiedEntryError, RefusedEntryError } from './entry-errors.ts'
import type { ArchiveEntry } from './entry.ts'
import { hasContent, readLocal, removeFile, writeFile } from './local-file.ts'
import { safePath } from './safe-path.ts'

export interface DestinationOptions {
  /** Replace files and symlinks that the archive did not bring. Folders are never replaced. */
  force: boolean
  signal: AbortSignal
  onWritten: (bytes: number) => void
  /** Takes an unfinished file that can't be removed. */
  onLeft: (unfinished: string, error: unknown) => void
}

export type EntryResult = 'written' | 'unchanged' | 'skipped'

/**
 * Writes the entries of an archive into a folder. It never touches anything outside that folder: it checks each name
 * and each folder on the way, and follows no symlink, also none that another user puts there meanwhile. Throws
 * `RefusedEntryError`, `OccupiedEntryError` and `LocalEntryError` for problems of a single entry.
 */
export class Destination {
  /** Symlinks created here that point out of the folder. */
  outsideLinks = 0
  private readonly root: string
  private readonly held: HeldFolders
  private readonly options: DestinationOptions
  /** Paths that are known to be real folders, not symlinks. */
  private readonly folders = new Set<string>()
  /** Those of them that were made here. */
  private readonly made = new Set<string>()
  /** Paths written from this archive. A later entry of the same name replaces an earlier one, as in tar. */
  private readonly brought = new Set<string>()
  /** The same, and folders. */
  private readonly names = new AlikeNames()
  private readonly listings = new Map<string, ReadonlyMap<string, number>>()
  /** Modes and times of folders, set at the end: writing files into a folder changes its time. */
  private readonly later: { path: string; mode: number | undefined; mtime: bigint | undefined }[] = []

  /** Folders of which an unfinished file could not be removed. */
  private readonly stuck = new Set<string>()
  private readonly onLeft = (unfinished: string, error: unknown): void => {
    if (!this.held.isShared(dirname(unfinished))) this.stuck.add(dirname(unfinished))
    this.options.onLeft(unfinished, error)
  }

  /** `root` is the absolute path of an existing folder, with its links resolved. */
  constructor(root: string, options: DestinationOptions) {
    this.root = root
    this.held = new HeldFolders(root)
    this.options = options
    this.folders.add(root)
  }

  async place(entry: ArchiveEntry): Promise<EntryResult> {
    const parts = partsOf(entry.path)
    if (entry.type === 'other') return 'skipped'
    if (parts.length === 0) {
      if (entry.type !== 'directory') throw new RefusedEntryError('it has no name')
      return 'skipped'
    }
    if (entry.type === 'directory') return this.placeFolder(parts, entry)
    const folder = this.folderFor(parts.slice(0, -1))
    const path = below(folder, parts.at(-1)!)
    const there = this.isNew(folder, path) ? undefined : this.lookAt(path)
    if (there?.isDirectory()) throw new OccupiedEntryError(path)
    const placed = await this.placeIn(path, there, parts, entry)
    this.brought.add(path)
    this.names.add(path)
    return placed
  }

  private placeIn(
    path: string,
    there: Stats | undefined,
    parts: readonly string[],
    entry: ArchiveEntry,
  ): EntryResult | Promise<EntryResult> {
    if (entry.type === 'symlink') return this.placeSymlink(path, there, parts, entry)
    if (entry.type === 'hardlink') return this.placeHardLink(path, there, parts, entry)
    return this.placeFile(path, there, entry)
  }

  private placeFolder(parts: readonly string[], { mode, mtime }: ArchiveEntry): EntryResult {
    const path = this.folderFor(parts)
    this.later.push({ path, mode, mtime })
    return 'written'
  }

  private async placeFile(path: string, there: Stats | undefined, entry: ArchiveEntry): Promise<EntryResult> {
    if (there && !this.mayReplace(path)) {
      const isEqualLong = entry.size === Infinity || there.size === entry.size
      if (there.isFile() && isEqualLong && (await hasContent(this.held, path, entry, this.options.signal))) return 'unchanged'
      throw new OccupiedEntryError(path)
    }
    if (this.stuck.has(dirname(path))) throw new RefusedEntryError(ONLY_ADDS)
    const { signal, onWritten } = this.options
    await writeFile(this.held, path, entry, signal, { onWritten, onLeft: this.onLeft })
    return 'written'
  }

  private placeSymlink(path: string, there: Stats | undefined, parts: readonly string[], { target, mtime }: ArchiveEntry): EntryResult {
    if (target === '' || target.includes('\0')) throw new RefusedEntryError('it is a symlink to nowhere')
    if (there?.isSymbolicLink() && this.targetOf(path) === target) return 'unchanged'
    if (there && !this.mayReplace(path)) throw new OccupiedEntryError(path)
    perEntry(path, () => {
      removeFile(this.held, path)
      this.held.at(path, place => {
        try {
          symlinkSync(fsPath(target), place)
          if (mtime !== undefined) lutimesSync(place, utimesSeconds(mtime), utimesSeconds(mtime))
        } catch (error) {
          const why = noSymlinks(error)
          throw why === undefined ? error : new RefusedEntryError(why)
        }
      })
    })
    if (leadsOutside(parts, target)) this.outsideLinks++
    return 'written'
  }

  /** Creates a hard link. Copies the file where the file system has no hard links. */
  private async placeHardLink(path: string, there: Stats | undefined, parts: readonly string[], entry: ArchiveEntry): Promise<EntryResult> {
    const targetParts = partsOf(entry.target, 'it is a hard link, and ')
    if (targetParts.length === 0) throw new RefusedEntryError('it is a hard link to nowhere')
    const target = join(this.folderFor(targetParts.slice(0, -1), false), targetParts.at(-1)!)
    const original = this.lookAt(target)
    if (original?.isSymbolicLink()) {
      const symlink = { ...entry, target: this.targetOf(target) }
      return this.placeSymlink(path, there, parts, symlink)
    }
    if (!original?.isFile()) throw new RefusedEntryError(`it is a hard link to ${entry.target}, which is not there`)
    if (there && there.ino === original.ino && there.dev === original.dev) return 'unchanged'
    if (!there && this.tryLink(target, path)) return 'written'
    const { mode, mtimeMs, size } = original
    return this.placeFile(path, there, {
      ...entry,
      size,
      mode,
      mtime: BigInt(Math.floor(mtimeMs)) * 1_000_000n,
      content: readLocal(this.held, target),
    })
  }

  /**
   * Whether nothing can be at `path`: the folder was made here, only this user can change it, and nothing alike was
   * brought. FAT finds a file by a short name too, which has a tilde.
   */
  private isNew(folder: string, path: string): boolean {
    return this.made.has(folder) && !path.includes('~', folder.length) && !this.names.holdsAlike(path) && !this.held.isShared(folder)
  }

  private mayReplace(path: string): boolean {
    return this.brought.has(path) || (this.options.force && !this.isAnothers(path))
  }

  /** Whether the file system finds something there only because it takes the name for one that the archive brought. */
  private isAnothers(path: string): boolean {
    const other = this.names.find(path, alike => alike !== path)
    return other !== undefined && !this.listing(dirname(path)).has(basename(path).normalize('NFC'))
  }

  /** What was in a folder when it was first asked: what has another name since then is brought. */
  private listing(folder: string): ReadonlyMap<string, number> {
    let names = this.listings.get(folder)
    if (names === undefined) this.listings.set(folder, (names = perEntry(folder, () => spelledNames(folder))))
    return names
  }

  /** Absolute path of the folder at `parts`. Creates missing folders unless `make` is false. */
  private folderFor(parts: readonly string[], make = true): string {
    let path = this.root
    for (const part of parts) {
      path = below(path, part)
      if (this.folders.has(path)) continue
      const there = this.lookAt(path)
      if (there?.isSymbolicLink()) throw new RefusedEntryError(`it would go through the symlink ${path}`)
      if (there && this.isAnothers(path)) throw new OccupiedEntryError(path)
      if (!there?.isDirectory()) {
        if (!make) throw new RefusedEntryError(`it is a hard link into ${path}, which is not there`)
        if (there && !this.mayReplace(path)) throw new OccupiedEntryError(path)
        perEntry(path, () => {
          removeFile(this.held, path)
          this.held.at(path, place => mkdirSync(place, { mode: 0o775 }))
        })
        this.made.add(path)
      }
      this.folders.add(path)
      this.names.add(path)
    }
    return path
  }

  /** Sets modes and times of folders. Tries all of them, then throws `LocalEntryError` for the first that failed. */
  finish(): void {
    let failed: unknown
    // the deepest first: the mode of a folder may deny access to the folders below it
    for (const { path, mode, mtime } of this.later.sort((a, b) => b.path.length - a.path.length)) {
      try {
        perEntry(path, () =>
          this.held.pinned(path, (place, stats) => {
            if (!stats.isDirectory()) throw replaced(path)
            if (mtime !== undefined) utimesSync(place, utimesSeconds(mtime), utimesSeconds(mtime))
            if (mode !== undefined) chmodSync(place, unpackedMode(mode))
          }),
        )
      } catch (error) {
        failed ??= error
      }
    }
    if (failed !== undefined) throw failed as Error
  }

  close(): void {
    this.held.close()
  }

  private lookAt(path: string): Stats | undefined {
    return perEntry(path, () => this.held.at(path, place => lstatSync(place, { throwIfNoEntry: false })))
  }

  private targetOf(link: string): string {
    return perEntry(link, () => this.held.at(link, place => readTarget(place)))
  }

  /** False where the file system has no hard links. */
  private tryLink(target: string, path: string): boolean {
    return perEntry(path, () => {
      try {
        this.held.at(target, from => this.held.at(path, to => linkSync(from, to)))
        return true
      } catch (error) {
        if (NO_LINKS.includes(errnoOf(error) ?? '')) return false
        throw error
      }
    })
  }
}

/** As `join`, which checks each character again. */
function below(folder: string, name: string): string {
  return folder.endsWith(sep) ? folder + name : folder + sep + name
}

function partsOf(name: string, prefix = ''): readonly string[] {
  const path = safePath(name, process.platform === 'win32')
  if (path.kind === 'refused') throw new RefusedEntryError(`${prefix}${path.reason}`)
  return path.names
}

const NO_LINKS = ['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EXDEV', 'EACCES']
