import { afterAll, beforeAll, describe, test, vi } from 'vitest'
import { messageOf } from '../../src/util/errors.ts'
import { predictChunks, seedRange, Sources } from './means.ts'
import { COURSES } from './weather/courses.ts'
import { runCourse, runWeather, type Weather, type WeatherCounts } from './weather/weather.ts'

vi.mock('../../src/kernels/load-fastcdc.ts', async original => (await import('./mocks.ts')).fewKernels(await original()))
vi.mock('../../src/util/memory/unused-memory.ts', async () => (await import('./mocks.ts')).plainMemory)

const { one, from, seeds } = seedRange(16)

let sources: Sources
let undo: () => void
beforeAll(async () => {
  sources = await new Sources().make()
  undo = predictChunks()
})
afterAll(() => {
  undo()
  sources.remove()
})

/** Goes on after what is broken, and says how often what is, and the first seed. */
async function survey(name: string, weather: Weather): Promise<void> {
  const found = new Map<string, { seed: number; times: number }>()
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      await runWeather(seed, sources, weather)
    } catch (error) {
      const what = messageOf(error)
        .split('\n')[0]!
        .replace(/^seed \d+: /, '')
        .replace(/[0-9a-f]{8,}[-\w]*/g, '*')
      const known = found.get(what) ?? { seed, times: 0 }
      found.set(what, { ...known, times: known.times + 1 })
    }
  }
  console.log([name, ...[...found].map(([what, { seed, times }]) => `${times} times, first seed ${seed}: ${what}`)].join('\n'))
}

const STRIKES = ['rot', 'cut', 'loss', 'twice', 'rename', 'trash'] as const
const CLIMATES = ['folder', 'drive'] as const
const KINDS: Record<string, Omit<Weather, 'climate'>> = {
  fine: {},
  ...Object.fromEntries(STRIKES.map(kind => [kind, { strikes: [kind] }])),
  copies: { copies: true },
  'copies and losses': { copies: true, strikes: ['loss'] },
  clocks: { clocks: true },
  lies: { lies: true },
  all: { strikes: STRIKES, copies: true, clocks: true, lies: true },
}
const WEATHERS = Object.entries(KINDS).flatMap(([kind, weather]) =>
  CLIMATES.flatMap(climate => {
    // a folder has no trash
    const strikes = weather.strikes?.filter(strike => strike !== 'trash' || climate === 'drive')
    return strikes?.length === 0 ? [] : [[`${climate}: ${kind}`, { ...weather, climate, strikes }] as const]
  }),
)

describe(`seeds ${from} to ${from + seeds - 1}: whatever happens to a store, no command makes it worse`, () => {
  test.each(WEATHERS)('%s', { timeout: 0 }, async (name, weather) => {
    const counts: WeatherCounts = {}
    if (process.env.MODEL_SURVEY !== undefined) return survey(name, weather)
    for (let seed = from; seed < from + seeds; seed++) await runWeather(seed, sources, weather, counts)
    if (process.env.MODEL_SEEDS !== undefined) console.log(JSON.stringify(counts))
  })
})

const WRITTEN = Object.entries(COURSES).flatMap(([name, { climates, run }]) =>
  climates.map(climate => [`${climate}: ${name}`, climate, run] as const),
)

describe.skipIf(one !== undefined)('what people have lost', () => {
  test.each(WRITTEN)('%s', (_, climate, course) => runCourse(climate, sources, course))
})
