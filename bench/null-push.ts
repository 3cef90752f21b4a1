// Stores a stream that is made while it is read in a store that keeps nothing, to see that memory stays flat:
// `npm run bench:null-push [-- <GB, default 50>]`. Chunking, hashing, lookups, compression, packs and indexes are the
// program's; no disk and no network takes part.
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { Chunker } from '../src/chunking/chunker.ts'
import { CompressionPool } from '../src/compression/pool.ts'
import { IdTable } from '../src/repository/index/id-table.ts'
import { IndexWriter } from '../src/repository/write/index-writer.ts'
import { PackWriter } from '../src/repository/write/pack-writer.ts'
import { PLAIN_CHUNKS } from '../src/util/chunk-keys.ts'
import { realSurroundings } from '../src/util/clock.ts'
import { keepHeapSmall } from '../src/util/memory/heap.ts'
import { MemoryStorage } from '../test/helpers/storage/memory.ts'
import { memory, resetPeak } from './process-memory.ts'
import { megabytes, seconds } from './report.ts'
import { incompressible } from './seeded.ts'

const REPORTS = 10
const PIECE_BYTES = 1024 * 1024
const STAMP_EVERY_BYTES = 4096
const INDEX_EVERY_BYTES = 64 * 1024 * 1024

const gigabytes = Number(process.argv[2] ?? 50)
if (!(gigabytes > 0)) throw new Error(`${String(process.argv[2])} is no number of GB`)

/** Fills buffers with pieces of half text and half noise. A number in each 4 KiB makes every piece different. */
function pieceMaker(): (target: Uint8Array) => number {
  const noise = incompressible('null push')(PIECE_BYTES / 2)
  const text = Buffer.from('one row, another row; and so on, '.repeat(PIECE_BYTES / 64)).subarray(0, PIECE_BYTES / 2)
  const piece = Buffer.concat([noise, text])
  let stamp = 0
  return target => {
    for (let at = 0; at < piece.length; at += STAMP_EVERY_BYTES) piece.writeDoubleLE(stamp++ * 0.7310585786, at)
    target.set(piece)
    return piece.length
  }
}

/** Counts objects and their bytes, and keeps none. */
class NullStorage extends MemoryStorage {
  count = 0
  bytes = 0

  override async put(_name: string, bytes: Uint8Array): Promise<{ created: number }> {
    this.count++
    this.bytes += bytes.length
    return { created: Date.now() }
  }
}

keepHeapSmall()
const surroundings = realSurroundings
const storage = new NullStorage()
const pool = new CompressionPool({ workers: availableParallelism(), workerUrl: new URL('../dist/worker.js', import.meta.url) })
const indexes = new IndexWriter(storage, { activeIndexes: [], supersededIndexes: [] }, surroundings)
let indexed = 0
const indexing: Promise<unknown>[] = []
const writer: PackWriter = new PackWriter({
  storage,
  pool,
  level: 'balanced',
  surroundings,
  onPack: () => {
    const packs = writer.acknowledged.slice(indexed)
    if (packs.reduce((sum, { size }) => sum + size, 0) < INDEX_EVERY_BYTES) return
    indexing.push(indexes.write(packs))
    indexed = writer.acknowledged.length
  },
})
const chunker = new Chunker(PLAIN_CHUNKS)
const stored = new IdTable()
const fill = pieceMaker()
const total = Math.round((gigabytes * 1e9) / PIECE_BYTES)
const started = performance.now()
resetPeak()
let shownAt = started
for (let piece = 1; piece <= total; piece++) {
  for (const chunk of chunker.filled(fill(chunker.buffer()), piece === total)) {
    const id = createHash('sha256').update(chunk).digest()
    if (stored.has(id)) continue
    stored.add(id)
    await writer.add(id, chunk, { kind: 'general' })
  }
  if (piece % Math.ceil(total / REPORTS) !== 0 && piece !== total) continue
  const now = performance.now()
  const { resident, peak } = memory()
  const rate = (PIECE_BYTES * Math.ceil(total / REPORTS)) / 1e3 / (now - shownAt)
  console.log(
    `${((piece * PIECE_BYTES) / 1e9).toFixed(1)} GB: ${megabytes(resident, 0)} MB in memory, ${megabytes(peak, 0)} at the peak since the line before; ${rate.toFixed(0)} MB/s`,
  )
  shownAt = now
  resetPeak()
}
await writer.flush()
await writer.acknowledge()
await Promise.all([...indexing, indexes.write(writer.acknowledged.slice(indexed))])
await pool.close()
console.log(
  `${(stored.size / 1e6).toFixed(2)} million chunks, ${storage.count} objects of ${megabytes(storage.bytes, 0)} MB, ${seconds((performance.now() - started) / 1000)} s`,
)
