import type { Fingerprint } from '../../local/fingerprint.ts'
import { isLog } from '../../local/log-files.ts'
import type { OwnFiles } from '../../local/own-files.ts'
import { walk, type WalkedEntry, type WalkResult } from '../../local/walk.ts'
import { errnoOf, messageOf } from '../../util/errors.ts'
import { foldersAbove } from '../../util/paths.ts'
import type { Reporter } from '../../util/reporter.ts'
import { whyFileIncomplete } from './completeness.ts'
import { findTogether, type FoundFile } from './together.ts'

export interface ScannerOptions {
  path: string
  excludes: readonly string[]
  /** Files and folders that are not part of the source. */
  skip: OwnFiles | undefined
  /** A file counts as finished when it has not changed for this long, ms. */
  settleMs: number
  monotonic: () => number
  reporter: Reporter
  signal?: AbortSignal | undefined
}

/**
 * Why a file is held back. `changing`: it was written to a moment ago. `incomplete`: its container states a greater
 * length. `unreadable`: reading it failed. `folder`: it is finished, and waits for other files of its folder.
 */
type HoldReason = 'changing' | 'incomplete' | 'unreadable' | 'folder'

export interface HeldFile {
  kind: HoldReason
  why: string
}

/** The source of a scan as a push takes it: files that can't be read are `unreadable`, and not among the entries. */
export function asReadable({ source, held }: Scan): WalkResult {
  const isReadable = ({ path, type }: WalkedEntry): boolean => type !== 'file' || held.get(path)?.kind !== 'unreadable'
  const others = source.entries.filter(entry => !isReadable(entry))
  const unreadable = [...source.unreadable, ...others]
  return { ...source, entries: source.entries.filter(isReadable), unreadable, failed: unreadable.length }
}

export interface Scan {
  source: WalkResult
  /** Files that may not be saved as they are now, and folders that can't be listed, by path. */
  held: Map<string, HeldFile>
  /** Finished files that no version of this watch has yet, in the order in which they were written. */
  fresh: WalkedEntry[]
  /** Logs that have grown since the last version. The next version saves them, but they are no reason to make one. */
  grown: WalkedEntry[]
  /** Whether files that the last version has were there a moment ago and are gone: a program is deleting them. */
  isShrinking: boolean
}

interface FileState {
  key: string
  /** When the file was first seen in this state, by the monotonic clock, ms. */
  since: number
  /** When the file was first seen. */
  appeared: number
  /** Since when it has not been finished. */
  busySince: number
  /** Why it is incomplete. null: it may be complete. Undefined: not checked yet. */
  incomplete?: string | null
}

const keyOf = ({ size, mtime, ctime, inode }: Fingerprint): string => `${size} ${mtime} ${ctime} ${inode}`

/**
 * Scans a folder again and again, and finds the files in it that are finished. A scan costs a stat of each file, and a
 * read of some bytes of each file that changed.
 */
export class Scanner {
  private readonly options: ScannerOptions
  private seen = new Map<string, FileState>()
  private saved = new Map<string, string>()
  /** Folders with saved files. */
  private known = new Set<string>()
  private began: number | undefined
  /** Keys of the states in which files could not be read, by path. */
  private unreadable = new Map<string, string>()

  constructor(options: ScannerOptions) {
    this.options = options
  }

