import { sameFingerprint, type Fingerprint } from '../../local/fingerprint.ts'
import { lookAt } from '../../local/look-at.ts'
import type { WalkedEntry, WalkResult } from '../../local/walk.ts'
import { AppError } from '../../util/errors.ts'
import { everyId } from '../format/chunk-ids.ts'
import type { FileEntry } from '../format/manifest.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { BlockSource } from '../read/read-chunks.ts'
import { readManifest } from '../read/read-manifest.ts'
import type { SourceReading } from './source-reader.ts'
import { StatCache } from './stat-cache.ts'

/** How a source is pushed that programs are writing to. */
export interface LiveRules {
  /** Paths of files that may not be read now. What the version before holds of them stays, so that none is lost for being rewritten; new ones have to wait. */
  held: ReadonlySet<string>
  /** Files of which the state of any moment will do. Of all others only the state that was walked is taken. */
  anyState: (path: string) => boolean
}

/** One reading of such a source: what is held comes from the version before, and what was not read as it was walked is told. */
export class LiveSource {
  readonly source: WalkResult
  readonly cache: StatCache
  private readonly walked: WalkResult
  private readonly rules: LiveRules
  private readonly otherStates = new Set<string>()

  private constructor(walked: WalkResult, rules: LiveRules, cache: StatCache | undefined, carried: Map<string, FileEntry>) {
    this.walked = walked
    this.rules = rules
    const entries = walked.entries.flatMap(entry => {
      if (entry.type !== 'file' || !rules.held.has(entry.path)) return [entry]
      const before = carried.get(entry.path)
      return before ? [asBefore(entry, before)] : []
    })
    this.source = { ...walked, entries }
    const fingerprints = new Map(walked.entries.map(({ path, fingerprint }) => [path, fingerprint]))
    this.cache = new LiveCache(cache, carried, (path, fingerprint) => {
      if (!sameFingerprint(fingerprint, fingerprints.get(path)!)) this.otherStates.add(path)
    })
  }

  /** Throws `unavailable` where what is held can't be carried over now. */
  static async open(
    repository: BlockSource,
    parent: StoredSnapshot | undefined,
    walked: WalkResult,
    rules: LiveRules,
    cache: StatCache | undefined,
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

  /** Paths of files that were read in another state than they were walked in, or not at all. A version made of this reading might hold halves. */
  moved({ failedFiles }: SourceReading): string[] {
    const failed = new Set(failedFiles)
    const unread = this.source.entries.filter(({ localPath }) => failed.has(localPath)).map(({ path }) => path)
    return [...unread, ...[...this.otherStates].filter(path => !this.rules.anyState(path))]
  }

  /** Of moved files those that are still as they were walked: reading them failed for another reason. */
  unreadable(moved: readonly string[]): string[] {
    const paths = new Set(moved)
    return this.walked.entries.filter(entry => paths.has(entry.path) && isAsWalked(entry)).map(({ path }) => path)
  }
}

function isAsWalked({ localPath, fingerprint }: WalkedEntry): boolean {
  const now = lookAt(localPath)
  return now.type === 'file' && sameFingerprint(now.fingerprint, fingerprint)
}

/** A cached entry is taken without a look at its file; so its size and time are those of the version before. */
function asBefore({ path, localPath }: WalkedEntry, { mode, size, mtime }: FileEntry): WalkedEntry {
  return { path, localPath, type: 'file', mode, fingerprint: { size, mtime, ctime: 0n, inode: 0n } }
}

/** A chunk that lies in a tomb alone would have to be stored again, and its file can't be read. */
function requirePresent({ index }: BlockSource, { path, chunks }: FileEntry): void {
  if (!everyId(chunks, offset => index.findPresent(chunks, offset) >= 0))
    throw new AppError(
      'unavailable',
      `${path} is being rewritten, and what the last version holds of it is about to be moved or deleted.`,
      {
        hint: 'Wait until it is written, or until the prune that is running has ended.',
      },
    )
}

/** The cache of file states as a live reading needs it: what is carried over is known, and in which state each file was read is heard. */
class LiveCache extends StatCache {
  private readonly inner: StatCache | undefined
  private readonly carried: Map<string, FileEntry>
  private readonly onRead: (path: string, fingerprint: Fingerprint) => void

  constructor(inner: StatCache | undefined, carried: Map<string, FileEntry>, onRead: (path: string, fingerprint: Fingerprint) => void) {
    super('')
    this.inner = inner
    this.carried = carried
    this.onRead = onRead
  }

  override lookup(path: string, fingerprint: Fingerprint): Buffer | undefined {
    return this.carried.get(path)?.chunks ?? this.inner?.lookup(path, fingerprint)
  }

  override record(path: string, fingerprint: Fingerprint, chunks: Buffer, readAt: number): void {
    this.onRead(path, fingerprint)
    this.inner?.record(path, fingerprint, chunks, readAt)
  }

  override keep(path: string): void {
    this.inner?.keep(path)
  }
}
