import type { Chunker } from '../../chunking/chunker.ts'
import type { LocalItem } from '../../local/look-at.ts'
import type { OwnFiles } from '../../local/own-files.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { DirectoryEntry, FileEntry, SymlinkEntry } from '../format/manifest.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { StatCache } from '../source/stat-cache.ts'
import type { Refusals } from './refusals.ts'
import type { SelectedEntry } from './selection.ts'
import type { Twins } from './twins.ts'
import type { UnsavedFile } from './unsaved-files.ts'

export interface PlannedFile {
  entry: FileEntry
  readonly localPath: string
  /** The item at `localPath` now. The plan is valid only while it stays the same. */
  item: LocalItem
}

export interface DamagedFile {
  path: string
  why: string
}

export interface PlannedDirectory {
  entry: DirectoryEntry
  localPath: string
  item: LocalItem
}

/** Everything that a pull is going to do. It is decided before anything is changed. */
export interface PullPlan {
  /** The destination folder with what it gets; undefined if it stays as it is. */
  root: PlannedDirectory | undefined
  /** Parents first. */
  directories: PlannedDirectory[]
  files: PlannedFile[]
  symlinks: { entry: SymlinkEntry; localPath: string; item: LocalItem }[]
  /** Entries with the right content and a wrong mode or time. */
  touch: { entry: FileEntry | SymlinkEntry; localPath: string; item: LocalItem }[]
  /** Files and symlinks to delete: they are in the way of an entry, or extra under --delete. */
  remove: UnsavedFile[]
  /** Folders to delete when they are empty, deepest first. */
  removeDirectories: { path: string; localPath: string }[]
  /** Number of entries that are right already. */
  unchanged: number
  /** Number of files and folders that get their mode without the bits that `restoredMode` leaves out. */
  modesLeftOut: number
  damaged: DamagedFile[]
  /** What the destination refused so far. */
  refused: Refusals
  twins: Twins
}

export interface PullPlanRequest {
  snapshot: StoredSnapshot
  /** Undefined for the whole version. */
  selected?: SelectedEntry | undefined
  /** The absolute local path for the entry of this path, with links resolved. */
  localPathOf: (path: string) => string
  /** Absolute path of the destination folder; undefined if a single file is pulled. */
  root: string | undefined
  /** Whether the destination folder is the home folder, the current one, or one above them. */
  isLivedIn?: boolean
  only: readonly string[]
  exclude: readonly string[]
  delete: boolean
  force: boolean
  /** Restores modes as they are, also bits that let other users act as this one. */
  specialModes?: boolean | undefined
  /** Whether a local file at the place of an entry is replaced or deleted only if this machine has pushed it. */
  needsProof?: ((path: string) => boolean) | undefined
  /** What is never deleted. */
  skip: OwnFiles | undefined
  cache: StatCache | undefined
  /** Platform of the destination. */
  platform: NodeJS.Platform
  chunker: Chunker
  reporter: Reporter
}
