import { describe, expect, test } from 'vitest'
import { LimitingStorage } from '../../src/storage/limiting.ts'
import type { StorageOptions } from '../../src/storage/storage.ts'
import { isAppError } from '../../src/util/errors.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'

/** Puts stay under way until told to end, by name. */
class HeldStorage extends MemoryStorage {
  readonly begun: string[] = []
  private readonly ends = new Map<string, () => void>()
  private readonly failing = new Set<string>()

  override async put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    this.begun.push(name)
    await new Promise<void>(resolve => this.ends.set(name, resolve))
    if (this.failing.has(name)) throw new Error(`${name} failed`)
    return super.put(name, bytes, options)
  }

  override async get(name: string): Promise<Uint8Array> {
    this.begun.push(name)
    return new Uint8Array(0)
  }

  async end(name: string): Promise<void> {
    this.ends.get(name)!()
    await turn()
  }

  async fail(name: string): Promise<void> {
    this.failing.add(name)
    await this.end(name)
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

function setUp(maxConcurrent: number, maxInFlightBytes: number) {
  const held = new HeldStorage()
  const storage = new LimitingStorage(held, { maxConcurrent, maxInFlightBytes })
  const outcomes: string[] = []
  const put = (name: string, size: number, signal?: AbortSignal) => {
    storage.put(name, new Uint8Array(size), { signal }).then(
      () => outcomes.push(name),
      (error: unknown) => outcomes.push(isAppError(error, 'interrupted') ? `${name} interrupted` : `${name} failed`),
    )
  }
  return { held, storage, outcomes, put }
}

describe('LimitingStorage', () => {
  test('at most so many calls at once, in their order', async () => {
    const { held, outcomes, put } = setUp(2, 1000)
    for (const name of ['a', 'b', 'c', 'd']) put(name, 1)
    await turn()
    expect(held.begun).toEqual(['a', 'b'])
    await held.end('b')
    expect(held.begun).toEqual(['a', 'b', 'c'])
    await held.end('a')
    await held.end('c')
    await held.end('d')
    expect(outcomes).toEqual(['b', 'a', 'c', 'd'])
  })

  test('at most so many bytes at once', async () => {
    const { held, put } = setUp(10, 100)
    put('a', 60)
    put('b', 40)
    put('c', 1)
    await turn()
    expect(held.begun).toEqual(['a', 'b'])
    await held.end('b')
    expect(held.begun).toEqual(['a', 'b', 'c'])
    await held.end('a')
    await held.end('c')
  })

  test('a put larger than the bound passes alone, and small ones behind it do not overtake it', async () => {
    const { held, put } = setUp(10, 100)
    put('a', 10)
    put('huge', 500)
    put('b', 10)
    await turn()
    expect(held.begun).toEqual(['a'])
    await held.end('a')
    expect(held.begun).toEqual(['a', 'huge'])
    await held.end('huge')
    expect(held.begun).toEqual(['a', 'huge', 'b'])
    await held.end('b')
  })

  test('calls without bytes count as calls only', async () => {
    const { held, storage, put } = setUp(2, 100)
    put('a', 100)
    await storage.get('got')
    expect(held.begun).toEqual(['a', 'got'])
    await held.end('a')
  })

  test('a failed call makes room like any other', async () => {
    const { held, outcomes, put } = setUp(1, 100)
    put('a', 100)
    put('b', 100)
    await turn()
    await held.fail('a')
    expect(held.begun).toEqual(['a', 'b'])
    await held.end('b')
    expect(outcomes).toEqual(['a failed', 'b'])
  })

  test('an abort in the queue ends the waiting at once and lets those behind pass', async () => {
    const { held, outcomes, put } = setUp(10, 100)
    const abort = new AbortController()
    put('a', 60)
    put('b', 60, abort.signal)
    put('c', 40)
    await turn()
    expect(held.begun).toEqual(['a'])
    abort.abort()
    await turn()
    expect(outcomes).toEqual(['b interrupted'])
    expect(held.begun).toEqual(['a', 'c'])
    await held.end('a')
    await held.end('c')
    expect(outcomes).toEqual(['b interrupted', 'a', 'c'])
  })

  // how many promise reactions lie between being let in and beginning is not ours to know: the abort comes after each
  // number of them
  test.each([0, 1, 2, 3, 4, 5, 6, 8])('an abort %i reactions after being let in leaves room for the next', async reactions => {
    const { held, outcomes, put } = setUp(1, 100)
    const abort = new AbortController()
    put('a', 1)
    put('b', 1, abort.signal)
    put('c', 1)
    await turn()
    const ending = held.end('a')
    for (let i = 0; i < reactions; i++) await Promise.resolve()
    abort.abort()
    await ending
    if (held.begun.includes('b')) await held.end('b')
    expect(held.begun.at(-1)).toBe('c')
    await held.end('c')
    expect(outcomes).toHaveLength(3)
  })
})
