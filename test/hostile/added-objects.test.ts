import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeDirectory } from '../../src/repository/format/directory.ts'
import type { IndexedPack } from '../../src/repository/format/index-object.ts'
import { MAX_LABEL_TIME } from '../../src/repository/format/label-and-tomb.ts'
import { openView, type RepositoryView } from '../../src/repository/open/view.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { sha256, sha256Hex } from '../../src/util/hash.ts'
import { rescue } from '../golden/rescue-runs.ts'
import { describeTree } from '../golden/trees.ts'
import { Sandbox, withSandbox } from '../helpers/cli.ts'
import { rawBlock } from '../helpers/encode.ts'
import { idOf } from '../helpers/repository/arbitraries.ts'
import { CraftedStore, deflated } from '../helpers/repository/crafted-store.ts'
import { fileEntry } from '../helpers/repository/manifest-entries.ts'
import { seededBytes } from '../helpers/seeded.ts'

interface Scene {
  sandbox: Sandbox
  /** Adds objects, and changes none. */
  store: CraftedStore
  /** What the owner has pushed, as anybody sees it who can read the repository. */
  view: RepositoryView
}

const WHOLE = { 'a.bin': seededBytes(150_000, 1), 'b.bin': seededBytes(90_000, 2), 'c.txt': Buffer.from('some text\n'.repeat(2000)) }

function writeSource(folder: string, files: Record<string, Uint8Array>): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) {
    writeFileSync(join(folder, name), bytes)
    utimesSync(join(folder, name), 1_700_000_000, 1_700_000_000 + bytes.length)
  }
}

/** What the owner has pushed: two versions of `data`. */
const PUSHED = mkdtempSync(join(tmpdir(), 'added-objects-'))

beforeAll(async () => {
  const owner = new Sandbox(PUSHED)
  writeSource(owner.in('data'), { 'a.bin': WHOLE['a.bin'] })
  await owner.ok('push', 'data')
  writeSource(owner.in('data'), WHOLE)
  await owner.ok('push', 'data')
})

afterAll(() => rmSync(PUSHED, { recursive: true }))

/** Somebody else may add objects to a copy of that repository. */
function withAdded(use: (scene: Scene) => Promise<void>): Promise<void> {
  return withSandbox(async sandbox => {
    for (const folder of ['data', 'store']) cpSync(join(PUSHED, folder), sandbox.in(folder), { recursive: true, preserveTimestamps: true })
    const view = await openView(new FolderStorage(sandbox.store))
    await use({ sandbox, store: new CraftedStore(sandbox.store), view })
  })
}

/** The owner's newest version comes back, whatever was added. */
async function expectWhole({ sandbox }: Scene, version = 'data'): Promise<void> {
  rmSync(sandbox.in('out'), { recursive: true, force: true })
  await sandbox.ok('pull', version, 'out')
  expect(describeTree(sandbox.in('out'))).toEqual(describeTree(sandbox.in('data')))
  const verified = await rescue(sandbox.store, 'verify', version)
  expect(verified.code, verified.stderr).toBe(0)
}

const idsOf = ({ index }: RepositoryView): Buffer[] => Array.from({ length: index.size }, (_, entry) => Buffer.from(index.id(entry)))

/** Packs of blocks whose bytes are not those of the chunks that their directories name. */
function garbagePack(store: CraftedStore, view: RepositoryView): IndexedPack {
  return store.pack(idsOf(view).map((id, entry) => deflated(new Uint8Array(view.index.length(entry)), [id], [view.index.length(entry)])))
}

/** The honest packs, as if the chunks in them had these ids. */
function lies({ index }: RepositoryView, idFor: (entry: number) => Uint8Array): IndexedPack[] {
  return index.packs.map(({ id, size }, pack) => {
    const { first, end } = index.blocksOf(pack)
    const entries = Array.from({ length: end - first }, (_, i) => index.entriesIn(first + i)).flat()
    const honest = encodeDirectory(index.listedBlocks(pack))
    // the ids are the end of a directory
    const directoryBytes = Buffer.concat([honest.subarray(0, honest.length - 32 * entries.length), ...entries.map(idFor)])
    return { id, size, directoryBytes }
  })
}

const idsOfIndexes = ({ inventory }: RepositoryView): string[] => [...inventory.indexes.keys()]
const idsOfPacks = ({ inventory }: RepositoryView): string[] => [...inventory.packs.keys()]

