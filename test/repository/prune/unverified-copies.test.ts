import { describe, expect, test } from 'vitest'
import type { IndexedPack } from '../../../src/repository/format/index-object.ts'
import { packName, tombName } from '../../../src/repository/format/object-names.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS, SAFE_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import { FolderStorage } from '../../../src/storage/folder.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { sha256 } from '../../../src/util/hash.ts'
import { driveStorage, withDrive } from '../../helpers/drive.ts'
import { withFolder } from '../../helpers/folders.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { predictedBlock } from '../../helpers/repository/predicted.ts'
import { FaultyStorage } from '../../helpers/storage/faulty.ts'
import { blocks, ChecksumStorage, chunk, context, DamageScene, garbage, lie, packsIn, pruneOften, readable } from './damage-scene.ts'

/** Runs a test on each kind of store that a scene can be put into. */
const STORES: Record<string, (scene: DamageScene, use: (storage: Storage) => Promise<void>) => Promise<void>> = {
  memory: (scene, use) => use(scene.store.memory),
  folder: (scene, use) =>
    withFolder(async folder => {
      const storage = new FolderStorage(folder)
      await scene.putInto(storage)
      await use(storage)
    }),
  Drive: (scene, use) =>
    withDrive({}, async emulator => {
      const storage = driveStorage(emulator)
      await scene.putInto(storage)
      await use(storage)
    }),
}

/** Prunes, expects that everything is still readable that was, and gives the problems that were told. */
async function pruneSafely(storage: Storage): Promise<string[]> {
  const before = await readable(storage)
  const problems = (await pruneOften(storage)).flatMap(result => result.problems)
  expect(await readable(storage)).toEqual(before)
  return [...new Set(problems)]
}

/** A damaged pack that is still there was named. */
async function expectNamed(storage: Storage, pack: IndexedPack, problems: readonly string[]): Promise<void> {
  if ((await packsIn(storage)).includes(pack.id)) expect(problems.join()).toContain(`Pack ${short(pack)} is damaged`)
}

const short = ({ id }: { id: string }): string => id.slice(0, 12)

