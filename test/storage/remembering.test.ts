import { expect, test } from 'vitest'
import { CountingStorage } from '../../src/storage/counting.ts'
import { RememberingStorage } from '../../src/storage/remembering.ts'
import { isAppError } from '../../src/util/errors.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'

function remembering(totalBytes = 1000) {
  const counting = new CountingStorage(new MemoryStorage())
  const reads = (): number => counting.calls.get
  const storage = new RememberingStorage(counting, { remembers: name => name.startsWith('a'), objectBytes: 400, totalBytes })
  return { counting, reads, storage }
}

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(length)

test('what was read or written as a whole is not read again, whatever becomes of the bytes that were given', async () => {
  const { counting, reads, storage } = remembering()
  const given = bytes(10)
  await storage.put('a1', given)
  await counting.put('a2', bytes(20))
  given.fill(0)
  for (let i = 0; i < 3; i++) {
    for (const [name, length] of [['a1', 10] as const, ['a2', 20] as const]) {
      const got = await storage.get(name)
      expect(got).toEqual(bytes(length))
      got.fill(0)
    }
  }
  expect(reads()).toBe(1)
})

test('ranges, other names and large objects are read each time', async () => {
  const { reads, storage } = remembering()
  await storage.put('a1', bytes(10))
  await storage.put('b', bytes(10))
  await storage.put('a2', bytes(401))
  for (let i = 0; i < 2; i++) {
    expect(await storage.get('a1', { offset: 2, length: 2 })).toEqual(bytes(10).subarray(2, 4))
    expect(await storage.get('b')).toEqual(bytes(10))
    expect(await storage.get('a2')).toEqual(bytes(401))
  }
  expect(reads()).toBe(6)
})

test('what was not used for longest goes when there is too much', async () => {
  const { reads, storage } = remembering(900)
  for (const name of ['a1', 'a2', 'a3']) {
    await storage.put(name, bytes(300))
    await storage.get('a1')
  }
  expect(reads()).toBe(0)
  await storage.put('a4', bytes(300))
  for (const name of ['a1', 'a3', 'a4']) await storage.get(name)
  expect(reads()).toBe(0)
  await storage.get('a2')
  expect(reads()).toBe(1)
})

test('what it has removed is gone', async () => {
  const { storage } = remembering()
  await storage.put('a1', bytes(10))
  await storage.remove('a1')
  const error: unknown = await storage.get('a1').catch((thrown: unknown) => thrown)
  expect(isAppError(error, 'not-found')).toBe(true)
})
