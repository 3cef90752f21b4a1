import { describe, expect, test } from 'vitest'
import { check } from '../../../src/repository/check/check.ts'
import { decodeIndex, encodeIndex } from '../../../src/repository/format/index-object.ts'
import { encodeTomb } from '../../../src/repository/format/label-and-tomb.ts'
import { indexName, packName, tombName } from '../../../src/repository/format/object-names.ts'
import { encodeSnapshot } from '../../../src/repository/format/snapshot.ts'
import { prune, openForPrune } from '../../../src/repository/prune/prune.ts'
import { NO_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { repair, type RepairRequest, type RepairResult } from '../../../src/repository/repair/repair.ts'
import { changeTags } from '../../../src/repository/versions/tags.ts'
import { newestSnapshot } from '../../../src/repository/versions/versions.ts'
import { openForReading } from '../../../src/repository/open/open.ts'
import { AppError } from '../../../src/util/errors.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { aSnapshot } from '../../helpers/a-snapshot.ts'
import { encodePack, rawBlock } from '../../helpers/encode.ts'
import { DAY, HOUR, withDamagedStore, type DamagedStore } from '../../helpers/repository/damaged-store.ts'
import { rejection } from '../../helpers/failures.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { FaultyStorage } from '../../helpers/storage/faulty.ts'

const A = { 'a.bin': seededNoise(1, 40_000), 'same.bin': seededNoise(2, 40_000) }
const B = { 'b.bin': seededNoise(3, 40_000), 'same.bin': seededNoise(2, 40_000) }

const repaired = (store: DamagedStore, request: Partial<RepairRequest> = {}): Promise<RepairResult> =>
  repair(store.context(), { dryRun: false, giveUp: false, ...request })

const pruned = async (store: DamagedStore) =>
  prune(store.context(), await openForPrune(store.context()), { waits: NO_GRACE_PERIODS, dryRun: false })

const checked = (store: DamagedStore) => check(store.context(), { readData: 1 })

/** Two versions of data, the first of them with a tag, and no damage. */
async function twoVersions(store: DamagedStore): Promise<void> {
  await store.push('data', A)
  await tagNewest(store, 'first')
  await store.push('data', B)
}

async function tagNewest(store: DamagedStore, tag: string): Promise<void> {
  store.clock.ms += 1000
  const repository = await openForReading(store.context())
  const newest = await newestSnapshot(repository, repository.view, 'data')
  await changeTags(store.context(), repository, newest!, { add: [tag], remove: [], move: false })
}

async function expectHealed(store: DamagedStore): Promise<void> {
  const { problems, affected, incomplete } = await checked(store)
  expect({ problems, affected, incomplete }).toEqual({ problems: [], affected: [], incomplete: 0 })
  expect(await store.pull('data')).toEqual([])
  expect(await store.pull('data@first')).toEqual([])
}

test('a whole repository is left as it is', () =>
  withDamagedStore(async store => {
    await twoVersions(store)
    const before = store.state()
    expect(await repaired(store)).toMatchObject({
      packs: 2,
      putBack: [],
      renamed: [],
      tombedPacks: [],
      indexedPacks: 0,
      replacedIndexes: 0,
    })
    expect(await repaired(store, { giveUp: true })).toMatchObject({ givenUp: [] })
    expect(store.state()).toEqual(before)
  }))

test("another program's folder with a config.json of its own is left as it is", () =>
  withDamagedStore(async store => {
    store.memory.plant('config.json', Buffer.from('{"architectures": ["BertModel"], "hidden_size": 768}'))
    store.memory.plant('model.safetensors', Buffer.from('weights'))
    store.memory.plant('vm-snapshot-2026.img', Buffer.from('disk'))
    const before = store.state()
    for (const request of [{ dryRun: true }, {}, { giveUp: true }]) await rejection(repaired(store, request))
    expect(store.state()).toEqual(before)
  }))

test('a folder without objects of a repository gets no config', () =>
  withDamagedStore(async store => {
    store.memory.plant('vm-snapshot-2026.img', Buffer.from('disk'))
    const before = store.state()
    await rejection(repaired(store))
    expect(store.state()).toEqual(before)
  }))

/** What programs do to repositories, without loss: each is named by a check, and healed. */
const HARMLESS: [string, (store: DamagedStore) => Promise<void> | void][] = [
  ...['pack', 'index', 'snapshot', 'label'].flatMap(kind =>
    [
      (name: string) => `Copy of ${name}`,
      (name: string) => `${name} (1)`,
      (name: string) => name.replace(/(\.json)?$/, ' - conflict$1'),
      (name: string) => name.toUpperCase(),
      (name: string) => `.${name}.Xy12Z`,
    ].map((mangle): [string, (store: DamagedStore) => Promise<void>] => [
      `every ${kind} renamed, such as ${mangle(`${kind}-1`)}`,
      async store => {
        for (const name of store.names(`${kind}-`)) await store.rename(name, mangle(name))
      },
    ]),
  ),
  [
    'a second copy of a snapshot',
    store => {
      const name = store.names('snapshot-')[0]!
      store.memory.plant(`Copy of ${name}`, store.bytesOf(name))
    },
  ],
  [
    'a damaged pack, and a good one under another name',
    store => {
      const name = store.names('pack-')[0]!
      store.memory.plant(`${name} (1)`, store.bytesOf(name))
      store.flip(name)
    },
  ],
  ['all indexes lost', store => Promise.all(store.names('index-').map(name => store.memory.remove(name))).then(() => undefined)],
  ['a damaged index', store => store.flip(store.memory.all().findLast(([name]) => name.startsWith('index-'))![0])],
  ['all indexes damaged', store => store.names('index-').forEach(name => store.flip(name))],
  ['a damaged config', store => store.memory.plant('config.json', Buffer.from('{"forma'))],
  ['no config', store => store.memory.remove('config.json')],
  [
    'every object is a copy under another name',
    async store => {
      for (const name of store.names()) await store.rename(name, `Copy of ${name}`)
    },
  ],
  [
    'an index that says other things than the packs',
    store => {
      for (const name of store.names('index-')) {
        const { packs, supersedes } = decodeIndex(store.bytesOf(name), name.slice('index-'.length))
        const changed = packs.map(pack => {
          // other ids for the chunks; what remains is a valid directory
          const directoryBytes = pack.directoryBytes.slice()
          directoryBytes[directoryBytes.length - 1]! ^= 1
          return { ...pack, directoryBytes }
        })
        const lie = encodeIndex({ packs: changed, supersedes: [...supersedes, name.slice('index-'.length)] }, seededNoise(7, 16))
        store.memory.plant(indexName(lie.id), lie.bytes)
      }
    },
  ],
]

describe.each(HARMLESS)('%s', (what, harm) => {
  test('is named by a check, and healed', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      const packs = store.names('pack-').map(name => store.bytesOf(name))
      await harm(store)
      const found = await check(store.context(), { readData: 1 }).catch((error: unknown) => error as AppError)
      if (!(found instanceof AppError) && store.names('index-').length > 0) expect(found.problems).not.toEqual([])
      const before = store.state()
      await repaired(store, { dryRun: true })
      expect(store.state()).toEqual(before)
      const { left } = await repaired(store)
      expect(left).toMatchObject({ problems: [], affected: [] })
      await expectHealed(store)
      expect(store.names('pack-').map(name => store.bytesOf(name))).toEqual(packs)
      await repaired(store)
      await expectHealed(store)
    }))

  const isOneOfMany = /renamed/.test(what) && !what.includes('Copy of')
  test.skipIf(isOneOfMany)('is healed by a repair that died at any request and is run again', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      await harm(store)
      const start = store.memory.all()
      for (let died = true, nth = 1; died; nth++) {
        for (const name of store.names()) await store.memory.remove(name)
        for (const [name, bytes, created] of start) store.memory.plant(name, bytes, created)
        let calls = 0
        const storage = new FaultyStorage(store.memory, ({ kind }) => {
          if (kind !== 'put' && kind !== 'remove') return undefined
          return ++calls >= nth ? { fault: 'error', code: 'unavailable' } : undefined
        })
        const end: unknown = await repair(store.context(storage), { dryRun: false, giveUp: false }).catch((error: unknown) => error)
        died = end instanceof AppError
        expect(await repaired(store)).toMatchObject({ left: { problems: [], affected: [] } })
        await expectHealed(store)
      }
    }),
  )
})