describe.each(Object.keys(STORES))('in a %s store', kind => {
  const within = (scene: DamageScene, use: (storage: Storage) => Promise<void>): Promise<void> => STORES[kind]!(scene, use)

  const variants = ['older', 'newer'].flatMap(rotten =>
    ['whole', 'sparse'].flatMap(good => ['to mark', 'to sweep'].map(state => ({ rotten, good, state }))),
  )
  test.each(variants)(
    'the good one of two copies stays: the other, rotten, is $rotten; the good pack is $good and $state',
    async variant => {
      const scene = new DamageScene()
      // a sparse pack holds chunks that nobody needs
      const make = (isRotten: boolean) => scene.pack(blocks(1, 2, 3, ...(isRotten || variant.good === 'whole' ? [] : [4, 5, 6, 7])))
      const first = await make(variant.rotten === 'older')
      const second = await make(variant.rotten === 'newer')
      await scene.version('data', 1, 2, 3)
      const [bad, good] = variant.rotten === 'older' ? [first, second] : [second, first]
      await scene.rot(bad, 1)
      if (variant.state === 'to sweep') await scene.tomb(good)
      await within(scene, async storage => {
        const problems = await pruneSafely(storage)
        expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2', 'data chunk 3'])
        await expectNamed(storage, bad, problems)
      })
    },
  )

  test('an index that lies about a pack does not get it deleted', async () => {
    const scene = new DamageScene()
    const honest = await scene.store.pack(blocks(1, 2))
    const true_ = await scene.store.index([honest])
    await scene.version('data', 1, 2)
    const decoy = await scene.store.pack([rawBlock(chunk(8)), rawBlock(chunk(9))])
    const liar = await scene.store.index([lie(honest, 8, 9), lie(decoy, 1, 2)], [true_])
    await within(scene, async storage => {
      const first = await prune(context(storage), await openForPrune(context(storage)), { waits: NO_GRACE_PERIODS, dryRun: false })
      for (const pack of [honest, decoy])
        expect(first.problems.join('\n')).toMatch(new RegExp(`Pack ${short(pack)} holds other chunks than index ${liar.slice(0, 12)} says`))
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
      // the index is right now, and what nobody needs is freed
      expect((await pruneOften(storage)).at(-1)!.problems).toEqual([])
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
      expect(await packsIn(storage)).not.toContain(decoy.id)
    })
  })

  test('where two indexes differ about a pack, the pack decides', async () => {
    const scene = new DamageScene()
    const honest = await scene.pack(blocks(1, 2))
    await scene.version('data', 1, 2)
    const decoy = await scene.store.pack(blocks(8, 9))
    await scene.store.index([lie(honest, 8, 9), lie(decoy, 1, 2)])
    await within(scene, async storage => {
      const problems = await pruneSafely(storage)
      expect(problems.join('\n')).toMatch(new RegExp(`Indexes \\w{12} and \\w{12} differ about pack ${short(honest)}`))
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
    })
  })

  test.each(['older', 'newer'])('a garbage pack, $0, whose own directory claims the chunks does not replace the honest one', async age => {
    const scene = new DamageScene()
    const make = [() => scene.pack([garbage(1, 2)]), () => scene.pack(blocks(1, 2))]
    const packs = []
    for (const one of age === 'older' ? make : make.reverse()) packs.push(await one())
    const [liar] = age === 'older' ? packs : packs.reverse()
    await scene.version('data', 1, 2)
    await within(scene, async storage => {
      const problems = await pruneSafely(storage)
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
      await expectNamed(storage, liar!, problems)
    })
  })

  test('a garbage pack in a sparse pack is not copied in place of the honest one', async () => {
    const scene = new DamageScene()
    await scene.pack(blocks(1, 2, 20, 21, 22, 23))
    await scene.pack([garbage(1, 2), ...blocks(10, 11, 12)])
    await scene.version('data', 1, 2)
    await within(scene, async storage => {
      await pruneSafely(storage)
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
    })
  })

  test.each(['base', 'delta'] as const)('a chain whose %s is rotten does not replace a standalone copy', async part => {
    const scene = new DamageScene()
    const base = chunk(1)
    const delta = { plain: chunk(2), depth: 1, bases: [base] }
    const lower = await scene.pack([rawBlock(base)])
    const upper = await scene.pack([predictedBlock('delta', [delta])])
    const standalone = await scene.pack(blocks(1, 2))
    await scene.version('data', 1, 2)
    await scene.rot(part === 'base' ? lower : upper)
    await scene.tomb(standalone)
    await within(scene, async storage => {
      const problems = await pruneSafely(storage)
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
      expect(problems.join()).toContain(`Pack ${short(part === 'base' ? lower : upper)} is damaged`)
    })
  })

  test('a base of a good copy stays where the copy that needs no such base is rotten', async () => {
    const scene = new DamageScene()
    await scene.pack(blocks(0))
    const rotten = await scene.pack([predictedBlock('delta', [{ plain: chunk(4), depth: 1, bases: [chunk(0)] }])])
    await scene.pack([predictedBlock('delta', [{ plain: chunk(4), depth: 2, bases: [chunk(3)] }]), ...blocks(5, 6, 7)])
    await scene.pack(blocks(3))
    await scene.version('data', 0, 4, 5, 6, 7)
    await scene.rot(rotten)
    await within(scene, async storage => {
      await pruneSafely(storage)
      expect(await readable(storage)).toContain('data chunk 4')
    })
  })

  test('of a damaged pack in a tomb the good chunks are copied; it stays for the others, and the rest is freed', async () => {
    const scene = new DamageScene()
    const damaged = await scene.pack(blocks(1, 2, 3))
    const unneeded = await scene.pack(blocks(8, 9))
    await scene.version('data', 1, 2, 3)
    await scene.rot(damaged, 1)
    await scene.tomb(damaged)
    await within(scene, async storage => {
      const problems = await pruneSafely(storage)
      expect(problems.join('\n')).toMatch(new RegExp(`Pack ${short(damaged)} was left as it is: chunk \\w{12} in pack`))
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 3'])
      const packs = await packsIn(storage)
      expect(packs).toContain(damaged.id)
      expect(packs).not.toContain(unneeded.id)
      // what was good does not need the pack any more
      await storage.remove(packName(damaged.id))
      const moved = await openForPrune(context(storage))
      expect([1, 3].map(number => moved.repository.index.find(rawBlock(chunk(number)).chunkIds) >= 0)).toEqual([true, true])
    })
  })

  test('of two damaged packs in tombs each gives what is good in it, then both go', async () => {
    const scene = new DamageScene()
    const one = await scene.pack(blocks(1, 2, 3))
    const two = await scene.pack(blocks(1, 2, 3))
    await scene.version('data', 1, 2, 3)
    await scene.rot(one, 1)
    await scene.rot(two, 2)
    await scene.tomb(one, two)
    await within(scene, async storage => {
      await pruneSafely(storage)
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2', 'data chunk 3'])
      expect((await packsIn(storage)).filter(id => id === one.id || id === two.id)).toEqual([])
      expect((await pruneOften(storage, 1))[0]!.problems).toEqual([])
    })
  })

  test('packs that hold a chunk of which every copy is damaged stay as they are', async () => {
    const scene = new DamageScene()
    const one = await scene.pack(blocks(1, 2, 20, 21, 22))
    const two = await scene.pack(blocks(1, 2, 30, 31, 32))
    const unneeded = await scene.pack(blocks(8))
    await scene.version('data', 1, 2)
    for (const pack of [one, two]) await scene.rot(pack, 0)
    await within(scene, async storage => {
      const problems = await pruneSafely(storage)
      expect(problems.length).toBeGreaterThan(0)
      const packs = await packsIn(storage)
      expect([one, two, unneeded].map(({ id }) => packs.includes(id))).toEqual([true, true, false])
    })
  })

  test('nothing relies on a pack whose directory is damaged', async () => {
    const scene = new DamageScene()
    const damaged = await scene.pack(blocks(1, 2))
    const good = await scene.pack(blocks(1, 2))
    await scene.version('data', 1, 2)
    await scene.rot(damaged, -1)
    await scene.tomb(good)
    await within(scene, async storage => {
      await pruneSafely(storage)
      // as after a loss of the indexes
      for (const { name } of (await storage.list()).objects) if (name.startsWith('index-')) await storage.remove(name)
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
    })
  })

  test('what a forget has just freed is checked like all else', async () => {
    const scene = new DamageScene()
    const rotten = await scene.pack(blocks(1, 2))
    await scene.version('data', 1, 2)
    await scene.pack(blocks(1, 2, 3, 4, 5, 6))
    await scene.version('old', 1, 2, 3, 4, 5, 6)
    await scene.rot(rotten)
    await within(scene, async storage => {
      const request = { names: ['old'], policy: {}, all: true, dryRun: false }
      const { pruned } = await forget(context(storage), { ...request, waits: { ...SAFE_GRACE_PERIODS, graceMs: NO_GRACE_PERIODS.graceMs } })
      expect(pruned!.problems.join()).toContain(`Pack ${short(rotten)} is damaged`)
      await pruneOften(storage)
      expect(await readable(storage)).toEqual(['data chunk 1', 'data chunk 2'])
    })
  })
})

