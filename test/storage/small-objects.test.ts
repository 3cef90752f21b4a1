import { describe, expect, test } from 'vitest'
import { CountingStorage } from '../../src/storage/counting.ts'
import { SmallObjectStorage } from '../../src/storage/small-objects.ts'
import { FaultyStorage } from '../helpers/storage/faulty.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251)

async function storeOf(sizes: Record<string, number>, totalBytes = 1000) {
  const counting = new CountingStorage(new MemoryStorage())
  for (const [name, size] of Object.entries(sizes)) await counting.put(name, bytesOf(size))
  return { counting, small: new SmallObjectStorage(counting, { sizeOf: name => sizes[name], objectBytes: 100, totalBytes }) }
}

describe('small objects', () => {
  test('are read once, whatever is asked of them, also side by side', async () => {
    const { counting, small } = await storeOf({ a: 100 })
    const ranges = [
      { offset: 0, length: 10 },
      { offset: 90, length: 10 },
      { offset: -5, length: 5 },
    ]
    const read = await Promise.all(ranges.map(range => small.get('a', range)))
    expect(read.map(bytes => [...bytes])).toEqual([
      [...bytesOf(100).subarray(0, 10)],
      [...bytesOf(100).subarray(90)],
      [...bytesOf(100).subarray(95)],
    ])
    expect(counting.calls.get).toBe(1)
    await expect(small.get('a', { offset: 95, length: 6 })).rejects.toMatchObject({ code: 'bad-range' })
  })

  test('larger ones, and those of unknown size, are read by ranges', async () => {
    const { counting, small } = await storeOf({ large: 101 })
    await counting.put('unknown', bytesOf(5))
    for (const name of ['large', 'large', 'unknown', 'unknown']) expect((await small.get(name, { offset: 1, length: 2 })).length).toBe(2)
    expect(counting.calls.get).toBe(4)
  })

  test('the one used longest ago is dropped when there are too many', async () => {
    const { counting, small } = await storeOf({ a: 60, b: 60, c: 60 }, 130)
    for (const name of ['a', 'b', 'a', 'c', 'a']) await small.get(name, { offset: 0, length: 1 })
    expect(counting.calls.get).toBe(3)
    await small.get('b', { offset: 0, length: 1 })
    expect(counting.calls.get).toBe(4)
  })

  test('a failure is not remembered', async () => {
    const memory = new MemoryStorage()
    await memory.put('a', bytesOf(10))
    const faulty = new FaultyStorage(memory, ({ kind, nth }) =>
      kind === 'get' && nth === 1 ? { fault: 'error', code: 'unavailable' } : undefined,
    )
    const small = new SmallObjectStorage(faulty, { sizeOf: () => 10, objectBytes: 100, totalBytes: 100 })
    await expect(small.get('a', { offset: 0, length: 1 })).rejects.toMatchObject({ code: 'unavailable' })
    expect((await small.get('a', { offset: 0, length: 1 })).length).toBe(1)
  })
})
