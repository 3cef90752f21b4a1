import { corrupt } from '../../util/errors.ts'
import { namedPaths } from '../../util/named-path.ts'
import { comparePaths, encodePath } from '../../util/paths.ts'
import { formatCount, plural } from '../../util/words.ts'
import { everyId, idsFromHex } from '../format/chunk-ids.ts'
import { ManifestDecoder, type Entry } from '../format/manifest.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import { readSequence, type BlockSource } from './read-chunks.ts'

/** For messages: `data (version 1a2b3c4d)`. */
export function describeVersion(snapshot: StoredSnapshot): string {
  return `${snapshot.name} (version ${snapshot.id.slice(0, 8)})`
}

/**
 * Reads the manifest entries of a snapshot in the order of their paths, a few megabytes at a time. `ManifestDecoder`
 * checks them. A single file is one entry.
 */
export async function* readManifest(source: BlockSource, snapshot: StoredSnapshot): AsyncGenerator<Entry> {
  const single = snapshot.source.type === 'file'
  const refuse = (): never => {
    throw corrupt(`The manifest of ${describeVersion(snapshot)}`, 'it is not that of a single file')
  }
  let entries = 0
  for await (const entry of readEntries(source, snapshot)) {
    if (single && (entries > 0 || entry.type !== 'file')) refuse()
    entries++
    yield entry
  }
  if (single && entries === 0) refuse()
}

/**
 * The entry that a person names, by its path or as commands print it (`namedPaths`). Node replaces bytes of an argument
 * that are not UTF-8 by U+FFFD: such a text names an entry if it fits only one.
 */
export async function findEntry(source: BlockSource, snapshot: StoredSnapshot, text: string): Promise<Entry | undefined> {
  const [printed, literal] = namedPaths(text)
  const isLossy = text.includes('\ufffd')
  let found: Entry | undefined
  const similar: Entry[] = []
  for await (const entry of readManifest(source, snapshot)) {
    if (entry.path === printed) return entry
    if (entry.path === literal) found = entry
    if (isLossy && similar.length < 2 && encodePath(entry.path).toString() === text) similar.push(entry)
    if (literal === undefined && !isLossy && comparePaths(entry.path, printed!) > 0) break
  }
  return found ?? (similar.length === 1 ? similar[0] : undefined)
}

async function* readEntries(source: BlockSource, snapshot: StoredSnapshot): AsyncGenerator<Entry> {
  const what = describeVersion(snapshot)
  const decoder = new ManifestDecoder(what)
  let bytes = 0
  for await (const chunk of readSequence(source, idsFromHex(snapshot.manifest.chunks), `The manifest of ${what}`)) {
    bytes += chunk.length
    yield* decoder.push(chunk)
  }
  if (bytes !== snapshot.manifest.bytes)
    throw corrupt(`The manifest of ${what}`, `it has ${plural(bytes, 'byte')} instead of ${formatCount(snapshot.manifest.bytes)}`)
  yield* decoder.finish()
}

/**
 * Lists the ids of all chunks that a snapshot reaches: first those of its manifest, then those of each file. Reads the
 * manifest only when the second list is asked for.
 */
export async function* chunkIdsOf(source: BlockSource, snapshot: StoredSnapshot): AsyncGenerator<Buffer> {
  yield idsFromHex(snapshot.manifest.chunks)
  for await (const entry of readManifest(source, snapshot)) if (entry.type === 'file') yield entry.chunks
}

/**
 * True if `test` holds for every chunk that a snapshot reaches. `test` gets a list of ids and the offset of an id in
 * it.
 */
export async function everyChunkOf(
  source: BlockSource,
  snapshot: StoredSnapshot,
  test: (ids: Uint8Array, offset: number) => boolean,
): Promise<boolean> {
  for await (const ids of chunkIdsOf(source, snapshot)) if (!everyId(ids, offset => test(ids, offset))) return false
  return true
}

/** True if every chunk that a snapshot needs is in a listed pack. A late snapshot counts only then (rule 5). */
export function isComplete(source: BlockSource, snapshot: StoredSnapshot): Promise<boolean> {
  return everyChunkOf(source, snapshot, (ids, offset) => source.index.whole.best(ids, offset) >= 0)
}
