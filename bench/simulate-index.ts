// Opens the index of a large repository that does not exist: `npm run bench:index [-- <million chunks>]`. The default
// of 16 million chunks is about 1 TB.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openView } from '../src/repository/open/view.ts'
import { IndexWriter } from '../src/repository/write/index-writer.ts'
import type { Listing, StoredObject } from '../src/storage/storage.ts'
import { realSurroundings } from '../src/util/clock.ts'
import { MemoryStorage } from '../test/helpers/storage/memory.ts'
import { memory, resetPeak } from './process-memory.ts'
import { megabytes, seconds } from './report.ts'
import { makePack } from './simulated-repository.ts'

const LOOKUPS = 1_000_000

/** A store in which packs are only names. */
class SimulatedStore extends MemoryStorage {
  private readonly folder: string
  bytesRead = 0
  bytesWritten = 0

  constructor(folder: string) {
    super({ location: 'a simulation' })
    this.folder = folder
  }

  override async list(): Promise<Listing> {
    const objects = JSON.parse(readFileSync(join(this.folder, 'listing.json'), 'utf8')) as StoredObject[]
    return { objects, asOf: Date.now() }
  }

  override async get(name: string): Promise<Uint8Array> {
    const bytes = readFileSync(join(this.folder, name))
    this.bytesRead += bytes.length
    return bytes
  }

  override async put(_name: string, bytes: Uint8Array): Promise<{ created: number }> {
    this.bytesWritten += bytes.length
    return { created: Date.now() }
  }
}

/** The result of `work` and the seconds it took. */
async function timed<T>(work: () => T | Promise<T>): Promise<[T, number]> {
  const from = performance.now()
  const result = await work()
  return [result, (performance.now() - from) / 1000]
}

async function simulate(folder: string): Promise<string[]> {
  const known = readFileSync(join(folder, 'known-chunks'))
  const store = new SimulatedStore(folder)
  const before = memory().resident
  resetPeak()
  const [view, opened] = await timed(() => openView(store))
  const { index } = view
  const { peak } = memory()
  // present with --expose-gc
  globalThis.gc?.()
  // buffers are freed by another thread
  await sleep(500)
  const { resident } = memory()
  const [, hits] = await timed(() => {
    for (let i = 0, at = 0; i < LOOKUPS; i++, at = (at + 32) % known.length)
      if (index.present.find(known, at) < 0) throw new Error('a chunk is lost')
  })
  const strangers = randomBytes(LOOKUPS * 32)
  const [, misses] = await timed(() => {
    for (let i = 0; i < LOOKUPS; i++) if (index.present.find(strangers, i * 32) >= 0) throw new Error('a chunk is there that nobody stored')
  })
  const writer = new IndexWriter(store, view, realSurroundings)
  const [, merged] = await timed(() => writer.write([makePack().pack]))
  const perChunk = (bytes: number): string => (bytes / index.size).toFixed(0)
  const microseconds = (time: number): string => ((time / LOOKUPS) * 1e6).toFixed(2)
  return [
    `${(index.size / 1e6).toFixed(1)} million chunks in ${index.packs.length.toLocaleString('en')} packs; ${view.activeIndexes.length} indexes, ${megabytes(store.bytesRead, 0)} MB`,
    `open: ${seconds(opened)} s; memory ${megabytes(peak, 0)} MB at the peak, ${perChunk(peak - before)} bytes a chunk; then ${perChunk(resident - before)}`,
    `look up: ${microseconds(hits)} µs for a chunk that is there, ${microseconds(misses)} µs for one that is not`,
    `write the index of one more pack: ${seconds(merged)} s, ${megabytes(store.bytesWritten, 2)} MB`,
  ]
}

const millions = Number(process.argv[2] ?? 16)
if (!(millions > 0)) throw new Error(`${String(process.argv[2])} is no number of million chunks`)
const folder = mkdtempSync(join(tmpdir(), 'colab-escape-index-'))
try {
  const run = fileURLToPath(new URL('../scripts/run.mjs', import.meta.url))
  const maker = fileURLToPath(new URL('simulated-repository.ts', import.meta.url))
  const { status } = spawnSync(process.execPath, [run, maker, folder, String(millions * 1e6)], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the repository could not be made up')
  for (const line of await simulate(folder)) console.log(line)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