describe('Objects that somebody adds never make a prune delete what versions need', () => {
  const attacks: [string, (scene: Scene) => void][] = [
    [
      'an index that lies about all packs, takes the place of all others, and names garbage instead',
      ({ store, view }) => {
        const garbage = garbagePack(store, view)
        store.index([garbage, ...lies(view, idOf)], idsOfIndexes(view))
      },
    ],
    ['an index that takes the place of all others and names nothing', ({ store, view }) => void store.index([], idsOfIndexes(view))],
    ['garbage under the ids of all chunks', ({ store, view }) => void store.index([garbagePack(store, view)])],
    ['garbage that no index names', ({ store, view }) => void garbagePack(store, view)],
    ['a tomb of all packs', ({ store, view }) => void store.tomb({ kind: 'packs', packs: idsOfPacks(view) })],
    [
      'a tomb of all packs, and garbage to take their place',
      ({ store, view }) => {
        store.index([garbagePack(store, view)])
        store.tomb({ kind: 'packs', packs: idsOfPacks(view) })
      },
    ],
    [
      'a tomb of all packs, and markers that call it spent',
      ({ store, view }) => {
        const tomb = store.tomb({ kind: 'packs', packs: idsOfPacks(view) })
        for (let i = 0; i < 3; i++) store.tomb({ kind: 'marker', spent: [tomb, tomb] })
      },
    ],
    [
      'versions of other names that need nothing, of tomorrow and of the last year there is',
      ({ store }) => {
        for (const time of [Date.now() + 20 * 3_600_000, Date.UTC(9999, 11, 31)]) store.version([], { name: 'other', time, listed: time })
      },
    ],
    [
      'labels of versions that are not there, and of the last moment there is',
      ({ store, view }) => {
        for (const snapshot of [sha256Hex(idOf(1)), sha256Hex(idOf(2))])
          store.label({ snapshot, add: ['best'], remove: ['best'], time: MAX_LABEL_TIME })
        store.label({ snapshot: sha256Hex(idOf(3)), add: view.inventory.snapshots.map(({ shortId }) => shortId), remove: [] })
      },
    ],
    [
      'hundreds of files that are no objects',
      ({ store }) => {
        for (let i = 0; i < 500; i++) store.put(`junk ${i}`, Buffer.from('junk'))
      },
    ],
  ]

  test.each(attacks)('%s', { timeout: 120_000 }, (_, attack) =>
    withAdded(async scene => {
      attack(scene)
      // it may refuse: then it has deleted nothing
      for (let i = 0; i < 2; i++) expect([0, 7]).toContain((await scene.sandbox.run(['prune', '--now'])).code)
      await scene.sandbox.run(['repair'])
      await expectWhole(scene)
    }),
  )
})

describe('Objects that somebody adds never make a forget delete the last whole version', () => {
  test('a newer version of the same source that lacks its data', () =>
    withAdded(async scene => {
      const { sandbox, store } = scene
      const source = { path: sandbox.in('data'), type: 'directory' } as const
      const fake = store.version([fileEntry('a.bin', idOf(1), 150_000)], { source, time: Date.now() + 1000 })
      const run = await sandbox.run(['forget', 'data', '--keep-last', '1'])
      expect(run.code, run.stdout).not.toBe(0)
      expect(run.stderr).toMatch(/lacks data|can't be read|needs the chunk/)
      rmSync(`${sandbox.store}/${readdirSync(sandbox.store).find(name => name.includes(fake.slice(0, 16)))!}`)
      await expectWhole(scene)
    }))

  test('a version of the last year that there is stays the older one', () =>
    withAdded(async scene => {
      const { sandbox, store } = scene
      const time = Date.UTC(9999, 11, 31)
      store.version([], { time, listed: Date.now() - 1000, source: { path: sandbox.in('data'), type: 'directory' } })
      writeSource(sandbox.in('data'), { ...WHOLE, 'd.txt': Buffer.from('new') })
      await sandbox.ok('push', 'data')
      await expectWhole(scene)
      await sandbox.ok('forget', 'data', '--keep-last', '1')
      await sandbox.ok('prune', '--now')
      await expectWhole(scene)
    }))
})

describe('A feature that nobody knows stops every command, and costs nothing', () => {
  test('until the object is removed', () =>
    withAdded(async scene => {
      const { sandbox, store } = scene
      store.put('feature-of-a-stranger', Buffer.from(''))
      for (const args of [
        ['pull', 'data', 'out'],
        ['prune', '--now'],
        ['forget', 'data', '--keep-last', '1'],
        ['push', 'data'],
        ['repair'],
      ])
        expect((await sandbox.run(args)).code, args.join(' ')).not.toBe(0)
      rmSync(`${sandbox.store}/feature-of-a-stranger`)
      await expectWhole(scene)
    }))
})

describe('What added objects made a push rely on is found by a check, and stored again after a repair', () => {
  const FUTURE = { 'c.txt': Buffer.from(seededBytes(12_000, 9)) }

  async function expectHealed(scene: Scene, check: string[]): Promise<void> {
    const { sandbox } = scene
    writeSource(sandbox.in('data'), FUTURE)
    await sandbox.ok('push', 'data')
    const found = await sandbox.run(['check', ...check])
    expect(found.code, found.stdout).toBe(7)
    await sandbox.run(['repair'])
    await sandbox.ok('push', 'data')
    await expectWhole(scene)
    await sandbox.ok('check', '--read-data')
  }

  test('an index that names a chunk which its pack does not hold', () =>
    withAdded(scene => {
      const { store, view } = scene
      const entry = 0
      store.index(
        lies(view, other => (other === entry ? sha256(FUTURE['c.txt']) : view.index.id(other))),
        idsOfIndexes(view),
      )
      return expectHealed(scene, [])
    }))

  test('a pack of garbage under the id of a chunk that is going to be pushed', () =>
    withAdded(scene => {
      const { store } = scene
      store.index([store.pack([rawBlock(seededBytes(12_000, 10), sha256(FUTURE['c.txt']))])])
      return expectHealed(scene, ['--read-data'])
    }))
})
