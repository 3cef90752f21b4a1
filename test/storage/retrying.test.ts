import { describe, expect, test } from 'vitest'
import { RetryingStorage } from '../../src/storage/retrying.ts'
import { codeOf, rejection } from '../helpers/failures.ts'
import { timelessPatience } from '../helpers/patience.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { FaultyStorage } from '../helpers/storage/faulty.ts'
import type { FaultPlan } from '../helpers/storage/faulty.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'

function setUp(plan: FaultPlan) {
  const calls: string[] = []
  const memory = new MemoryStorage({ location: 'the store' })
  const watched: FaultPlan = call => {
    calls.push(call.kind)
    return plan(call)
  }
  return { storage: new RetryingStorage(new FaultyStorage(memory, watched), timelessPatience()), memory, calls }
}

describe('RetryingStorage', () => {
  test.each(['throttled', 'unavailable'] as const)('repeats every kind of call that is %s', async code => {
    const { storage, calls } = setUp(({ nth }) => (nth === 1 ? { fault: 'error', code } : undefined))
    await storage.put('a', seededBytes(3, 1))
    await storage.get('a')
    await storage.list()
    await storage.quota()
    await storage.remove('a')
    expect(calls).toEqual(['put', 'put', 'get', 'get', 'list', 'list', 'quota', 'quota', 'remove', 'remove'])
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

  test('gives up in the end', async () => {
    const { storage } = setUp(() => ({ fault: 'error', code: 'unavailable' }))
    const error = await rejection(storage.get('a'))
    expect(error.code).toBe('unavailable')
    expect(error.message).toMatch(/^A planned fault: get a .* It was tried for 30 s\.$/)
  })

  test('a put and a remove whose answers were lost succeed when repeated', async () => {
    const { storage, memory, calls } = setUp(({ nth }) => (nth === 1 ? { fault: 'lost-answer' } : undefined))
    await storage.put('a', seededBytes(10, 1))
    expect(await memory.get('a')).toEqual(seededBytes(10, 1))
    await storage.remove('a')
    expect((await memory.list()).objects).toEqual([])
    expect(calls).toEqual(['put', 'put', 'remove', 'remove'])
  })
})
