import { expect, test } from 'vitest'
import { ByteLru } from '../../src/util/byte-lru.ts'

const contents = (lru: ByteLru<string, number>, keys: string): string => [...keys].filter(key => lru.get(key) !== undefined).join('')

test('what was used longest ago is forgotten first, and no more than must be', () => {
  const lru = new ByteLru<string, number>(10)
  for (const [i, key] of ['a', 'b', 'c'].entries()) lru.set(key, i, 3)
  expect([lru.get('a'), lru.bytes]).toEqual([0, 9])
  lru.set('d', 3, 1)
  expect(lru.bytes).toBe(10)
  lru.set('e', 4, 1)
  expect([contents(lru, 'abcde'), lru.bytes]).toEqual(['acde', 8])
})

test('a value that is set again counts once, and as used', () => {
  const lru = new ByteLru<string, number>(10)
  lru.set('a', 1, 4)
  lru.set('b', 2, 4)
  lru.set('a', 3, 6)
  expect([lru.get('a'), lru.bytes]).toEqual([3, 10])
  lru.set('c', 4, 1)
  expect(contents(lru, 'abc')).toBe('ac')
  lru.delete('a')
  lru.delete('a')
  expect([contents(lru, 'abc'), lru.bytes]).toEqual(['c', 1])
})

test('a value larger than all is not kept; one of no bytes is', () => {
  const lru = new ByteLru<string, number>(10)
  lru.set('a', 1, 10)
  lru.set('b', 2, 0)
  expect(contents(lru, 'ab')).toBe('ab')
  lru.set('c', 3, 11)
  expect([contents(lru, 'ac'), lru.bytes]).toEqual(['', 0])
})

test('counts right through any sequence of calls', () => {
  const lru = new ByteLru<number, number>(100)
  const model = new Map<number, number>()
  let seed = 1
  const next = (below: number): number => (seed = (seed * 48_271) % 0x7fffffff) % below
  for (let i = 0; i < 5000; i++) {
    const key = next(20)
    if (next(3) === 0) {
      expect(lru.get(key)).toBe(model.get(key))
      const bytes = model.get(key)
      if (bytes !== undefined && model.delete(key)) model.set(key, bytes)
    } else if (next(10) === 0) {
      lru.delete(key)
      model.delete(key)
    } else {
      const bytes = next(60)
      lru.set(key, bytes, bytes)
      model.delete(key)
      model.set(key, bytes)
      const total = (): number => [...model.values()].reduce((sum, each) => sum + each, 0)
      for (const oldest of model.keys()) if (total() > 100) model.delete(oldest)
    }
    expect(lru.bytes).toBe([...model.values()].reduce((sum, each) => sum + each, 0))
  }
})
