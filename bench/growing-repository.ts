// Pushes one small change after the other, to see that the cost of a push does not grow with the repository:
// `npm run bench:growing [-- <versions, default 3333>]`. Each version adds a pack, an index and a snapshot, so 3,333 of
// them are 10,000 objects. The store is in memory, so that only the program is measured.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompressionPool } from '../src/compression/pool.ts'
import { walk } from '../src/local/walk.ts'
import { push } from '../src/repository/push/push.ts'
import { StatCache } from '../src/repository/source/stat-cache.ts'
import { CountingStorage } from '../src/storage/counting.ts'
import { realSurroundings } from '../src/util/clock.ts'
import { silentReporter } from '../src/util/reporter.ts'
import { MemoryStorage } from '../test/helpers/storage/memory.ts'
import { table } from './report.ts'
import { incompressible } from './seeded.ts'

const FILES = 100
const SHOWN = [10, 100, 300, 1000, 3333]
/** Pushes whose median counts for one row. */
const WINDOW = 10

const versions = Number(process.argv[2] ?? SHOWN.at(-1))
if (!Number.isInteger(versions) || versions < WINDOW)
  throw new Error(`${String(process.argv[2])} is no number of versions, ${WINDOW} at least`)

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function simulate(folder: string): Promise<string> {
  const source = join(folder, 'source')
  mkdirSync(source)
  const noise = incompressible('growing repository')
  for (let i = 0; i < FILES; i++) writeFileSync(join(source, `${i}.bin`), noise(10_000))
  const storage = new CountingStorage(new MemoryStorage())
  const pool = new CompressionPool({ workers: 0 })
  const context = { storage, pool, surroundings: realSurroundings, reporter: silentReporter }
  const last: { calls: number; milliseconds: number }[] = []
  const rows: string[][] = []
  for (let version = 1; version <= versions; version++) {
    appendFileSync(join(source, `${version % FILES}.bin`), noise(2_000))
    const cache = new StatCache(join(folder, 'cache.jsonl'))
    await cache.load(silentReporter)
    const before = storage.total
    const from = performance.now()
    const result = await push(context, {
      name: 'growing',
      source: await walk(source, { excludes: [], skip: undefined, reporter: silentReporter }),
      level: 'balanced',
      cache,
      tags: [],
      dryRun: false,
      host: 'bench',
      program: 'bench',
    })
    if (result.outcome !== 'stored') throw new Error(`version ${version}: ${result.outcome}`)
    last.push({ calls: storage.total - before, milliseconds: performance.now() - from })
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
