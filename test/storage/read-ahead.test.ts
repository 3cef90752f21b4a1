import { describe, expect, test } from 'vitest'
import { CountingStorage } from '../../src/storage/counting.ts'
import { ReadAheadStorage } from '../../src/storage/read-ahead.ts'
import { FaultyStorage } from '../helpers/storage/faulty.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'

async function storeOf(...names: string[]): Promise<CountingStorage> {
  const counting = new CountingStorage(new MemoryStorage())
  for (const name of names) await counting.put(name, Buffer.from(name))
  return counting
}

describe('what is read ahead', () => {
  test('is read once and handed out once: who asks again gets it anew', async () => {
    const counting = await storeOf('a', 'b')
    const ahead = new ReadAheadStorage(counting)
    ahead.begin('a')
    ahead.beginList()
    expect(counting.calls).toMatchObject({ get: 1, list: 1 })
    expect(Buffer.from(await ahead.get('a')).toString()).toBe('a')
    expect((await ahead.list()).objects).toHaveLength(2)
    expect(counting.calls).toMatchObject({ get: 1, list: 1 })
    await counting.put('c', Buffer.from('c'))
    await ahead.get('a')
    expect((await ahead.list()).objects).toHaveLength(3)
    expect(counting.calls).toMatchObject({ get: 2, list: 2 })
  })

  test('and can not be read fails when it is asked for, and not the next time', async () => {
    const faulty = new FaultyStorage(await storeOf('a'), ({ nth }) => (nth === 1 ? { fault: 'error', code: 'unavailable' } : undefined))
    const ahead = new ReadAheadStorage(faulty)
    ahead.begin('a')
    ahead.beginList()
    await new Promise(resolve => setTimeout(resolve, 20))
    await expect(ahead.get('a')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(ahead.list()).rejects.toMatchObject({ code: 'unavailable' })
    expect(Buffer.from(await ahead.get('a')).toString()).toBe('a')
    expect((await ahead.list()).objects).toHaveLength(1)
  })
})
