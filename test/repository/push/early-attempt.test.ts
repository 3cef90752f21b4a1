import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SealedStorage } from '../../../src/repository/sealing/sealed-storage.ts'
import { FolderStorage } from '../../../src/storage/folder.ts'
import { ForwardingStorage } from '../../../src/storage/forwarding.ts'
import type { Listing, Storage } from '../../../src/storage/storage.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { rejection } from '../../helpers/failures.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { withFolder } from '../../helpers/folders.ts'
import { testKeys } from '../../helpers/repository/keys.ts'
import { surroundings } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { expectSameTree } from '../../helpers/trees.ts'

const LONGEST_WAIT_MS = 5000

/** A store that answers a listing only when `ready` says so, and notes what it is asked before. */
class SlowToList extends ForwardingStorage {
  readonly before: string[] = []
  isListed = false
  private readonly ready: Promise<unknown>

  /** `hint`: what it says about its keys before it was listed. */
  private readonly hint: Storage['chunkKeys']

  constructor(inner: Storage, ready: Promise<unknown>, hint: Storage['chunkKeys']) {
    super(inner)
    this.ready = ready
    this.hint = hint
  }

  override get chunkKeys(): Storage['chunkKeys'] {
    return this.isListed ? this.inner.chunkKeys : this.hint
  }

  override async list(): Promise<Listing> {
    await this.ready
    this.isListed = true
    return this.inner.list()
  }

  override put(...given: Parameters<FolderStorage['put']>): ReturnType<FolderStorage['put']> {
    if (!this.isListed) this.before.push(given[0])
    return this.inner.put(...given)
  }
}

interface Begun {
  /** Bytes that were read before the store was listed. */
  readBytes: number
  sentBefore: string[]
  storedBytes: number
}

/** Pushes a folder to a store that is slow to list. */
async function pushSlowly(inner: Storage, folder: string, name: string, hint: Storage['chunkKeys']): Promise<Begun> {
  let readBytes = 0
  let answer = (): void => undefined
  const hasRead = new Promise<void>(resolve => {
    answer = resolve
  })
  const waited = new Promise(resolve => setTimeout(resolve, LONGEST_WAIT_MS).unref())
  const storage = new SlowToList(inner, Promise.race([hasRead, waited]), hint)
  const progress = ({ doneBytes = 0 }: { doneBytes?: number }): void => {
    if (storage.isListed || doneBytes < 2_000_000) return
    readBytes = doneBytes
    answer()
  }
  const { storedBytes } = await pushFolder(contextOf(storage, { reporter: { ...silentReporter, progress } }), folder, name)
  return { readBytes, sentBefore: storage.before, storedBytes }
}

function makeSource(folder: string): string {
  const source = join(folder, 'source')
  mkdirSync(source)
  for (let i = 0; i < 6; i++) writeFileSync(join(source, `${i}.dat`), seededNoise(i, 700_000))
  return source
}

test('files are read before the store is listed, and nothing is sent until then', () =>
  withFolder(async folder => {
    const [source, store] = [makeSource(folder), join(folder, 'store')]
    const { readBytes, sentBefore } = await pushSlowly(new FolderStorage(store), source, 'first', undefined)
    expect(readBytes).toBeGreaterThan(0)
    expect(sentBefore).toEqual([])
    await pullVersion(contextOf(new FolderStorage(store)), 'first', join(folder, 'out'))
    expectSameTree(join(folder, 'out'), source)
    expect((await checkAll(contextOf(new FolderStorage(store)))).problems).toEqual([])
  }))

