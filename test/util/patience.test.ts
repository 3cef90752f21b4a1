import { expect, test } from 'vitest'
import { AppError, type ErrorDetails } from '../../src/util/errors.ts'
import { Patience, type Outage, type PatienceOptions } from '../../src/util/patience.ts'
import { codeOf, rejection } from '../helpers/failures.ts'
import { VirtualClock } from '../helpers/storage/virtual-clock.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

function setUp(options: Partial<PatienceOptions> = {}) {
  const clock = new VirtualClock()
  const began = clock.now()
  const passed = (): number => clock.now() - began
  const outages: Outage[] = []
  const waits: number[] = []
  const patience = new Patience({
    sleep: clock.sleep,
    now: clock.now,
    random: () => 0.5,
    onOutage: outage => outages.push(outage),
    onRetry: (_, ms) => waits.push(ms),
    ...options,
  })
  const during = (ms: number, details: ErrorDetails = {}, code: 'throttled' | 'unavailable' = 'throttled') =>
    patience.persist(undefined, async () => {
      if (passed() < ms) throw new AppError(code, 'Too fast', details)
      return passed()
    })
  return { patience, clock, passed, outages, waits, during }
}

test('a storm of five minutes passes', async () => {
  const { during } = setUp()
  expect(await during(5 * MINUTE)).toBeLessThan(5.5 * MINUTE)
})

test('a storm in between takes nothing from the patience with failures that hardly pass', async () => {
  const { patience, passed } = setUp()
  let calls = 0
  await patience.persist(undefined, async () => {
    if (calls++ === 0) throw new AppError('unavailable', 'Damaged')
    if (passed() < MINUTE) throw new AppError('throttled', 'Too fast')
    if (passed() < MINUTE + 20 * SECOND) throw new AppError('unavailable', 'Damaged')
  })
  expect(passed()).toBeGreaterThan(MINUTE)
})

test('failures that hardly pass, with others in between, are not repeated for longer than others', async () => {
  const { patience, passed } = setUp()
  let calls = 0
  const error = await rejection(
    patience.persist(undefined, async () => {
      throw calls++ % 2 === 0 ? new AppError('unavailable', 'Damaged') : new AppError('throttled', 'Too fast')
    }),
  )
  expect(error.message).toContain('It was tried for 10 min.')
  expect(passed()).toBeLessThan(11 * MINUTE)
})

test('a storm of eleven minutes ends after ten, with what was said, for how long it was tried, and what to do', async () => {
  const { during, passed } = setUp()
  const error = await rejection(during(11 * MINUTE))
  expect(passed()).toBe(10 * MINUTE)
  expect(error.code).toBe('throttled')
  expect(error.message).toBe('Too fast. It was tried for 10 min.')
  expect(error.hint).toBe('Run the same command again later: it continues where it stopped.')
})

test('a hint that says more is kept', async () => {
  const { during } = setUp()
  const error = await rejection(during(11 * MINUTE, { hint: 'Is there a proxy in between?' }))
  expect(error.hint).toBe('Is there a proxy in between?')
})

test('waits grow with full jitter up to the longest, and nobody waits longer than the patience lasts', async () => {
  const rolls = [0, 0.999, 0.25]
  const { during, waits } = setUp({ random: () => rolls.shift() ?? 0.5 })
  await rejection(during(11 * MINUTE))
  expect(waits.slice(0, 8)).toEqual([0, 999, 500, 2000, 4000, 8000, 16_000, 16_000])
  expect(waits.reduce((sum, wait) => sum + wait, 0)).toBe(10 * MINUTE)
})

test('a success begins a new patience', async () => {
  const { patience, passed } = setUp()
  let until = 9 * MINUTE
  const call = async (): Promise<void> => {
    if (passed() < until) throw new AppError('throttled', 'Too fast')
  }
  await patience.persist(undefined, call)
  until = 18 * MINUTE
  await patience.persist(undefined, call)
  expect(passed()).toBeGreaterThan(18 * MINUTE)
})

test('a call that begins late in an outage does not prolong it', async () => {
  const { during, passed, clock } = setUp()
  const first = rejection(during(60 * MINUTE))
  await clock.sleep(9 * MINUTE)
  await rejection(during(60 * MINUTE))
  await first
  expect(passed()).toBe(10 * MINUTE)
  await rejection(during(60 * MINUTE))
  expect(passed()).toBe(10 * MINUTE)
})

test('a call that always fails ends, though others succeed', async () => {
  const { patience, during, passed, clock } = setUp()
  let ended = false
  const failing = rejection(during(60 * MINUTE)).then(() => (ended = true))
  while (!ended) {
    await clock.sleep(SECOND)
    await patience.persist(undefined, async () => undefined)
  }
  await failing
  expect(passed()).toBeLessThan(10 * MINUTE + 2 * SECOND)
})

test('without any connection a first call ends after half a minute, a later one has all the patience', async () => {
  const { during, patience, passed } = setUp()
  const details = { repeat: 'if-answered' } as const
  expect((await rejection(during(11 * MINUTE, details, 'unavailable'))).message).toBe('Too fast. It was tried for 30 s.')
  expect(passed()).toBe(30 * SECOND)
  await patience.persist(undefined, async () => undefined)
  await during(6 * MINUTE, details, 'unavailable')
})

