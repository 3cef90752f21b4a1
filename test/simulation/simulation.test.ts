import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { SAFE_GRACE_PERIODS } from '../../src/repository/prune/grace-periods.ts'
import { runSeed, Violation, type RunCounts, type RunOptions } from './run.ts'
import { Sources } from './sources.ts'

/** What is broken in the program now, while something is. */
const broken = vi.hoisted(() => ({ what: undefined as string | undefined }))

vi.mock('../../src/kernels/load-fastcdc.ts', async original => {
  const real = await original<{ loadFastCdc: () => object }>()
  const kernels: object[] = []
  let used = 0
  // more than pushes can be under way at one time
  const loadFastCdc = (): object => (kernels[used % 32] ??= real.loadFastCdc()) && kernels[used++ % 32]!
  return { loadFastCdc }
})
vi.mock('../../src/util/memory/unused-memory.ts', () => ({
  freeUnusedBuffers: () => undefined,
  systemBuffer: (bytes: number) => new Uint8Array(bytes),
}))
vi.mock('../../src/storage/drive/upload.ts', async original => (await import('./mutants.ts')).upload(await original(), broken))
vi.mock('../../src/storage/drive/id-pool.ts', async original => (await import('./mutants.ts')).ids(await original(), broken))
vi.mock('../../src/storage/drive/confirm.ts', async original => (await import('./mutants.ts')).confirm(await original(), broken))
vi.mock('../../src/repository/format/snapshot.ts', async original => (await import('./mutants.ts')).snapshot(await original(), broken))

const one = process.env.SIMULATION_SEED
const from = Number(one ?? process.env.SIMULATION_FROM ?? 1)
const seeds = one === undefined ? Number(process.env.SIMULATION_SEEDS ?? 18) : 1
const isReplay = one !== undefined || process.env.SIMULATION_SEEDS !== undefined

let sources: Sources
beforeAll(async () => {
  sources = await new Sources().make()
  // what is loaded late is loaded now: files that are read then would change the order of events
  await runSeed(0, sources)
})
afterAll(() => sources.remove())

test(`seeds ${from} to ${from + seeds - 1}: every acknowledged version stays whole, and nothing is left over`, { timeout: 0 }, async () => {
  const total: RunCounts = { requests: 0, faults: 0, pushed: 0, pruned: 0, pulled: 0, deaths: 0, deletedPacks: 0 }
  for (let seed = from; seed < from + seeds; seed++) {
    const { counts } = await runSeed(seed, sources)
    for (const key of Object.keys(total) as (keyof RunCounts)[]) total[key] += counts[key]
  }
  if (isReplay) console.log(JSON.stringify({ seeds, ...total }))
  else for (const count of Object.values(total)) expect(count).toBeGreaterThan(1)
})

test('the same seed gives the same requests and answers at the same times', { timeout: 0 }, async () => {
  for (const seed of isReplay ? [from] : [3, 12]) {
    const [first, second] = [await runSeed(seed, sources), await runSeed(seed, sources)]
    expect(second.trace).toEqual(first.trace)
    expect(first.trace.length).toBeGreaterThan(100)
  }
})

/** `seed` is known to show it. Other courses of events may need another one, which is then named to be put here. */
const MUTANTS: Record<string, RunOptions & { seed: number; shows: RegExp }> = {
  'a 409 on an own id is an error': { seed: 5, shows: /already exists/ },
  'each attempt of an upload has an id of its own': { seed: 5, shows: /is on Drive twice/ },
  'what a listing does not show is gone': { seed: 1, shows: /deleted in the meantime/ },
  'bytes that arrive are not compared with those sent': { seed: 17, shows: /is damaged|has other bytes|is gone/ },
  'a late push does not look again': { seed: 397, shows: /(pack|index)-\w+,? (was|were) deleted in the meantime/ },
  'a prune waits for nobody': {
    waits: { ...SAFE_GRACE_PERIODS, graceMs: 0, lagMs: 0 },
    seed: 882,
    shows: /index-\w+ was deleted in the meantime/,
  },
}
const MOST_SEEDS = 400

describe.skipIf(isReplay)('the simulation shows it if', () => {
  test.each(Object.entries(MUTANTS))('%s', { timeout: 0 }, async (what, { seed: known, shows, ...options }) => {
    broken.what = what
    try {
      for (const seed of [known, ...Array.from({ length: MOST_SEEDS }, (_, i) => i + 1)]) {
        const end = await runSeed(seed, sources, options).catch((error: unknown) => error)
        // a mutant can show itself in more than one way: this is the one that tells what it is
        if (!(end instanceof Violation) || !shows.test(end.message)) continue
        if (seed !== known) console.warn(`${what}: seed ${seed} shows it, seed ${known} does not any more`)
        return
      }
      expect.unreachable(`${MOST_SEEDS} seeds do not show it`)
    } finally {
      broken.what = undefined
    }
  })
})
