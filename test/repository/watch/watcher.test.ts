import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { PushResult } from '../../../src/repository/push/push.ts'
import { Scanner, type Scan } from '../../../src/repository/watch/scanner.ts'
import { Watcher, type WatchEvent } from '../../../src/repository/watch/watcher.ts'
import { AppError, isAppError, throwIfAborted } from '../../../src/util/errors.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { withFolder } from '../../helpers/folders.ts'

const HOUR = 3_600_000
const STORED = { outcome: 'stored' } as PushResult

/** A watch over a source in which something is always new, with time that passes only when it sleeps or pushes. */
function watchOf(
  push: (now: number) => Promise<PushResult>,
  stopAt: number,
  lookMs: (now: number) => number = () => 0,
  changing: (now: number) => string[] = () => [],
) {
  const clock = { now: 0 }
  const stop = new AbortController()
  const abort = new AbortController()
  const events: WatchEvent[] = []
  const pushes: number[] = []
  const looks: number[] = []
  let under = 0
  const scan = (): Scan => {
    const held = changing(clock.now)
    return {
      fresh: held.includes('a') ? [] : [{ path: 'a' }],
      grown: [],
      held: new Map(held.map(path => [path, { kind: 'changing', why: 'it was written to a moment ago' }])),
    } as unknown as Scan
  }
  const pass = (ms: number): void => {
    clock.now += ms
    if (clock.now >= stopAt) stop.abort()
    if (clock.now >= stopAt + 20_000) abort.abort()
  }
  const watcher = new Watcher({
    scanner: {
      scan: async () => (pass(lookMs(clock.now)), looks.push(clock.now), throwIfAborted(abort.signal), scan()),
      markSaved: () => undefined,
      markUnreadable: () => undefined,
    } as unknown as Scanner,
    push: async () => {
      expect(++under).toBe(1)
      pushes.push(clock.now)
      try {
        return await push(clock.now)
      } finally {
        under--
      }
    },
    everyMs: 30_000,
    settleMs: 5_000,
    graceMs: 20_000,
    stop: stop.signal,
    abort,
    monotonic: () => clock.now,
    random: () => 0.5,
    sleep: async (ms, signal) => {
      if (signal?.aborted) throw new AppError('interrupted', 'aborted')
      // the signal ends a pause
      pass(stop.signal.aborted ? ms : Math.min(ms, Math.max(0, stopAt - clock.now)))
    },
    onEvent: event => events.push(event),
  })
  return { watcher, events, pushes, looks, clock }
}

const kinds = (events: readonly WatchEvent[]): string[] => events.map(({ kind }) => kind).filter(kind => kind !== 'looked')

test('a network that is away for nine hours is told once, asked for now and then, and what waited is saved', async () => {
  const gone = (now: number): boolean => now > HOUR && now < 10 * HOUR
  const push = (now: number): Promise<PushResult> =>
    gone(now) ? Promise.reject(new AppError('unavailable', 'Drive is away.')) : Promise.resolve(STORED)
  const { watcher, events, pushes } = watchOf(push, 12 * HOUR)
  await watcher.run()
  const after = kinds(events)
  expect(after.filter(kind => kind === 'trouble')).toHaveLength(1)
  expect(after.filter(kind => kind === 'recovered')).toHaveLength(1)
  expect(after.lastIndexOf('pushed')).toBeGreaterThan(after.indexOf('recovered'))
  const tries = pushes.filter(gone)
  expect(tries.length).toBeGreaterThan(9 * 12) // at least every five minutes
  expect(tries.length).toBeLessThan(9 * 30)
  const first = pushes.find(now => now >= 10 * HOUR)!
  expect(first - 10 * HOUR).toBeLessThanOrEqual(5 * 60_000 + 5_000)
})

test('a store that asks to wait is not asked again before', async () => {
  let refused: number | undefined
  const push = async (now: number): Promise<PushResult> => {
    if (refused !== undefined) return STORED
    refused = now
    throw new AppError('throttled', 'too many requests', { retryAfterMs: 10 * 60_000 })
  }
  const { watcher, pushes, events } = watchOf(push, HOUR)
  await watcher.run()
  expect(pushes[1]! - pushes[0]!).toBeGreaterThanOrEqual(10 * 60_000)
  expect(kinds(events).slice(0, 3)).toEqual(['trouble', 'recovered', 'pushed'])
})

test('versions come no closer than --every, the last one at once', async () => {
  const { watcher, pushes, events } = watchOf(async () => STORED, 100_000)
  await watcher.run()
  const gaps = pushes.slice(1, -1).map((at, i) => at - pushes[i]!)
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(30_000)
  expect(kinds(events).slice(-2)).toEqual(['stopping', 'pushed'])
})