describe('a damaged pack', () => {
  test('is taken out of use: the next push of the sources stores its content anew, for all versions', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      const pack = store.names('pack-').find(name => store.bytesOf(name).length > 80_000)!
      store.flip(pack)
      expect((await checked(store)).affected.length).toBeGreaterThan(0)

      const { tombedPacks, left } = await repaired(store)
      expect(tombedPacks).toEqual([pack.slice('pack-'.length)])
      expect(left.affected.map(({ path }) => path)).toContain('a.bin')
      expect(await store.pull('data@first')).toEqual(['a.bin'])
      expect((await repaired(store)).tombedPacks).toEqual([])

      await store.push('data', { ...B, ...A })
      expect(await checked(store)).toMatchObject({ affected: [], problems: [], outOfUse: 1 })
      expect(await store.pull('data@first')).toEqual([])

      store.clock.ms += DAY
      // the first one copies the manifest out of the pack
      for (let run = 0; run < 2; run++) await pruned(store)
      expect(store.names('pack-')).not.toContain(pack)
      await expectHealed(store)
    }))

  test('that reads right the second time stays in use', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      const pack = store.names('pack-')[0]!
      let reads = 0
      const storage = new FaultyStorage(store.memory, ({ kind, name }) => {
        if (kind !== 'get' || name !== pack) return undefined
        return ++reads === 1 ? { fault: 'flip', bit: 800 } : undefined
      })
      expect(await repair(store.context(storage), { dryRun: false, giveUp: false })).toMatchObject({ tombedPacks: [] })
      expect(store.names('tomb-')).toEqual([])
    }))
})

