import { basename } from 'node:path'
import type { Fingerprint } from '../../local/fingerprint.ts'
import { walk, type WalkedEntry, type WalkResult } from '../../local/walk.ts'
import { errnoOf, messageOf } from '../../util/errors.ts'
import type { Reporter } from '../../util/reporter.ts'
import { whyFileIncomplete } from './completeness.ts'

export interface ScannerOptions {
  path: string
  excludes: readonly string[]
  /** Absolute paths of folders and files that are no part of the source. */
  skip: readonly string[]
  /** How long (ms) a file has to be as it is to be taken for finished. */
  settleMs: number
  monotonic: () => number
  reporter: Reporter
  signal?: AbortSignal | undefined
}

/** `changing`: written to a moment ago. `incomplete`: its container says that more is to come. `unreadable`: reading it failed. */
export type HoldReason = 'changing' | 'incomplete' | 'unreadable'

export interface HeldFile {
  kind: HoldReason
  why: string
}

export interface Scan {
  source: WalkResult
  /** Files that no version may take as they are now, by path. */
  held: Map<string, HeldFile>
  /** Finished files that no version of this watch has yet, the one written last at the end. */
  fresh: WalkedEntry[]
  /** Logs that have grown since the last version. They go with the next one, and are no reason for one as long as they grow. */
  grown: WalkedEntry[]
}

/** Text that programs append to line by line, so that all of it up to any moment is whole. */
export function isLog(path: string): boolean {
  return /\.(log|jsonl|ndjson|out|err)$|\.tfevents\./i.test(basename(path))
}

interface Seen {
  key: string
  /** When it was first seen like this, by a clock that only grows. */
  since: number
  /** What its container says; not asked yet while undefined. */
  incomplete?: string | null
}

const keyOf = ({ size, mtime, ctime, inode }: Fingerprint): string => `${size} ${mtime} ${ctime} ${inode}`

/** Looks at a folder again and again and tells which of its files are finished. Costs a look at each file, and of those that changed some bytes. */
export class Scanner {
  private readonly options: ScannerOptions
  private seen = new Map<string, Seen>()
  private saved = new Map<string, string>()
  /** In which state a file could not be read. */
  private unreadable = new Map<string, string>()

  constructor(options: ScannerOptions) {
    this.options = options
  }

  async scan(): Promise<Scan> {
    const { path, excludes, skip, reporter, signal, settleMs, monotonic } = this.options
    const walked = await walk(path, { excludes, skip, reporter, signal })
    const source = { ...walked, entries: walked.entries.filter(({ localPath }) => !skip.includes(localPath)) }
    const scan: Scan = { source, held: new Map(), fresh: [], grown: [] }
    const seen = new Map<string, Seen>()
    const now = monotonic()
    for (const entry of source.entries) {
      if (entry.type !== 'file') continue
      const key = keyOf(entry.fingerprint)
      const before = this.seen.get(entry.path)
      const state = before?.key === key ? before : { key, since: now }
      seen.set(entry.path, state)
      const held = await this.judge(entry, state, now - state.since >= settleMs)
      const log = isLog(entry.path)
      if (held && !(log && held.kind === 'changing')) scan.held.set(entry.path, held)
      else if (this.saved.get(entry.path) !== key) (held ? scan.grown : scan.fresh).push(entry)
    }
    this.seen = seen
    const written = ({ fingerprint: { mtime } }: WalkedEntry): bigint => mtime
    scan.fresh.sort((a, b) => (written(a) < written(b) ? -1 : written(a) > written(b) ? 1 : 0))
    return scan
  }

  /** A version now has what this scan found and did not hold. */
  markSaved({ source, held }: Scan): void {
    const saved = new Map<string, string>()
    for (const { path, type, fingerprint } of source.entries) {
      const before = this.saved.get(path)
      if (type === 'file' && !held.has(path)) saved.set(path, keyOf(fingerprint))
      else if (before !== undefined) saved.set(path, before)
    }
    this.saved = saved
  }

  /** These could not be read as they are: they are held until they change. */
  markUnreadable({ source }: Scan, paths: readonly string[]): void {
    const all = new Set(paths)
    this.unreadable = new Map(source.entries.filter(({ path }) => all.has(path)).map(({ path, fingerprint }) => [path, keyOf(fingerprint)]))
  }

  private async judge({ path, localPath, fingerprint }: WalkedEntry, state: Seen, still: boolean): Promise<HeldFile | undefined> {
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