test('a refusal is an answer: what comes after it has all the patience', async () => {
  const { patience, passed } = setUp()
  let calls = 0
  await patience.persist(undefined, async () => {
    if (calls++ === 0) throw new AppError('throttled', 'Too fast')
    if (passed() < 6 * MINUTE) throw new AppError('unavailable', 'No connection', { repeat: 'if-answered' })
  })
})

test('what hardly passes is repeated for half a minute, counted by itself', async () => {
  const { patience, passed } = setUp()
  const error = await rejection(
    patience.persist(undefined, async () => {
      throw passed() < 3 * MINUTE ? new AppError('throttled', 'Too fast') : new AppError('unavailable', 'A page of a hotel.')
    }),
  )
  expect(error.message).toBe('A page of a hotel. It was tried for 30 s.')
  expect(passed()).toBeLessThan(4 * MINUTE)
})

test('a storm between two failures that hardly pass is no time in which they were repeated', async () => {
  const { patience, passed } = setUp()
  const page = (): AppError => new AppError('unavailable', 'A page of a hotel.')
  let pages = 0
  await patience.persist(undefined, async () => {
    if (pages === 0 || (pages === 1 && passed() >= 2 * MINUTE)) throw (pages++, page())
    if (passed() < 2 * MINUTE) throw new AppError('throttled', 'Too fast')
  })
  expect(pages).toBe(2)
})

test('failures that take turns are repeated as long as the more patient of them, and one wait', async () => {
  const { patience, passed } = setUp()
  let calls = 0
  await rejection(
    patience.persist(undefined, async () => {
      throw calls++ % 2 === 0 ? new AppError('throttled', 'Too fast') : new AppError('unavailable', 'A page of a hotel.')
    }),
  )
  expect(passed()).toBeLessThan(11 * MINUTE)
})

test('waits at least as long as it is asked to', async () => {
  const { during, waits } = setUp()
  await during(7 * SECOND, { retryAfterMs: 7 * SECOND })
  expect(waits).toEqual([7250])
})

test('a wait that is too long is not begun: the error says how long it would be, and until when', async () => {
  const { during, passed } = setUp()
  const error = await rejection(during(90 * MINUTE, { retryAfterMs: 60 * MINUTE, hint: 'Wait some minutes.' }))
  expect(passed()).toBe(0)
  expect(error.message).toBe('Too fast.')
  expect(error.hint).toMatch(/^Drive asks to wait 1 h, until \d\d:\d\d: run the same command again then/)
  expect(error.retryAfterMs).toBe(60 * MINUTE)
})

test('what was given up is not repeated by whoever called', async () => {
  const { patience, during, passed } = setUp()
  const error = await rejection(patience.persist(undefined, () => during(11 * MINUTE)))
  expect(error.message).toBe('Too fast. It was tried for 10 min.')
  expect(passed()).toBe(10 * MINUTE)
})

test('progress begins a new patience, for a call that keeps what it has reached', async () => {
  const { patience, passed } = setUp()
  const tries = patience.tries()
  for (const until of [9 * MINUTE, 18 * MINUTE]) {
    while (passed() < until) await tries.failed(new AppError('throttled', 'Too fast'), undefined)
    tries.succeeded()
  }
})

test('a longest time holds for everything', async () => {
  const { during, passed } = setUp({ longestMs: 10 * SECOND })
  await rejection(during(MINUTE))
  expect(passed()).toBe(10 * SECOND)
})

test('an abort ends a wait at once', async () => {
  const { patience, clock, passed } = setUp()
  const abort = new AbortController()
  const waiting = codeOf(
    patience.persist(abort.signal, async () => {
      throw new AppError('throttled', 'Too fast', { retryAfterMs: 5 * MINUTE })
    }),
  )
  void clock.sleep(SECOND).then(() => abort.abort())
  expect(await waiting).toBe('interrupted')
  expect(passed()).toBe(SECOND)
})

test('haste ends a wait at once, and those that follow are short', async () => {
  const { patience, during, clock, waits } = setUp()
  const waiting = during(3 * MINUTE)
  await clock.sleep(2 * MINUTE)
  const before = waits.length
  patience.hurry()
  await waiting
  expect(waits.slice(before).every(wait => wait <= 2 * SECOND)).toBe(true)
})

test('when an outage is over, no call waits any longer', async () => {
  const { during, patience, clock, passed } = setUp()
  const ends: number[] = []
  const calls = Array.from({ length: 5 }, () => during(MINUTE).then(() => ends.push(passed())))
  await clock.sleep(MINUTE + SECOND)
  await patience.persist(undefined, async () => undefined)
  await Promise.all(calls)
  expect(ends).toEqual(Array(5).fill(MINUTE + SECOND))
})

test('an outage is told from five seconds on, with the next try of all calls, until it is over', async () => {
  const { during, outages, passed } = setUp()
  await during(3 * SECOND)
  expect(outages).toEqual([])
  await Promise.all([during(MINUTE), during(MINUTE)])
  const [first] = outages
  expect(first).toMatchObject({ kind: 'waiting', error: { message: 'Too fast' } })
  expect(outages.filter(({ kind }) => kind === 'over')).toHaveLength(1)
  const last = outages.at(-1)!
  expect(last.kind === 'over' && last.afterMs).toBeLessThan(passed())
  for (const outage of outages) if (outage.kind === 'waiting') expect(outage.nextTryMs).toBeLessThanOrEqual(16 * SECOND)
})

test('that it is given up is told too', async () => {
  const { during, outages } = setUp()
  await rejection(during(11 * MINUTE))
  expect(outages.at(-1)).toEqual({ kind: 'given-up' })
})