test('what turns out to be in the store is not stored again', () =>
  withFolder(async folder => {
    const [source, store] = [makeSource(folder), join(folder, 'store')]
    await pushFolder(contextOf(new FolderStorage(store)), source, 'first')
    writeFileSync(join(source, '5.dat'), seededNoise(99, 700_000))
    const { readBytes, sentBefore, storedBytes } = await pushSlowly(new FolderStorage(store), source, 'second', undefined)
    expect(readBytes).toBeGreaterThan(0)
    expect(sentBefore).toEqual([])
    expect(storedBytes).toBeGreaterThan(700_000)
    expect(storedBytes).toBeLessThan(800_000)
    await pullVersion(contextOf(new FolderStorage(store)), 'second', join(folder, 'out'))
    expectSameTree(join(folder, 'out'), source)
  }))

describe('a store that turns out to be encrypted', () => {
  const sealed = (folder: string): Storage => new SealedStorage(new FolderStorage(join(folder, 'store')), testKeys())

  async function expectEncrypted(folder: string, source: string): Promise<void> {
    await pullVersion(contextOf(sealed(folder)), 'first', join(folder, 'out'))
    expectSameTree(join(folder, 'out'), source)
    expect((await checkAll(contextOf(sealed(folder)))).problems).toEqual([])
    const again = await pushFolder(contextOf(sealed(folder)), source, 'first')
    expect([again.outcome, again.newBytes]).toEqual(['unchanged', 0])
  }

  test('gets nothing of what was read as if it were plain', () =>
    withFolder(async folder => {
      const source = makeSource(folder)
      const storage = sealed(folder)
      const { readBytes, sentBefore } = await pushSlowly(storage, source, 'first', undefined)
      expect([readBytes > 0, sentBefore]).toEqual([true, []])
      await expectEncrypted(folder, source)
    }))

  test('is waited for if its keys are only known then', () =>
    withFolder(async folder => {
      const source = makeSource(folder)
      const { readBytes } = await pushSlowly(sealed(folder), source, 'first', 'after-listing')
      expect(readBytes).toBe(0)
      await expectEncrypted(folder, source)
    }))

  test('is begun early if its keys are known', () =>
    withFolder(async folder => {
      const source = makeSource(folder)
      const { readBytes, sentBefore } = await pushSlowly(sealed(folder), source, 'first', sealed(folder).chunkKeys)
      expect([readBytes > 0, sentBefore]).toEqual([true, []])
      await expectEncrypted(folder, source)
    }))

  test('ends the push if it was another one before', () =>
    withFolder(async folder => {
      const [source, one, two] = [makeSource(folder), new MemoryStorage(), new MemoryStorage()]
      const storage = new Replaced(new SealedStorage(one, testKeys(1)), new SealedStorage(two, testKeys(2)))
      // past the commit window the store is listed again
      const clock = { ms: Date.now() }
      const reporter = {
        ...silentReporter,
        progress: ({ phase }: { phase: string }) => void (clock.ms += phase === 'storing' ? 3_600_000 : 0),
      }
      const pushed = pushFolder(contextOf(storage, { surroundings: surroundings(clock), reporter }), source, 'first')
      const error = await rejection(pushed, 'conflict')
      expect(error.message).toMatch(/^Another repository was made in .* while this push ran\.$/)
      expect([one, two].flatMap(store => store.all().map(([name]) => name)).filter(name => name.startsWith('snapshot'))).toEqual([])
    }))
})

/** From its second listing on it is another store. */
class Replaced extends ForwardingStorage {
  private readonly other: Storage
  private listings = 0

  constructor(inner: Storage, other: Storage) {
    super(inner)
    this.other = other
  }

  override get chunkKeys(): Storage['chunkKeys'] {
    return (this.listings > 1 ? this.other : this.inner).chunkKeys
  }

  override list(): Promise<Listing> {
    return ++this.listings > 1 ? this.other.list() : this.inner.list()
  }
}

test('a listing that fails ends what was begun', () =>
  withFolder(async folder => {
    const storage = new SlowToList(new FolderStorage(join(folder, 'store')), Promise.reject(new Error('no answer')), undefined)
    await expect(pushFolder(contextOf(storage), makeSource(folder), 'first')).rejects.toThrow('no answer')
    expect(storage.before).toEqual([])
  }))