  /** With `atOnce`, finished files don't wait for others of their folders. */
  async scan({ atOnce = false } = {}): Promise<Scan> {
    const { path, excludes, skip, reporter, signal, settleMs, monotonic } = this.options
    const source = await walk(path, { excludes, skip, reporter, signal })
    const scan: Scan = { source, held: new Map(), fresh: [], grown: [], isShrinking: false }
    for (const { path } of source.unreadable) scan.held.set(path, { kind: 'unreadable', why: "it can't be read" })
    const seen = new Map<string, FileState>()
    const found: FoundFile[] = []
    const now = monotonic()
    for (const entry of source.entries) {
      if (entry.type !== 'file') continue
      const key = keyOf(entry.fingerprint)
      const before = this.seen.get(entry.path)
      const state =
        before?.key === key ? before : { key, since: now, appeared: before?.appeared ?? now, busySince: before?.busySince ?? now }
      seen.set(entry.path, state)
      const held = await this.judge(entry, state, now - state.since >= settleMs)
      const isSaved = this.saved.get(entry.path) === key
      const isOpenLog = isLog(entry.path) && held?.kind === 'changing'
      if (!held) state.busySince = Infinity
      else if (state.busySince === Infinity) state.busySince = now
      if (held && !isOpenLog) scan.held.set(entry.path, held)
      else if (!isSaved) (held ? scan.grown : scan.fresh).push(entry)
      if (held?.kind !== 'unreadable') found.push(this.foundFile(entry, state, { isFinished: !held, isSaved }))
    }
    scan.isShrinking = [...this.saved.keys()].some(path => this.seen.has(path) && !seen.has(path))
    this.seen = seen
    if (!atOnce) this.holdTogether(scan, found, now)
    const written = ({ fingerprint: { mtime } }: WalkedEntry): bigint => mtime
    scan.fresh.sort((a, b) => (written(a) < written(b) ? -1 : written(a) > written(b) ? 1 : 0))
    return scan
  }

  private foundFile({ path }: WalkedEntry, state: FileState, about: { isFinished: boolean; isSaved: boolean }): FoundFile {
    const { appeared, since, busySince } = state
    return { path, ...about, isRewritten: !about.isSaved && this.saved.has(path), isLog: isLog(path), appeared, since, busySince }
  }

  /** Holds back finished files that wait for others. */
  private holdTogether(scan: Scan, found: readonly FoundFile[], now: number): void {
    const { settleMs, reporter, path: root } = this.options
    this.began ??= now
    const { waiting, late } = findTogether(found, { known: this.known, began: this.began, now, settleMs })
    for (const { folder, file } of late)
      reporter.note(`${file} is still being written: the finished files in ${folder === '' ? root : folder} are saved without it`)
    for (const { folder, files } of waiting)
      for (const path of files)
        scan.held.set(path, { kind: 'folder', why: `other files in ${folder === '' ? root : folder} are still being written` })
    const isFree = ({ path }: WalkedEntry): boolean => !scan.held.has(path)
    scan.fresh = scan.fresh.filter(isFree)
    scan.grown = scan.grown.filter(isFree)
  }

  /** Call it when a version was made of this scan, without the files that it held back. */
  markSaved({ source, held }: Scan): void {
    const saved = new Map<string, string>()
    for (const { path, type, fingerprint } of source.entries) {
      const before = this.saved.get(path)
      if (type === 'file' && !held.has(path)) saved.set(path, keyOf(fingerprint))
      else if (before !== undefined) saved.set(path, before)
    }
    this.saved = saved
    this.known = new Set([...saved.keys()].flatMap(foldersAbove))
  }

  /** Call it when these files could not be read. They are held back until they change. */
  markUnreadable({ source }: Scan, paths: readonly string[]): void {
    const all = new Set(paths)
    this.unreadable = new Map(source.entries.filter(({ path }) => all.has(path)).map(({ path, fingerprint }) => [path, keyOf(fingerprint)]))
  }

  private async judge({ path, localPath, fingerprint }: WalkedEntry, state: FileState, still: boolean): Promise<HeldFile | undefined> {
    if (!still) return { kind: 'changing', why: 'it was written to a moment ago' }
    if (this.unreadable.get(path) === state.key) return { kind: 'unreadable', why: 'it could not be read' }
    if (state.incomplete === undefined) {
      try {
        state.incomplete = (await whyFileIncomplete(localPath, fingerprint.size)) ?? null
      } catch (error) {
        if (errnoOf(error) === undefined) throw error
        return { kind: 'unreadable', why: `it can't be read: ${messageOf(error)}` }
      }
    }
    return state.incomplete === null ? undefined : { kind: 'incomplete', why: state.incomplete }
  }
}
