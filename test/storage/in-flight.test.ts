import { expect, it } from 'vitest'
import { InFlightStorage } from '../../src/storage/in-flight.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'

it('counts what is sent and fetched, also when it fails, and tells after each that was sent', async () => {
  const told: number[] = []
  const storage: InFlightStorage = new InFlightStorage(new MemoryStorage(), () => told.push(storage.objects))
  const puts = [storage.put('a', Buffer.from('1')), storage.put('b', Buffer.from('2'))]
  expect(storage.objects).toBe(2)
  await Promise.all(puts)
  expect(told.length).toBe(2)
  expect(told.at(-1)).toBe(0)
  const gets = [storage.get('a'), storage.get('absent')]
  expect(storage.objects).toBe(2)
  await Promise.allSettled(gets)
  expect(storage.objects).toBe(0)
  expect(told.length).toBe(2)
})
