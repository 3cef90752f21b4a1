// Stores a stream that is made up as it is read in a store that keeps nothing, to see that memory stays flat: `npm run bench:null-push [-- <GB, default 50>]`.
// Chunking, hashing, looking up, compressing, packing and indexing are the program's; no disk and no link takes part.
import { createHash, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { memory, resetPeak } from './process-memory.mjs'
import { partsOf } from './program-parts.mjs'
import { megabytes, seconds } from './report.mjs'
import { incompressible } from './seeded.mjs'

const REPORTS = 10
const PIECE_BYTES = 1024 * 1024
const STAMP_EVERY_BYTES = 4096
const INDEX_EVERY_BYTES = 64 * 1024 * 1024

const gigabytes = Number(process.argv[2] ?? 50)
if (!(gigabytes > 0)) throw new Error(`${process.argv[2]} is no number of GB`)

const { Chunker, CompressionPool, PackWriter, IndexWriter, IdTable, keepHeapSmall, workerUrl } = await partsOf({
  Chunker: 'src/chunking/chunker.ts',
  CompressionPool: 'src/compression/pool.ts',
  PackWriter: 'src/repository/write/pack-writer.ts',
  IndexWriter: 'src/repository/write/index-writer.ts',
  IdTable: 'src/repository/index/id-table.ts',
  keepHeapSmall: 'src/util/heap.ts',
})

/** Half text, half noise; a number in each 4 KiB makes every piece another one. */
function pieceMaker() {
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

const store = { objects: 0, bytes: 0 }
const storage = {
  put: async (_, bytes) => {
    store.objects++
    store.bytes += bytes.length
    return { created: Date.now() }
  },
}

keepHeapSmall()
const surroundings = { now: Date.now, monotonic: () => performance.now(), random: randomBytes }
const pool = new CompressionPool({ workers: availableParallelism(), workerUrl })
const indexes = new IndexWriter(storage, { activeIndexes: [], supersededIndexes: [] }, surroundings)
let indexed = 0
const indexing = []
const writer = new PackWriter({
  storage,
  pool,
  level: 'balanced',
  blockBytes: pool.maxBlockBytes('balanced'),
  surroundings,
  onPack: () => {
    const packs = writer.acknowledged.slice(indexed)
    if (packs.reduce((sum, { size }) => sum + size, 0) < INDEX_EVERY_BYTES) return
    indexing.push(indexes.write(packs))
    indexed = writer.acknowledged.length
  },
})
const chunker = new Chunker()
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
    await writer.add(id, chunk, 'general')
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
  `${(stored.size / 1e6).toFixed(2)} million chunks, ${store.objects} objects of ${megabytes(store.bytes, 0)} MB, ${seconds((performance.now() - started) / 1000)} s`,
)