describe('what can not be healed', () => {
  test('a version that lacks data stays, until it is given up; the others stay all the same', () =>
    withDamagedStore(async store => {
      await store.push('data', A)
      await tagNewest(store, 'first')
      await store.push('other', { 'other.bin': seededNoise(9, 20_000) })
      await store.memory.remove(store.names('pack-').find(name => store.bytesOf(name).length > 80_000)!)
      const { left } = await repaired(store)
      expect(new Set(left.affected.map(({ name }) => name))).toEqual(new Set(['data']))
      store.clock.ms += HOUR
      expect(store.names('snapshot-')).toHaveLength(2)
      expect(await repaired(store, { giveUp: true, dryRun: true })).toMatchObject({
        givenUp: [expect.stringContaining('-data.json'), store.only('label-')],
      })
      expect(store.names('snapshot-')).toHaveLength(2)
      expect(await repaired(store, { giveUp: true })).toMatchObject({ left: { problems: [], affected: [] } })
      expect(store.names('snapshot-')).toEqual([expect.stringContaining('-other.json')])
      expect(await store.pull('other')).toEqual([])
    }))

  test.each([0, HOUR])('a version whose pack a listing does not show is given up only when it is old (%i ms)', age =>
    withDamagedStore(async store => {
      await store.push('data', A)
      store.clock.ms += age
      const hides = (name: string): boolean => name.startsWith('pack-')
      const storage = new FaultyStorage(store.memory, ({ kind }) => (kind === 'list' ? { fault: 'hide', hides } : undefined))
      const { givenUp } = await repair(store.context(storage), { dryRun: false, giveUp: true })
      expect(givenUp).toHaveLength(age === 0 ? 0 : 1)
      expect(store.names('snapshot-')).toHaveLength(age === 0 ? 1 : 0)
      if (age === 0) expect(store.warnings.join()).toContain('is not given up')
    }),
  )

  test('no version is given up while a listing does not show the pack that got its name back', () =>
    withDamagedStore(async store => {
      await store.push('data', A)
      store.clock.ms += DAY
      const pack = store.only('pack-')
      await store.rename(pack, `${pack} (1)`)
      const lagging = new FaultyStorage(store.memory, ({ kind }) =>
        kind === 'list' ? { fault: 'hide', hides: name => name === pack } : undefined,
      )
      expect(await repair(store.context(lagging), { dryRun: false, giveUp: true })).toMatchObject({ givenUp: [] })
      expect(await repaired(store, { giveUp: true })).toMatchObject({ givenUp: [], left: { problems: [], affected: [] } })
      expect(await store.pull('data')).toEqual([])
    }))

  test('a dry run gives up no object that gets its name back', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      for (const name of [store.only('label-'), store.names('snapshot-')[1]!]) await store.rename(name, `Copy of ${name}`)
      expect(await repaired(store, { giveUp: true, dryRun: true })).toMatchObject({ givenUp: [] })
    }))

  test("a newer program's packs and versions stay in use, and are never given up", () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      const chunk = seededNoise(5, 5000)
      const block = rawBlock(chunk)
      const pack = encodePack([{ ...block, block: { ...block.block, filter: 200 } }], seededNoise(6, 16))
      store.memory.plant(packName(pack.id), pack.bytes)
      const manifest = { bytes: chunk.length, chunks: [toHex(sha256(chunk))] }
      const ms = store.clock.ms
      const { objectName, bytes } = encodeSnapshot(aSnapshot({ name: 'newer', time: ms, listed: ms, manifest }))
      store.memory.plant(objectName, bytes)
      store.clock.ms += DAY
      expect((await checked(store)).problems.join()).toContain('was made by a newer colab-escape')
      expect(await repaired(store, { giveUp: true })).toMatchObject({ tombedPacks: [], givenUp: [] })
      expect(store.names()).toEqual(expect.arrayContaining([packName(pack.id), objectName]))
    }))

  test('a version that is forgotten during a check is no damage', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      const gone = store.names('snapshot-')[0]!
      const storage = new FaultyStorage(store.memory, ({ kind, name }) =>
        kind === 'get' && name === gone ? { fault: 'error', code: 'not-found' } : undefined,
      )
      expect(await check(store.context(storage), { readData: 0 })).toMatchObject({ snapshots: 1, affected: [], problems: [] })
    }))

  test.each(['label', 'tomb', 'snapshot'])('a damaged %s is named, and given up only if that is asked for', kind =>
    withDamagedStore(async store => {
      await twoVersions(store)
      await store.push('other', B)
      const tomb = encodeTomb({ kind: 'packs', packs: [] }, '0'.repeat(32))
      store.memory.plant(tombName(tomb.id), tomb.bytes)
      const name = store.names(`${kind}-`).at(-1)!
      store.flip(name, 20)
      const { left } = await repaired(store)
      expect(left.problems.length + left.affected.length).toBeGreaterThan(0)
      expect(store.names()).toContain(name)
      await rejection(
        openForPrune(store.context()).then(opened => prune(store.context(), opened, { waits: NO_GRACE_PERIODS, dryRun: false })),
      )
      expect(await repaired(store, { giveUp: true })).toMatchObject({ givenUp: [name], left: { problems: [], affected: [] } })
      expect(store.names()).not.toContain(name)
    }),
  )

  test('a snapshot under a changed name with one other digit in it becomes no version', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      const name = store.names('snapshot-')[0]!
      const text = Buffer.from(store.bytesOf(name)).toString()
      await store.memory.remove(name)
      store.memory.plant(
        `Copy of ${name}`,
        Buffer.from(text.replace(/"bytes": (\d)/, (_, digit: string) => `"bytes": ${(Number(digit) % 9) + 1}`)),
      )
      expect((await repaired(store)).renamed).toEqual([])
      expect(store.names('snapshot-')).toHaveLength(1)
    }))

  test('an object under a changed name whose bytes are damaged is left; a stranger is never deleted', () =>
    withDamagedStore(async store => {
      await twoVersions(store)
      const [name] = store.names('label-')
      await store.rename(name!, `Copy of ${name}`)
      store.flip(`Copy of ${name}`, 30)
      store.memory.plant('my snapshot-notes.txt', Buffer.from('mine'))
      const { renamed, left } = await repaired(store)
      expect(renamed).toEqual([])
      expect(left.problems).toHaveLength(2)
      expect((await repaired(store, { giveUp: true })).givenUp).toEqual([`Copy of ${name}`])
      expect(store.names()).toContain('my snapshot-notes.txt')
    }))
})

