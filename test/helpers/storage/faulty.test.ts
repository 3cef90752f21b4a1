import { describe, expect, test } from 'vitest'
import { codeOf } from '../failures.ts'
import { seededBytes } from '../seeded.ts'
import { FaultyStorage } from './faulty.ts'
import type { Fault, PlannedCall } from './faulty.ts'
import { MemoryStorage } from './memory.ts'

async function setUp(faults: Partial<Record<PlannedCall['kind'], Fault>>) {
  const memory = new MemoryStorage()
  await memory.put('a', seededBytes(10, 1))
  await memory.put('b', seededBytes(20, 1))
  const waits: number[] = []
  const sleep = async (ms: number) => {
    waits.push(ms)
  }
  return { memory, waits, storage: new FaultyStorage(memory, ({ kind }) => faults[kind], { sleep }) }
}

describe('FaultyStorage', () => {
  test('tells the plan what is called', async () => {
    const calls: PlannedCall[] = []
    const storage = new FaultyStorage(new MemoryStorage(), call => {
      calls.push(call)
      return undefined
    })
    await storage.put('a', seededBytes(1, 1))
    await storage.list()
    await storage.put('b', seededBytes(1, 1))
    await storage.get('a')
    await storage.remove('b')
    await storage.quota()
    expect(calls).toEqual([
      { kind: 'put', name: 'a', nth: 1, total: 1 },
      { kind: 'list', name: '', nth: 1, total: 2 },
      { kind: 'put', name: 'b', nth: 2, total: 3 },
      { kind: 'get', name: 'a', nth: 1, total: 4 },
      { kind: 'remove', name: 'b', nth: 1, total: 5 },
      { kind: 'quota', name: '', nth: 1, total: 6 },
    ])
  })

  test('an error leaves the store as it was', async () => {
    const { memory, storage } = await setUp({ put: { fault: 'error', code: 'quota' }, remove: { fault: 'error', code: 'denied' } })
    expect(await codeOf(storage.put('c', seededBytes(1, 1)))).toBe('quota')
    expect(await codeOf(storage.remove('a'))).toBe('denied')
    expect((await memory.list()).objects.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  test('a lost answer comes after the call took effect', async () => {
    const { memory, storage } = await setUp({ put: { fault: 'lost-answer' }, remove: { fault: 'lost-answer' } })
    expect(await codeOf(storage.put('c', seededBytes(1, 1)))).toBe('unavailable')
    expect(await codeOf(storage.remove('a'))).toBe('unavailable')
    expect((await memory.list()).objects.map(({ name }) => name)).toEqual(['b', 'c'])
  })

  test('cuts or changes what is read, not what is stored', async () => {
    const cut = await setUp({ get: { fault: 'truncate', keep: 4 } })
    expect(await cut.storage.get('a')).toEqual(seededBytes(10, 1).slice(0, 4))
    const flipped = await setUp({ get: { fault: 'flip', bit: 21 } })
    const expected = seededBytes(10, 1)
    expected[2]! ^= 0b100000
    expect(await flipped.storage.get('a')).toEqual(expected)
    expect(await flipped.memory.get('a')).toEqual(seededBytes(10, 1))
  })

  test('delays, then goes on', async () => {
    const { storage, waits } = await setUp({ get: { fault: 'delay', ms: 1234 } })
    expect(await storage.get('a')).toEqual(seededBytes(10, 1))
    expect(waits).toEqual([1234])
  })

  test('hides objects from a listing', async () => {
    const { storage } = await setUp({ list: { fault: 'hide', hides: name => name === 'a' } })
    expect((await storage.list()).objects.map(({ name }) => name)).toEqual(['b'])
    expect(await storage.get('a')).toEqual(seededBytes(10, 1))
  })

  test('refuses a plan that would do nothing', async () => {
    const { storage } = await setUp({
      put: { fault: 'truncate', keep: 0 },
      get: { fault: 'flip', bit: 80 },
      list: { fault: 'lost-answer' },
    })
    await expect(storage.put('c', seededBytes(1, 1))).rejects.toThrow(TypeError)
    await expect(storage.get('a')).rejects.toThrow(TypeError)
    await expect(storage.list()).rejects.toThrow(TypeError)
  })
})
