import { corrupt } from '../../util/errors.ts'
import { ManifestDecoder, type Entry } from '../format/manifest.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import { readSequence, type BlockSource } from './read-chunks.ts'

/** For messages: `data (version 1a2b3c4d)`. */
export function describeVersion(snapshot: StoredSnapshot): string {
  return `${snapshot.name} (version ${snapshot.id.slice(0, 8)})`
}

/** Every entry of a snapshot in the order of their paths, checked as `ManifestDecoder` does, some megabytes at a time. A single file is one entry. */
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

async function* readEntries(source: BlockSource, snapshot: StoredSnapshot): AsyncGenerator<Entry> {
  const what = describeVersion(snapshot)
  const decoder = new ManifestDecoder(what)
  let bytes = 0
  for await (const chunk of readSequence(source, Buffer.from(snapshot.manifest.chunks.join(''), 'hex'), `The manifest of ${what}`)) {
    bytes += chunk.length
    yield* decoder.push(chunk)
  }
  if (bytes !== snapshot.manifest.bytes)
    throw corrupt(`The manifest of ${what}`, `it has ${bytes} bytes instead of ${snapshot.manifest.bytes}`)
  yield* decoder.finish()
}

/** True when every chunk that the snapshot reaches is in a listed pack, and so are its bases: what makes a late snapshot count (rule 5). */
export async function isComplete(source: BlockSource, snapshot: StoredSnapshot): Promise<boolean> {
  const { index } = source
  if (snapshot.manifest.chunks.some(id => index.whole.best(Buffer.from(id, 'hex')) < 0)) return false
  for await (const entry of readManifest(source, snapshot)) {
    if (entry.type !== 'file') continue
    for (let i = 0; i < entry.chunks.length; i += 32) if (index.whole.best(entry.chunks, i) < 0) return false
  }
  return true
}
