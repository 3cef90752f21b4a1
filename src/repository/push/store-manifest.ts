import type { Chunker } from '../../chunking/chunker.ts'
import { toHex } from '../../util/hash.ts'
import { encodeRows, type Entry } from '../format/manifest.ts'
import type { Snapshot } from '../format/snapshot.ts'
import type { ChunkWriter } from './chunk-writer.ts'

const ROWS_BYTES = 256 * 1024

/** Stores a manifest. Its rows are cut like a file, so the manifest of the next version costs only what changed. */
export async function storeManifest(entries: readonly Entry[], chunker: Chunker, chunks: ChunkWriter): Promise<Snapshot['manifest']> {
  const ids: string[] = []
  let total = 0
  for (const bytes of cutRows(entries, chunker)) {
    const id = chunker.idOf(bytes)
    ids.push(toHex(id))
    total += bytes.length
    // half of a manifest is ids, which columns do not shrink: the table filter is not worth its memory
    if (!chunks.has(id)) await chunks.add(id, bytes, { kind: 'general' })
  }
  return { bytes: total, chunks: ids }
}

/** Cuts the rows of `entries` into chunks. A chunk is valid until the next one is asked for. */
function* cutRows(entries: readonly Entry[], chunker: Chunker): Generator<Uint8Array> {
  chunker.reset()
  for (const rows of groupRows(entries)) {
    for (let at = 0; at < rows.length;) {
      const buffer = chunker.buffer()
      const count = Math.min(buffer.length, rows.length - at)
      buffer.set(rows.subarray(at, at + count))
      at += count
      yield* chunker.filled(count, false)
    }
  }
  yield* chunker.filled(0, true)
}

function* groupRows(entries: readonly Entry[]): Generator<Buffer> {
  let text = ''
  for (const entry of entries) {
    for (const row of encodeRows(entry)) {
      text += row
      if (text.length < ROWS_BYTES) continue
      yield Buffer.from(text, 'utf8')
      text = ''
    }
  }
  yield Buffer.from(text, 'utf8')
}
