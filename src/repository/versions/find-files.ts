import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import type { Entry } from '../format/manifest.ts'
import { lineOf, type StoredSnapshot } from '../format/snapshot.ts'
import type { BlockSource } from '../read/block-source.ts'
import { readManifest } from '../read/read-manifest.ts'
import { contentId } from './content.ts'

/** Versions one after the other in which a path has the same content. */
export interface ContentRun {
  /** As `contentId` has it; a symlink's target; empty for a folder. */
  content: string
  /** Bytes; 0 for what is no file. */
  size: number
  first: StoredSnapshot
  last: StoredSnapshot
  versions: number
}

export interface FoundPath {
  name: string
  path: string
  type: Entry['type']
  /** From old to new. */
  runs: ContentRun[]
  /** The first version after the last run. Undefined if the newest version has the path. */
  goneSince: StoredSnapshot | undefined
}

export interface FindOptions {
  /** Whether an entry is looked for. */
  matches: (entry: Entry) => boolean | Promise<boolean>
  onVersion: (done: number, total: number) => void
  /** Called for each version whose manifest can't be read. It is then left out. */
  onDamage: (version: StoredSnapshot, error: AppError) => void
}

/** Manifests that are read side by side. */
const PARALLEL_MANIFESTS = 4
/** More would be no answer, and fill the memory. */
const MAX_RUNS = 100_000

/**
 * Finds entries in versions, which are given from old to new. Versions of one line are compared with each other only:
 * two sources of one name don't remove each other's files. Reads each manifest once, and none that equals the one
 * before. Memory: linear in what is found.
 */
export async function findFiles(source: BlockSource, versions: readonly StoredSnapshot[], options: FindOptions): Promise<FoundPath[]> {
  const found: FoundPath[] = []
  const counter = { done: 0, total: versions.length, runs: 0 }
  for (const series of groupBy(versions, version => `${version.name}\0${lineOf(version)}`).values())
    found.push(...(await searchSeries(source, series, options, counter)))
  const texts = found.map(each => ({ each, key: `${each.name}\0${each.path}` }))
  return texts.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ each }) => each)
}

interface Counter {
  done: number
  total: number
  runs: number
}

interface Tracked extends FoundPath {
  /** The number of the last version that has it. */
  lastSeen: number
}

async function searchSeries(
  source: BlockSource,
  series: readonly StoredSnapshot[],
  options: FindOptions,
  counter: Counter,
): Promise<FoundPath[]> {
  const paths = new Map<string, Tracked>()
  const readable: StoredSnapshot[] = []
  let last: { manifest: string; result: Match[] | AppError } | undefined
  for (let at = 0; at < series.length; at += PARALLEL_MANIFESTS) {
    const batch = series.slice(at, at + PARALLEL_MANIFESTS)
    const manifests = batch.map(({ manifest }) => manifest.chunks.join())
    const previous = [last?.manifest, ...manifests]
    const read = await Promise.all(
      batch.map(async (version, i) => (manifests[i] === previous[i] ? undefined : await search(source, version, options))),
    )
    for (const [i, version] of batch.entries()) {
      throwIfAborted(source.signal)
      options.onVersion(++counter.done, counter.total)
      const result: Match[] | AppError = read[i] ?? last!.result
      last = { manifest: manifests[i]!, result }
      if (isAppError(result)) {
        options.onDamage(version, result)
        continue
      }
      const number = readable.push(version) - 1
      for (const match of result) see(paths, match, version, number, counter)
    }
  }
  return [...paths.values()].map(path => ({ ...path, goneSince: readable[path.lastSeen + 1] }))
}

type Match = Pick<FoundPath, 'path' | 'type'> & Pick<ContentRun, 'content' | 'size'>

async function search(source: BlockSource, version: StoredSnapshot, { matches }: FindOptions): Promise<Match[] | AppError> {
  const found: Match[] = []
  try {
    for await (const entry of readManifest(source, version)) if (await matches(entry)) found.push(matchOf(entry))
    return found
  } catch (error) {
    if (isAppError(error, 'corrupt')) return error
    throw error
  }
}

function matchOf(entry: Entry): Match {
  const { path, type } = entry
  if (type === 'file') return { path, type, content: contentId(entry.chunks), size: entry.size }
  return { path, type, content: type === 'symlink' ? entry.target : '', size: 0 }
}

function see(paths: Map<string, Tracked>, match: Match, version: StoredSnapshot, number: number, counter: Counter): void {
  const { path, type, content, size } = match
  const known = paths.get(path)
  const run = known?.runs.at(-1)
  if (known && run && known.lastSeen === number - 1 && known.type === type && run.content === content) {
    Object.assign(run, { last: version, versions: run.versions + 1 })
    known.lastSeen = number
    return
  }
  if (++counter.runs > MAX_RUNS)
    throw new AppError('usage', `More than ${MAX_RUNS} files match.`, { hint: 'Use a narrower pattern, or --name, --since or --until.' })
  const next = { content, size, first: version, last: version, versions: 1 }
  if (known) Object.assign(known, { type, lastSeen: number }).runs.push(next)
  else paths.set(path, { name: version.name, path, type, runs: [next], goneSince: undefined, lastSeen: number })
}
