// Opens the index of a large repository that does not exist: `npm run bench:index [-- <million chunks>]`. 16 million chunks, the default, are about 1 TB.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { memory, resetPeak } from './process-memory.mjs'
import { partsOf } from './program-parts.mjs'
import { megabytes, seconds } from './report.mjs'
import { makePack } from './simulated-repository.mjs'

const LOOKUPS = 1_000_000

/** A store whose packs are names only. */
class SimulatedStore {
  location = 'a simulation'
  bytesRead = 0
  bytesWritten = 0

  constructor(folder) {
    this.folder = folder
  }
  async list() {
    return { objects: JSON.parse(readFileSync(join(this.folder, 'listing.json'), 'utf8')), asOf: Date.now() }
  }
  async get(name) {
    const bytes = readFileSync(join(this.folder, name))
    this.bytesRead += bytes.length
    return bytes
  }
  async put(name, bytes) {
    this.bytesWritten += bytes.length
    return { created: Date.now() }
  }
}

async function timed(what) {
  const from = performance.now()
  const result = await what()
  return [result, (performance.now() - from) / 1000]
}

async function simulate(folder) {
  const { openView, IndexWriter } = await partsOf({
    openView: 'src/repository/open/view.ts',
    IndexWriter: 'src/repository/write/index-writer.ts',
  })
  const known = readFileSync(join(folder, 'known-chunks'))
  const store = new SimulatedStore(folder)
  const before = memory().resident
  resetPeak()
  const [view, opened] = await timed(() => openView(store))
  const { index } = view
  const { peak } = memory()
  // what has to be collected is, where the script runs with --expose-gc
  globalThis.gc?.()
  // buffers are freed by another thread
  await sleep(500)
  const { resident } = memory()
  const [, hits] = await timed(() => {
    for (let i = 0, at = 0; i < LOOKUPS; i++, at = (at + 32) % known.length)
      if (index.findPresent(known, at) < 0) throw new Error('a chunk is lost')
  })
  const strangers = randomBytes(LOOKUPS * 32)
  const [, misses] = await timed(() => {
    for (let i = 0; i < LOOKUPS; i++) if (index.findPresent(strangers, i * 32) >= 0) throw new Error('a chunk is there that nobody stored')
  })
  const writer = new IndexWriter(store, view, { random: randomBytes })
  const [, merged] = await timed(() => writer.write([makePack().pack]))
  const perChunk = bytes => (bytes / index.size).toFixed(0)
  const microseconds = time => ((time / LOOKUPS) * 1e6).toFixed(2)
  return [
    `${(index.size / 1e6).toFixed(1)} million chunks in ${index.packs.length.toLocaleString('en')} packs; ${view.activeIndexes.length} indexes, ${megabytes(store.bytesRead, 0)} MB`,
    `open: ${seconds(opened)} s; memory ${megabytes(peak, 0)} MB at the peak, ${perChunk(peak - before)} bytes a chunk; then ${perChunk(resident - before)}`,
    `look up: ${microseconds(hits)} µs for a chunk that is there, ${microseconds(misses)} µs for one that is not`,
    `write the index of one more pack: ${seconds(merged)} s, ${megabytes(store.bytesWritten, 2)} MB`,
  ]
}

const millions = Number(process.argv[2] ?? 16)
if (!(millions > 0)) throw new Error(`${process.argv[2]} is no number of million chunks`)
const folder = mkdtempSync(join(tmpdir(), 'colab-escape-index-'))
try {
  const maker = fileURLToPath(new URL('simulated-repository.mjs', import.meta.url))
  const { status } = spawnSync(process.execPath, [maker, folder, String(millions * 1e6)], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the repository could not be made up')
  for (const line of await simulate(folder)) console.log(line)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