test('a marker does not lift a tomb of packs that are still there', async () => {
  const scene = new DamageScene()
  const needed = await scene.pack(blocks(1))
  await scene.version('data', 1)
  const tomb = await scene.store.tomb({ kind: 'packs', packs: [needed.id] })
  await scene.store.tomb({ kind: 'marker', spent: [tomb] })
  const opened = await openForPrune(context(scene.store.memory))
  await prune(context(scene.store.memory), opened, { waits: { ...NO_GRACE_PERIODS, lagMs: SAFE_GRACE_PERIODS.lagMs }, dryRun: false })
  const names = (await scene.store.memory.list()).objects.map(({ name }) => name)
  expect(names).toContain(packName(needed.id))
  expect(names).toContain(tombName(tomb))
})

test('a pack that no index names and whose checksum is wrong is not relied on', async () => {
  const scene = new DamageScene()
  const rotten = await scene.pack(blocks(1, 2), false)
  await scene.rot(rotten)
  const { repository } = await openForPrune(context(new ChecksumStorage(scene.store.memory)))
  expect(repository.index.present.find(sha256(chunk(1)))).toBe(-1)
  expect(repository.view.problems.map(({ message }) => message).join()).toContain(`Pack ${short(rotten)} is damaged`)
})

test('with honest indexes, each pack that goes costs one small read, and each that is relied on another for its blocks', async () => {
  const scene = new DamageScene()
  const goes = [await scene.pack(blocks(1, 20, 21, 22)), await scene.pack(blocks(30, 31))]
  const stays: IndexedPack[] = []
  for (let i = 40; i < 50; i++) stays.push(await scene.pack(blocks(i)))
  await scene.version('data', 1, ...stays.map((_, i) => 40 + i))
  const calls: string[] = []
  const counted = new FaultyStorage(new ChecksumStorage(scene.store.memory), ({ kind, name }) => {
    if (kind === 'get' && name.startsWith('pack-')) calls.push(name.slice(5))
    return undefined
  })
  const run = async (): Promise<string[]> => {
    const opened = await openForPrune(context(counted))
    calls.length = 0
    await prune(context(counted), opened, { waits: NO_GRACE_PERIODS, dryRun: false })
    return calls.filter(id => [...goes, ...stays].some(pack => pack.id === id) || !manifests.includes(id)).sort()
  }
  const made = (await packsIn(counted)).filter(id => ![...goes, ...stays].some(pack => pack.id === id))
  const manifests = made
  // the directories of both, and what is copied of the sparse one
  expect(await run()).toEqual([goes[0]!.id, goes[0]!.id, goes[1]!.id].sort())
  const copies = (await packsIn(counted)).filter(id => ![...goes, ...stays].some(pack => pack.id === id) && !manifests.includes(id))
  expect(copies.length).toBe(1)
  expect(await run()).toEqual([...goes.map(({ id }) => id), ...copies, ...copies].sort())
  expect(await readable(counted)).toHaveLength(11)
})
