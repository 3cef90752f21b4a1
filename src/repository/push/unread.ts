import { isGone } from '../../local/changed-type.ts'
import type { WalkResult } from '../../local/walk.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { comparePaths } from '../../util/paths.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { Entry } from '../format/manifest.ts'
import { lineOf, type Incomplete, type StoredSnapshot } from '../format/snapshot.ts'
import type { RepositoryView } from '../open/view.ts'
import type { BlockSource } from '../read/read-chunks.ts'
import { readManifest } from '../read/read-manifest.ts'
import type { SourceReading } from '../source/source-reader.ts'
import { newestSnapshot } from '../versions/versions.ts'
import type { ChunkWriter } from './chunk-writer.ts'

/** The files and symlinks of a source that could not be read, by their paths. */
export interface Unread {
  /** They keep the entries of `from`, an earlier version. */
  carried: string[]
  from: StoredSnapshot | undefined
  /** They are missing. A folder that could not be listed is one of them if its content is unknown: `runs/`. */
  missing: string[]
}

export function incompleteness({ carried, missing }: Unread): Incomplete {
  const folders = missing.filter(path => path.endsWith('/')).length
  return { files: carried.length + missing.length, carried: carried.length, ...(folders > 0 ? { folders } : {}) }
}

/**
 * Throws `io` if files could not be read and no file was read: an empty version would look as if they had gone. Throws
 * `not-found` if the source has gone.
 */
export function refuseNothingRead(source: WalkResult, reading: SourceReading): void {
  if (reading.files > 0 || reading.failedPaths.length + source.unreadable.length === 0) return
  if (isGone(source.root))
    throw new AppError('not-found', `${source.root} was moved or deleted while it was being pushed, so no version was made.`, {
      hint: 'Bring it back, then push again.',
    })
  const what = source.rootType === 'file' ? `${source.root} could not be read` : `No file in ${source.root} could be read`
  throw new AppError('io', `${what}, so no version was made.`, {
    hint: 'Check its permissions, or wait until nothing writes to it, then push again.',
  })
}

/**
 * Adds to `reading` what the newest version of the same source has where the source could not be read, as far as its
 * chunks are present. Undefined if everything was read.
 */
export async function carryOver(
  { name, source, reporter }: { name: string; source: WalkResult; reporter: Reporter },
  { view, parent }: { view: RepositoryView; parent: StoredSnapshot | undefined },
  repository: BlockSource,
  chunks: ChunkWriter,
  reading: SourceReading,
): Promise<Unread | undefined> {
  if (reading.failedPaths.length + source.unreadable.length === 0) return undefined
  const from = await newestOfSource(source, name, view, parent, repository)
  const carrier = new Carrier(source, reading, chunks)
  try {
    if (from) for await (const entry of readManifest(repository, from)) carrier.offer(entry)
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'newer-format')) throw error
    reporter.warn(`${error.message}; what it has of the files that can't be read is not in the new version`)
  }
  return { ...carrier.finish(), from }
}

/** The newest version of a name that was pushed from this source; of one line, if that is given. */
export async function newestOfSource(
  { root, rootType }: WalkResult,
  name: string,
  view: RepositoryView,
  parent: StoredSnapshot | undefined,
  repository: BlockSource,
  line?: string,
): Promise<StoredSnapshot | undefined> {
  const isOfSource = (version: StoredSnapshot): boolean =>
    version.source.path === root.toWellFormed() && version.source.type === rootType && (line === undefined || lineOf(version) === line)
  if (!parent || isOfSource(parent)) return parent
  return newestSnapshot(repository, view, name, isOfSource)
}

class Carrier {
  private readonly reading: SourceReading
  private readonly chunks: ChunkWriter
  private readonly walked: Set<string>
  private readonly files: Set<string>
  /** Paths of entries that were not looked into, with the files and symlinks that the earlier version has there. */
  private readonly unlisted: Map<string, number>
  private readonly carried: Entry[] = []
  private readonly missing: string[] = []

  constructor(source: WalkResult, reading: SourceReading, chunks: ChunkWriter) {
    this.reading = reading
    this.chunks = chunks
    this.walked = new Set(source.entries.map(({ path }) => path))
    this.files = new Set(reading.failedPaths)
    this.unlisted = new Map(source.unreadable.map(({ path }) => [path, 0]))
  }

  /** Takes an entry of the earlier version if the source could not be read there. */
  offer(entry: Entry): void {
    const { path, type } = entry
    if (this.files.has(path)) {
      if (type === 'directory' || !this.isPresent(entry)) return
      this.files.delete(path)
      this.carried.push(entry)
      return
    }
    const above = this.walked.has(path) ? undefined : this.unlistedAbove(path)
    if (above === undefined) return
    if (type !== 'directory') this.unlisted.set(above, this.unlisted.get(above)! + 1)
    if (type === 'directory' || this.isPresent(entry)) this.carried.push(entry)
    else this.missing.push(path)
  }

  private isPresent(entry: Entry): boolean {
    return entry.type !== 'file' || this.chunks.hasAll(entry.chunks)
  }

  /** The unlisted entry that has this path, or is above it. */
  private unlistedAbove(path: string): string | undefined {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const above = path.slice(0, end)
      if (this.unlisted.has(above)) return above
    }
    return undefined
  }

  finish(): Pick<Unread, 'carried' | 'missing'> {
    const { reading } = this
    for (const entry of this.carried) {
      if (entry.type === 'file') reading.files++
      else if (entry.type === 'symlink') reading.symlinks++
      else reading.directories++
      if (entry.type === 'file') reading.bytes += entry.size
    }
    reading.entries.push(...this.carried)
    reading.entries.sort((a, b) => comparePaths(a.path, b.path))
    const unknown = [...this.unlisted].filter(([, below]) => below === 0).map(([path]) => (this.walked.has(path) ? `${path}/` : path))
    return {
      carried: this.carried.filter(({ type }) => type !== 'directory').map(({ path }) => path),
      missing: [...this.files, ...this.missing, ...unknown].sort(comparePaths),
    }
  }
}
