import { sameFingerprint, statedFingerprint, type Fingerprint } from '../../local/fingerprint.ts'
import { lookAt } from '../../local/look-at.ts'
import type { WalkedEntry, WalkResult } from '../../local/walk.ts'
import { AppError } from '../../util/errors.ts'
import { foldersAbove } from '../../util/paths.ts'
import { everyId } from '../format/chunk-ids.ts'
import type { FileEntry } from '../format/manifest.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { BlockSource } from '../read/read-chunks.ts'
import { readManifest } from '../read/read-manifest.ts'
import type { SourceReading } from './source-reader.ts'
import type { FileStates } from './stat-cache.ts'

/** How to push a source while programs are writing to it. */
export interface LiveRules {
  /**
   * Paths of files that may not be read now. Their content in the version before is carried over, so that no file is
   * lost while it is being rewritten. Files that the version before does not have are left out.
   */
  held: ReadonlySet<string>
  /** True for files that may be stored in any state, such as logs. Any other file must be as the walk saw it. */
  anyState: (path: string) => boolean
}

/**
 * One reading of a source while programs are writing to it. Takes held files from the version before, and notes the
 * files that were not read as the walk saw them.
 */
export class LiveSource {
  readonly source: WalkResult
  readonly cache: FileStates
  private readonly walked: WalkResult
  private readonly rules: LiveRules
  private readonly otherStates = new Set<string>()

  private constructor(walked: WalkResult, rules: LiveRules, cache: FileStates | undefined, carried: Map<string, FileEntry>) {
    this.walked = walked
    this.rules = rules
    const entries = walked.entries.flatMap(entry => {
      if (entry.type !== 'file' || !rules.held.has(entry.path)) return [entry]
      const before = carried.get(entry.path)
      return before ? [asBefore(entry, before)] : []
    })
    this.source = { ...walked, entries: withoutEmptied(entries, walked.entries) }
    const fingerprints = new Map(walked.entries.map(({ path, fingerprint }) => [path, fingerprint]))
    this.cache = new LiveStates(cache, carried, (path, fingerprint) => {
      if (!sameFingerprint(fingerprint, fingerprints.get(path)!)) this.otherStates.add(path)
    })
  }

  /** Throws `unavailable` if a held file can't be carried over now. */
  static async open(
    repository: BlockSource,
    parent: StoredSnapshot | undefined,
    walked: WalkResult,
    rules: LiveRules,
    cache: FileStates | undefined,
  ): Promise<LiveSource> {
    const carried = new Map<string, FileEntry>()
    if (rules.held.size > 0 && parent?.source.type === walked.rootType)
      for await (const entry of readManifest(repository, parent))
        if (entry.type === 'file' && rules.held.has(entry.path)) {
          requirePresent(repository, entry)
          carried.set(entry.path, entry)
        }
    return new LiveSource(walked, rules, cache, carried)
  }

  /**
   * Paths of files that were not read, or not in the state that the walk saw. A version of this reading might hold
   * half-written files.
   */
  moved({ failedPaths }: SourceReading): string[] {
    return [...failedPaths, ...[...this.otherStates].filter(path => !this.rules.anyState(path))]
  }

  /** The moved files that are still as the walk saw them: reading them failed for another reason. */
  unreadable(moved: readonly string[]): string[] {
    const paths = new Set(moved)
    return this.walked.entries.filter(entry => paths.has(entry.path) && isAsWalked(entry)).map(({ path }) => path)
  }
}

/** Without the folders all of whose files are left out: a version has a new checkpoint as a whole, or nothing of it. */
function withoutEmptied(entries: readonly WalkedEntry[], walked: readonly WalkedEntry[]): WalkedEntry[] {
  if (entries.length === walked.length) return [...entries]
  const foldersWith = (all: readonly WalkedEntry[]): Set<string> =>
    new Set(all.flatMap(({ path, type }) => (type === 'directory' ? [] : foldersAbove(path))))
  const [before, left] = [foldersWith(walked), foldersWith(entries)]
  return entries.filter(({ path, type }) => type !== 'directory' || left.has(path) || !before.has(path))
}

function isAsWalked({ localPath, fingerprint }: WalkedEntry): boolean {
  const now = lookAt(localPath)
  return now.type === 'file' && sameFingerprint(now.fingerprint, fingerprint)
}

/** A known file is not read, so its size and time must be those of the version before. */
function asBefore({ path, localPath }: WalkedEntry, { mode, size, mtime }: FileEntry): WalkedEntry {
  return { path, localPath, type: 'file', mode, fingerprint: statedFingerprint(size, mtime) }
}

/** A chunk that only tombed packs hold would have to be stored again, and its file can't be read now. */
function requirePresent({ index }: BlockSource, { path, chunks }: FileEntry): void {
  if (!everyId(chunks, offset => index.present.find(chunks, offset) >= 0))
    throw new AppError('unavailable', `${path} is being rewritten, and its content in the last version is about to be moved or deleted.`, {
      hint: 'Wait until it is written, or until the prune that is running has ended.',
    })
}

/** Adds the carried-over files to the known file states, and records the state in which each file was read. */
class LiveStates implements FileStates {
  private readonly inner: FileStates | undefined
  private readonly carried: Map<string, FileEntry>
  private readonly onRead: (path: string, fingerprint: Fingerprint) => void

  constructor(inner: FileStates | undefined, carried: Map<string, FileEntry>, onRead: (path: string, fingerprint: Fingerprint) => void) {
    this.inner = inner
    this.carried = carried
    this.onRead = onRead
  }

  lookup(path: string, fingerprint: Fingerprint): Buffer | undefined {
    return this.carried.get(path)?.chunks ?? this.inner?.lookup(path, fingerprint)
  }

  record(path: string, fingerprint: Fingerprint, chunks: Buffer, readAt: number): void {
    this.onRead(path, fingerprint)
    this.inner?.record(path, fingerprint, chunks, readAt)
  }

  keep(path: string): void {
    this.inner?.keep(path)
  }
}
