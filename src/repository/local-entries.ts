import { Chunker } from '../chunking/chunker.ts'
import type { Reporter } from '../util/reporter.ts'
import { readSource, type SourceReading } from './source-reader.ts'
import type { StatCache } from './stat-cache.ts'
import { walk, type WalkResult } from './walk.ts'

export interface LocalReading {
  source: WalkResult
  reading: SourceReading
}

/** A local folder or file as manifest entries: reads what the cache of file states does not know, and remembers it there. */
export async function readLocalEntries(
  path: string,
  excludes: readonly string[],
  openCache: (source: string) => Promise<StatCache>,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<LocalReading> {
  const source = await walk(path, { excludes, reporter, signal })
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
