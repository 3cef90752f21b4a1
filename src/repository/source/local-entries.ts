import { Chunker } from '../../chunking/chunker.ts'
import { walk, type WalkResult } from '../../local/walk.ts'
import type { Reporter } from '../../util/reporter.ts'
import { readSource, type SourceReading } from './source-reader.ts'
import type { StatCache } from './stat-cache.ts'

export interface LocalReading {
  source: WalkResult
  reading: SourceReading
}

/** What a push of `path` takes in and what it leaves out. */
export interface LocalChoice {
  path: string
  excludes: readonly string[]
  /** Absolute paths of folders that are no part of it, such as the store. */
  skip: readonly string[]
}

/** A local folder or file as manifest entries: reads what the cache of file states does not know, and remembers it there. */
export async function readLocalEntries(
  { path, excludes, skip }: LocalChoice,
  openCache: (source: string) => Promise<StatCache>,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<LocalReading> {
  const source = await walk(path, { excludes, skip, reporter, signal })
  const cache = await openCache(source.root)
  const reading = await readSource(source.entries, {
    chunker: new Chunker(),
    cache,
    isStored: () => true,
    sink: () => undefined,
    now: () => Date.now(),
    reporter,
    onProgress: done => reporter.progress({ phase: 'scanning', ...done }),
    signal,
  })
  cache.keepAll()
  await cache.save(reporter)
  return { source, reading }
}
