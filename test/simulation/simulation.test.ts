import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
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

const one = process.env.SIMULATION_SEED
const from = Number(one ?? 1)
const seeds = one === undefined ? Number(process.env.SIMULATION_SEEDS ?? 40) : 1

let sources: Sources
beforeAll(async () => {
  sources = await new Sources().make()
  // what is loaded late is loaded now: files that are read then would change the order of events
  await runSeed(0, sources)
})
afterAll(() => sources.remove())

test(`seeds ${from} to ${from + seeds - 1}: every acknowledged version stays whole, and nothing is left over`, { timeout: 0 }, async () => {
  const total: Record<string, number> = {}
  for (let seed = from; seed < from + seeds; seed++) {
    const { counts } = await runSeed(seed, sources)
    for (const [key, count] of Object.entries(counts)) total[key] = (total[key] ?? 0) + (count as number)
  }
  if (process.env.SIMULATION_SEEDS !== undefined) console.log(JSON.stringify({ seeds, ...total }))
  console.log(JSON.stringify({ seeds, ...total }))
})
