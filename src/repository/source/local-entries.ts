import { Chunker } from '../../chunking/chunker.ts'
import type { OwnFiles } from '../../local/own-files.ts'
import { walk, type WalkResult } from '../../local/walk.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { FileChunk } from './file-reader.ts'
import { SourceReader, type SourceReading } from './source-reader.ts'
import type { StatCache } from './stat-cache.ts'

export interface LocalReading {
  source: WalkResult
  reading: SourceReading
}

/** The local files that a push of `path` would store. */
export interface LocalChoice {
  path: string
  excludes: readonly string[]
  skip: OwnFiles | undefined
}

/**
 * Manifest entries of a local folder or file. Reads the files that the stat cache does not know, and records them
 * there.
 */
export async function readLocalEntries(
  { path, excludes, skip }: LocalChoice,
  openCache: (source: string) => Promise<StatCache>,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<LocalReading> {
  const source = await walk(path, { excludes, skip, reporter, signal })
  const cache = await openCache(source.root)
  const reader = new SourceReader(source.entries, {
    chunker: new Chunker(),
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
