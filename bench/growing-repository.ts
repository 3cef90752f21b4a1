// Pushes one small change after the other, to see that a push costs the same whatever lies there already: `npm run bench:growing [-- <versions, default 3333>]`.
// Each version adds a pack, an index and a snapshot, so 3,333 of them are 10,000 objects. The store is in memory: what is measured is the program's own.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { partsOf } from './program-parts.mjs'
import { table } from './report.mjs'
import { incompressible } from './seeded.mjs'

const FILES = 100
const SHOWN = [10, 100, 300, 1000, 3333]
/** Pushes whose median counts for one row. */
const WINDOW = 10

const versions = Number(process.argv[2] ?? SHOWN.at(-1))
if (!Number.isInteger(versions) || versions < WINDOW) throw new Error(`${process.argv[2]} is no number of versions, ${WINDOW} at least`)

const { push, walk, StatCache, MemoryStorage, CountingStorage, CompressionPool, realSurroundings, silentReporter } = await partsOf({
  push: 'src/repository/push/push.ts',
  walk: 'src/local/walk.ts',
  StatCache: 'src/repository/source/stat-cache.ts',
  MemoryStorage: 'test/helpers/storage/memory.ts',
  CountingStorage: 'src/storage/counting.ts',
  CompressionPool: 'src/compression/pool.ts',
  realSurroundings: 'src/util/clock.ts',
  silentReporter: 'src/util/reporter.ts',
})

const median = values => [...values].sort((a, b) => a - b)[values.length >> 1]

async function simulate(folder) {
  const source = join(folder, 'source')
  mkdirSync(source)
  const noise = incompressible('growing repository')
  for (let i = 0; i < FILES; i++) writeFileSync(join(source, `${i}.bin`), noise(10_000))
  const storage = new CountingStorage(new MemoryStorage())
  const pool = new CompressionPool({ workers: 0 })
  const context = { storage, pool, surroundings: realSurroundings, reporter: silentReporter }
  const last = []
  const rows = []
  for (let version = 1; version <= versions; version++) {
    appendFileSync(join(source, `${version % FILES}.bin`), noise(2_000))
    const cache = new StatCache(join(folder, 'cache.jsonl'))
    await cache.load(silentReporter)
    const before = storage.total
    const from = performance.now()
    const result = await push(context, {
      name: 'growing',
      source: await walk(source, { excludes: [], skip: [], reporter: silentReporter }),
      level: 'balanced',
      blockBytes: pool.maxBlockBytes('balanced'),
      cache,
      tags: [],
      dryRun: false,
      host: 'bench',
      program: 'bench',
    })
    if (result.outcome !== 'stored') throw new Error(`version ${version}: ${result.outcome}`)
    last.push({ calls: storage.total - before, milliseconds: performance.now() - from, bytes: result.storedBytes })
    if (last.length > WINDOW) last.shift()
    if (!SHOWN.includes(version) && version !== versions) continue
    const { objects } = await storage.list()
    rows.push(
      [version, objects.length, median(last.map(each => each.calls)), Math.round(median(last.map(each => each.milliseconds)))].map(String),
    )
  }
  await pool.close()
  return table(['versions', 'objects in the store', 'calls of a push', 'ms'], rows)
}

const folder = mkdtempSync(join(tmpdir(), 'colab-escape-growing-'))
try {
  process.stdout.write(await simulate(folder))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
