import { Chunker } from '../../chunking/chunker.ts'
import type { OwnFiles } from '../../local/own-files.ts'
import { walk, type WalkResult } from '../../local/walk.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { FileChunk } from './file-reader.ts'
import { SourceReader, type SourceReading } from './source-reader.ts'
import type { StatCache } from './stat-cache.ts'

export interface LocalReading {
  source: WalkResult
  reading: SourceReading
}

/** Tells the paths that nobody could look at: files that can't be read, and all in folders that can't be listed. */
export function unreadPaths({ source, reading }: LocalReading): (path: string) => boolean {
  const folders = new Set(source.unreadable.map(({ path }) => path))
  const files = new Set(reading.failedPaths)
  const isBelow = (path: string): boolean => {
    const end = path.lastIndexOf('/')
    return end >= 0 && (folders.has(path.slice(0, end)) || isBelow(path.slice(0, end)))
  }
  return path => files.has(path) || (folders.size > 0 && isBelow(path))
}

/** The local files that a push of `path` would store. */
export interface LocalChoice {
  path: string
  excludes: readonly string[]
  skip: OwnFiles | undefined
}

/**
 * Manifest entries of a local folder or file, as a repository with these keys has them. Reads the files that the stat
 * cache does not know, and records them there.
 */
export async function readLocalEntries(
  { path, excludes, skip }: LocalChoice,
  keysOf: () => ChunkKeys | Promise<ChunkKeys>,
  openCache: (source: string, chunkKeys: ChunkKeys) => Promise<StatCache>,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<LocalReading> {
  const source = await walk(path, { excludes, skip, reporter, signal })
  const chunkKeys = await keysOf()
  const cache = await openCache(source.root, chunkKeys)
  const reader = new SourceReader(source.entries, {
    chunker: new Chunker(chunkKeys),
    cache,
    now: () => Date.now(),
    reporter,
    onProgress: done => reporter.progress({ phase: 'scanning', ...done }),
    signal,
  })
  for (const file of reader.files) {
    const chunks = reader.known(file)
    if (chunks) reader.keep(file, chunks)
    else await readToEnd(reader.read(file))
    if (reader.isPauseDue()) await reader.pause()
  }
  cache.keepAll()
  await cache.save(reporter)
  return { source, reading: reader.finish() }
}

/** Reads all chunks and drops their bytes: the reader collects the ids. */
async function readToEnd(chunks: AsyncGenerator<FileChunk, void>): Promise<void> {
  while (!(await chunks.next()).done);
}