test('objects in the trash are put back, tombs first', () =>
  withDamagedStore(async store => {
    await twoVersions(store)
    const trashed = new Map(
      ['pack-', 'index-', 'snapshot-', 'label-'].flatMap(kind => store.names(kind)).map(name => [name, store.bytesOf(name)]),
    )
    const tomb = encodeTomb({ kind: 'packs', packs: [] }, '0'.repeat(32))
    trashed.set(tombName(tomb.id), tomb.bytes)
    for (const name of trashed.keys()) await store.memory.remove(name)
    const order: string[] = []
    const trash = {
      glance: () => Promise.resolve([]),
      list: () => Promise.resolve([...trashed.keys(), 'letter.txt'].map(name => ({ name, size: 1, created: 0 }))),
      putBack: (name: string) => {
        order.push(name)
        store.memory.plant(name, trashed.get(name)!)
        return Promise.resolve()
      },
      remove: () => Promise.reject(new Error('nothing may be deleted')),
    }
    const { putBack } = await repaired(store, { trash })
    expect(order[0]).toBe(tombName(tomb.id))
    expect(new Set(putBack)).toEqual(new Set(trashed.keys()))
    await expectHealed(store)
  }))

describe('a pack in a bad sector', () => {
  const failing = (store: DamagedStore, name: string) =>
    new FaultyStorage(store.memory, call => (call.kind === 'get' && call.name === name ? { fault: 'error', code: 'io' } : undefined))

  test('is named by a check; all other files can be pulled, and nothing is given up', () =>
    withDamagedStore(async store => {
      await store.push('data', A)
      await store.push('data', { ...A, 'late.bin': seededNoise(8, 40_000) })
      const late = store.memory.all().findLast(([name]) => name.startsWith('pack-'))![0]
      const first = store.names('pack-').find(name => name !== late)!
      const storage = failing(store, first)
      const { affected, problems, failures } = await check(store.context(storage), { readData: 1 })
      expect(problems).toHaveLength(1)
      expect(failures).toBeGreaterThan(0)
      expect(new Set(affected.map(({ path }) => path))).toEqual(new Set([undefined, 'a.bin', 'same.bin']))
      expect(await store.pull('data', undefined, storage)).toEqual(['a.bin', 'same.bin'])
      const { tombedPacks } = await repair(store.context(storage), { dryRun: false, giveUp: false })
      expect(tombedPacks).toEqual([])
      await rejection(repair(store.context(storage), { dryRun: false, giveUp: true }), 'io')
      expect(await store.pull('data')).toEqual([])
    }))
})