test('a last version that can not be made ends with the time given for it', async () => {
  const { watcher, clock } = watchOf(() => Promise.reject(new AppError('unavailable', 'Drive is away.')), HOUR)
  const error: unknown = await watcher.run().catch((thrown: unknown) => thrown)
  expect(isAppError(error, 'interrupted')).toBe(true)
  expect(clock.now).toBeLessThan(HOUR + 6 * 60_000)
})

test('a store that is back within the time given for the last version gets it, however long it was away', async () => {
  const push = (now: number): Promise<PushResult> =>
    now < HOUR + 6_000 ? Promise.reject(new AppError('unavailable', 'Drive is away.')) : Promise.resolve(STORED)
  const { watcher, events, clock } = watchOf(push, HOUR)
  await watcher.run()
  expect(kinds(events).slice(-2)).toEqual(['recovered', 'pushed'])
  expect(clock.now).toBeLessThan(HOUR + 10_000)
})

test('a last version whose files changed while it was made is tried again at once', async () => {
  const stopAt = HOUR + 1_000
  let moved = 0
  const push = async (now: number): Promise<PushResult> => (now >= stopAt && moved++ === 0 ? ({ outcome: 'moved' } as PushResult) : STORED)
  const { watcher, events, clock } = watchOf(push, stopAt)
  await watcher.run()
  expect([moved, kinds(events).slice(-2)]).toEqual([2, ['stopping', 'pushed']])
  expect(clock.now).toBeLessThan(stopAt + 5_000)
})

test('after slow looks a file that is finished within the time given for the last version is in it', async () => {
  const { watcher, pushes } = watchOf(
    async () => STORED,
    HOUR,
    () => 2_000,
    now => (now < HOUR + 4_000 ? ['a'] : []),
  )
  await watcher.run()
  expect(pushes).toHaveLength(1)
})

test('what is finished is saved, though a file is still being written and looks are slow', async () => {
  const { watcher, pushes } = watchOf(
    async () => STORED,
    HOUR,
    now => (now >= HOUR ? 7_000 : 0),
    () => ['b'],
  )
  await watcher.run()
  expect(pushes.filter(at => at >= HOUR)).toHaveLength(1)
})

test('errors of the program itself are no trouble to wait for', async () => {
  const { watcher } = watchOf(() => Promise.reject(new TypeError('a bug')), HOUR)
  await expect(watcher.run()).rejects.toThrow('a bug')
})

test('slow looks are followed by long pauses, one slow look by none', async () => {
  const { watcher, looks } = watchOf(
    async () => STORED,
    2 * HOUR,
    now => (now > HOUR || (now > 60_000 && now < 62_000) ? 1000 : 0),
  )
  await watcher.run()
  const gaps = looks.slice(1).map((at, i) => ({ at, ms: at - looks[i]! }))
  expect(Math.max(...gaps.filter(({ at }) => at < HOUR).map(({ ms }) => ms))).toBeLessThan(5000)
  expect(Math.max(...gaps.filter(({ at }) => at > HOUR).map(({ ms }) => ms))).toBeGreaterThan(20_000)
})

test('a file that is finished is in the last version, however long the first look takes', () =>
  withFolder(async path => {
    writeFileSync(join(path, 'model.pt'), 'finished long ago')
    const clock = { now: 0 }
    const pass = (ms: number): void => void (clock.now += ms)
    const monotonic = (): number => clock.now
    const scanner = new Scanner({ path, excludes: [], skip: undefined, settleMs: 5_000, monotonic, reporter: silentReporter })
    const saved: string[] = []
    let looks = 0
    const watcher = new Watcher({
      scanner: {
        scan: async (how: { atOnce?: boolean }) => (pass(looks++ === 0 ? 11_000 : 0), await scanner.scan(how)),
        markSaved: (scan: Scan) => scanner.markSaved(scan),
      } as unknown as Scanner,
      push: async ({ fresh }) => (saved.push(...fresh.map(({ path }) => path)), STORED),
      everyMs: 30_000,
      settleMs: 5_000,
      graceMs: HOUR,
      stop: AbortSignal.abort(),
      abort: new AbortController(),
      monotonic,
      random: () => 0.5,
      sleep: async ms => pass(ms),
      onEvent: () => undefined,
    })
    expect((await watcher.run())?.held).toEqual(new Map())
    expect(saved).toEqual(['model.pt'])
  }))
