import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FolderStorage } from '../../../src/storage/folder.ts'
import { ForwardingStorage } from '../../../src/storage/forwarding.ts'
import type { Listing } from '../../../src/storage/storage.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { withFolder } from '../../helpers/folders.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { expectSameTree } from '../../helpers/trees.ts'

const LONGEST_WAIT_MS = 5000

/** A store that answers a listing only when `ready` says so, and notes what it is asked before. */
class SlowToList extends ForwardingStorage {
  readonly before: string[] = []
  isListed = false
  private readonly ready: Promise<unknown>

  constructor(path: string, ready: Promise<unknown>) {
    super(new FolderStorage(path))
    this.ready = ready
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
async function pushSlowly(store: string, folder: string, name: string): Promise<Begun> {
  let readBytes = 0
  let answer = (): void => undefined
  const hasRead = new Promise<void>(resolve => {
    answer = resolve
  })
  const waited = new Promise(resolve => setTimeout(resolve, LONGEST_WAIT_MS).unref())
  const storage = new SlowToList(store, Promise.race([hasRead, waited]))
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
    const { readBytes, sentBefore } = await pushSlowly(store, source, 'first')
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
    const { readBytes, sentBefore, storedBytes } = await pushSlowly(store, source, 'second')
    expect(readBytes).toBeGreaterThan(0)
    expect(sentBefore).toEqual([])
    expect(storedBytes).toBeGreaterThan(700_000)
    expect(storedBytes).toBeLessThan(800_000)
    await pullVersion(contextOf(new FolderStorage(store)), 'second', join(folder, 'out'))
    expectSameTree(join(folder, 'out'), source)
  }))

test('a listing that fails ends what was begun', () =>
  withFolder(async folder => {
    const storage = new SlowToList(join(folder, 'store'), Promise.reject(new Error('no answer')))
    await expect(pushFolder(contextOf(storage), makeSource(folder), 'first')).rejects.toThrow('no answer')
    expect(storage.before).toEqual([])
  }))
