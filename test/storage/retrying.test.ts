import { describe, expect, test } from 'vitest'
import { RetryingStorage } from '../../src/storage/retrying.ts'
import type { RetryEvent, RetryOptions } from '../../src/storage/retrying.ts'
import { isAppError } from '../../src/util/errors.ts'
import { rejection } from '../helpers/failures.ts'
import { codeOf } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { FaultyStorage } from '../helpers/storage/faulty.ts'
import type { FaultPlan } from '../helpers/storage/faulty.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'

function setUp(plan: FaultPlan, options: Partial<RetryOptions> = {}) {
  const events: RetryEvent[] = []
  const waits: number[] = []
  const calls: string[] = []
  let now = 0
  const memory = new MemoryStorage({ location: 'the store' })
  const watched: FaultPlan = call => {
    calls.push(call.kind)
    return plan(call)
  }
  const storage = new RetryingStorage(new FaultyStorage(memory, watched), {
    attempts: 6,
    baseMs: 100,
    capMs: 1000,
    budgetMs: 60_000,
    random: () => 0.5,
    now: () => now,
    sleep: async ms => {
      waits.push(ms)
      now += ms
    },
    onRetry: event => events.push(event),
    ...options,
  })
  return { storage, memory, events, waits, calls }
}

describe('RetryingStorage', () => {
  test('waits longer each time, up to the cap, with jitter', async () => {
    const { storage, waits, events } = setUp(({ nth }) => (nth < 6 ? { fault: 'error', code: 'unavailable' } : undefined))
    await storage.put('a', seededBytes(3, 1))
    expect(waits).toEqual([50, 100, 200, 400, 500])
    expect(events.map(({ kind, name, failures, delayMs }) => [kind, name, failures, delayMs])).toEqual(
      waits.map((ms, i) => ['put', 'a', i + 1, ms]),
    )
    expect(events.every(({ error }) => error.code === 'unavailable')).toBe(true)
  })

  test('the jitter is full: from no wait to the whole bound', async () => {
    const rolls = [0, 0.999, 0.25]
    const { storage, waits } = setUp(({ nth }) => (nth < 4 ? { fault: 'error', code: 'throttled' } : undefined), {
      random: () => rolls.shift()!,
    })
    await storage.list()
    expect(waits).toEqual([0, 199.8, 100])
  })

  test('waits at least as long as the store asks', async () => {
    const { storage, waits } = setUp(({ nth }) => (nth === 1 ? { fault: 'error', code: 'throttled', retryAfterMs: 7000 } : undefined))
    await storage.quota()
    expect(waits).toEqual([7050])
  })

  test.each(['not-found', 'bad-range', 'conflict', 'denied', 'unauthenticated', 'quota', 'corrupt', 'interrupted', 'io'] as const)(
    'does not repeat what failed with %s',
    async code => {
      const { storage, calls } = setUp(() => ({ fault: 'error', code }))
      expect(await codeOf(storage.get('a'))).toBe(code)
      expect(calls).toEqual(['get'])
    },
  )

  test('passes on what is no AppError', async () => {
    const { storage, calls } = setUp(() => ({ fault: 'truncate', keep: 1 }))
    await expect(storage.put('a', seededBytes(1, 1))).rejects.toThrow(TypeError)
    expect(calls).toEqual(['put'])
  })

  test('gives up after the last attempt and says what to do', async () => {
    const { storage, calls } = setUp(() => ({ fault: 'error', code: 'unavailable' }), { attempts: 3 })
    const error = await rejection(storage.get('a'))
    expect(error.code).toBe('unavailable')
    expect(error.message).toMatch(/^A planned fault: get a .* Tried 3 times in 0 s\.$/)
    expect(error.hint).toContain('Check the connection to the store')
    expect(isAppError(error.cause, 'unavailable')).toBe(true)
    expect(calls).toHaveLength(3)
  })

  test('begins no wait that the time budget does not cover', async () => {
    const plan: FaultPlan = ({ nth }) => ({ fault: 'error', code: 'throttled', retryAfterMs: nth === 3 ? 9000 : 4000 })
    const { storage, waits } = setUp(plan, { budgetMs: 10_000, random: () => 0 })
    const error = await rejection(storage.remove('a'))
    expect(waits).toEqual([4000, 4000])
    expect(error.code).toBe('throttled')
    expect(error.retryAfterMs).toBe(9000)
    expect(error.message).toContain('Tried 3 times in 8 s.')
    expect(error.hint).toContain('wait a few minutes')
  })

  test('a put and a remove whose answers were lost succeed when repeated', async () => {
    const { storage, memory, calls } = setUp(({ nth }) => (nth === 1 ? { fault: 'lost-answer' } : undefined))
    await storage.put('a', seededBytes(10, 1))
    expect(await memory.get('a')).toEqual(seededBytes(10, 1))
    await storage.remove('a')
    expect((await memory.list()).objects).toEqual([])
    expect(calls).toEqual(['put', 'put', 'remove', 'remove'])
  })

  test('an abort ends the waiting at once', async () => {
    const abort = new AbortController()
    const { calls, memory } = setUp(() => undefined)
    const plan: FaultPlan = ({ kind }) => {
      calls.push(kind)
      return { fault: 'error', code: 'throttled', retryAfterMs: 3_600_000 }
    }
    const storage = new RetryingStorage(new FaultyStorage(memory, plan), {
      attempts: 5,
      baseMs: 1,
      capMs: 1,
      budgetMs: Infinity,
      onRetry: () => setImmediate(() => abort.abort()),
    })
    expect(await codeOf(storage.get('a', undefined, { signal: abort.signal }))).toBe('interrupted')
    expect(calls).toEqual(['get'])
  })
})
