import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { ArchivedSource } from '../../archive/compress.ts'
import { LostContentError, SMALL_FILE_BYTES, UnreadableFileError, type Contents, type FixedLengthFile } from '../../archive/source-file.ts'
import { statedFingerprint } from '../../local/fingerprint.ts'
import { pathFilter } from '../../local/ignore-rules.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import type { Entry, FileEntry } from '../../repository/format/manifest.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import type { OpenRepository } from '../../repository/open/open.ts'
import { baseOf, covers, findSelection } from '../../repository/pull/selection.ts'
import { readSequence } from '../../repository/read/read-chunks.ts'
import { SmallFileReader } from '../../repository/read/read-files.ts'
import { readManifest } from '../../repository/read/read-manifest.ts'
import { parseVersionOrPath } from '../../repository/versions/versions.ts'
import { isAppError, throwIfAborted } from '../../util/errors.ts'
import { fsPath } from '../../util/paths.ts'
import { findVersion, openRepository } from '../shared/find-version.ts'
import type { Session } from '../shared/session.ts'

/** What a person means by `data~0` or `data@best:val_loss`, unless there is a file of that name. */
const VERSION = /^[^/\\@~:]+(@|~\d|:(?![/\\]))/

export interface VersionSource {
  source: ArchivedSource
  /** Of the folder in the archive. */
  name: string
  /** Whether a file was left out because the repository is damaged. */
  isDamaged: () => boolean
  /** After a `LostContentError`: reads the large files that were not read yet, and leaves the damaged ones out. */
  findDamage: (signal: AbortSignal) => Promise<void>
}

export function namesVersion(text: string): boolean {
  return VERSION.test(text) && !existsSync(fsPath(resolve(text)))
}

/** A version, or a file or folder in it, as the source of an archive. */
export async function openVersion(session: Session, text: string, exclude: readonly string[]): Promise<VersionSource> {
  const { version, path = '' } = parseVersionOrPath(text)
  const repository = await openRepository(session)
  const snapshot = await findVersion(session, repository, version)
  const { entry: selected, pattern } = await findSelection(repository, snapshot, path)
  const isWanted = pathFilter(pattern === undefined ? [] : [pattern], exclude)
  const base = selected === undefined ? '' : baseOf(selected)
  const contents = new VersionContents(repository)
  let { root = { mode: 0o755, mtime: BigInt(snapshot.time) * 1_000_000n } } = snapshot
  for await (const entry of readManifest(repository, snapshot)) {
    if (entry.path === base) root = entry
    if (selected !== undefined && !covers(selected, entry.path)) continue
    const below = base === '' ? entry.path : entry.path.slice(base.length + 1)
    if (isWanted(below, entry.type === 'directory')) contents.add(entry, below, `${versionLabel(snapshot)}:${entry.path}`)
  }
  const { entries } = contents
  const isFile = entries.length === 1 && (selected?.type === 'file' || snapshot.source.type === 'file')
  const source: ArchivedSource = {
    entries,
    rootType: isFile ? 'file' : 'directory',
    root: text,
    failed: 0,
    rootAttributes: { mode: root.mode, mtime: root.mtime },
    contents,
  }
  const name = isFile ? basename(entries[0]!.path) : base === '' ? snapshot.name : basename(base)
  return { source, name, isDamaged: () => contents.isDamaged, findDamage: signal => contents.findDamage(signal) }
}

class VersionContents implements Contents {
  /** Whether a file could not be read. */
  isDamaged = false
  readonly entries: WalkedEntry[] = []
  private readonly repository: OpenRepository
  /** By what is said of them. */
  private readonly files = new Map<string, FileEntry>()
  private reader: SmallFileReader | undefined
  /** Why large files can't be read, by what is said of them: found by reading, in the order of the entries. */
  private readonly lost = new Map<string, string>()

  constructor(repository: OpenRepository) {
    this.repository = repository
  }

  add(entry: Entry, path: string, label: string): void {
    const { type, mode, mtime } = entry
    const fingerprint = statedFingerprint(entry.type === 'file' ? entry.size : 0, mtime)
    this.entries.push({ path, localPath: label, type, mode, fingerprint, ...(entry.type === 'symlink' ? { target: entry.target } : {}) })
    if (entry.type === 'file') this.files.set(label, entry)
  }

  async small(entry: WalkedEntry): Promise<Buffer> {
    this.reader ??= new SmallFileReader(
      this.repository,
      [...this.files.values()].filter(({ size }) => size <= SMALL_FILE_BYTES),
    )
    try {
      return await this.reader.read(this.files.get(entry.localPath)!)
    } catch (error) {
      throw new UnreadableFileError(this.whyDamaged(error))
    }
  }

  large(entry: WalkedEntry): Promise<FixedLengthFile> {
    const label = entry.localPath
    const why = this.lost.get(label)
    if (why !== undefined) throw new UnreadableFileError(why)
    const { size } = this.files.get(label)!
    return Promise.resolve({ size, read: (_, signal) => this.readLarge(label, signal), close: () => Promise.resolve() })
  }

  async findDamage(signal: AbortSignal): Promise<void> {
    const labels = [...this.files].filter(([, { size }]) => size > SMALL_FILE_BYTES).map(([label]) => label)
    const last = labels.findLastIndex(label => this.lost.has(label))
    for (const label of labels.slice(last + 1)) {
      try {
        for await (const bytes of this.readLarge(label, signal)) void bytes
      } catch (error) {
        if (!(error instanceof LostContentError)) throw error
      }
    }
  }

  private async *readLarge(label: string, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { chunks, path } = this.files.get(label)!
    try {
      for await (const bytes of readSequence(this.repository, chunks, path)) {
        throwIfAborted(signal)
        yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      }
    } catch (error) {
      const why = this.whyDamaged(error)
      this.lost.set(label, why)
      throw new LostContentError(`${label} is damaged in the store`, { cause: error })
    }
  }

  private whyDamaged(error: unknown): string {
    if (!isAppError(error, 'corrupt')) throw error
    this.isDamaged = true
    return error.message
  }
}
