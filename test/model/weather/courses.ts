import { chunkOf } from '../means.ts'
import { Loss } from '../truth.ts'
import { HOUR, type Copy } from '../world.ts'
import { copyStore, putBack, strike, targets, YEAR } from './events.ts'
import { LIES } from './liar.ts'
import type { Climate, Scene } from './scene.ts'

const DAY = 24 * HOUR

interface Course {
  climates: readonly Climate[]
  run: (scene: Scene) => Promise<void>
}

const everywhere = (run: Course['run']): Course => ({ climates: ['folder', 'drive'], run })
const inFolders = (run: Course['run']): Course => ({ climates: ['folder'], run })
const inDrive = (run: Course['run']): Course => ({ climates: ['drive'], run })

/** Packs with the chunk of a file. */
function packsWith(scene: Scene, file: string): Copy[] {
  return targets(scene, 'pack-').filter(({ born }) => scene.promises.physical.chunksOf(born).includes(chunkOf.get(file)!))
}

/** The newest object of a kind. */
function newest(scene: Scene, kind: string): Copy {
  return targets(scene, kind).at(-1)!
}

async function pruneForDays(scene: Scene, days: number): Promise<void> {
  for (let i = 0; i < 3 * days; i++) {
    scene.pause(8 * HOUR)
    await scene.prune()
  }
}

/** Two machines have pushed the same at the same time: each pack has a twin with other bytes of another name. */
async function pushTwice(scene: Scene, files: readonly string[]): Promise<void> {
  const before = new Set(targets(scene))
  await scene.push('x', files)
  const first = targets(scene).filter(copy => !before.has(copy))
  for (const copy of first) copy.trashed = true
  await scene.push('y', files)
  for (const copy of first) copy.trashed = false
  scene.promises.struckNow()
}

function expect(isTrue: boolean, kind: Loss['kind'], message: string): void {
  if (!isTrue) throw new Loss(kind, message)
}

const FILES = ['a', 'b', 'c', 'd', 'e']

/** What people have lost, or would have, step by step. */
export const COURSES: Record<string, Course> = {
  'a copied store loses a pack, and prunes go on': everywhere(async scene => {
    await scene.push('x', FILES)
    scene.pause(9 * DAY)
    copyStore(scene)
    await scene.look()
    strike(scene, 'loss', packsWith(scene, 'a')[0]!)
    await scene.look()
    await scene.check()
    await pruneForDays(scene, 3)
    await scene.check({ reading: true })
  }),
  'a copied store loses an index and the newest pack, and a push keeps its last version only': everywhere(async scene => {
    await scene.push('x', ['a', 'b'])
    scene.pause(DAY)
    await scene.push('x', FILES)
    copyStore(scene)
    strike(scene, 'loss', newest(scene, 'index-'))
    strike(scene, 'loss', packsWith(scene, 'e')[0]!)
    scene.pause(2 * DAY)
    await scene.push('x', ['a'])
    await scene.forget(['x'], { last: 1 })
    await pruneForDays(scene, 3)
  }),
  'one of two packs with the same chunks rots, and a prune deletes one': inFolders(async scene => {
    await pushTwice(scene, FILES)
    const [one] = packsWith(scene, 'a')
    strike(scene, 'rot', one!)
    await scene.look()
    await scene.prune({ now: true })
    await pruneForDays(scene, 2)
    await scene.check({ reading: true })
  }),
  'the other one of two packs with the same chunks rots': inFolders(async scene => {
    await pushTwice(scene, FILES)
    strike(scene, 'rot', packsWith(scene, 'a').at(-1)!)
    await scene.prune({ now: true })
    await pruneForDays(scene, 2)
    await scene.check({ reading: true })
  }),
  'a pack rots, is found, is repaired, and the source is pushed again': everywhere(async scene => {
    await scene.push('x', FILES)
    strike(scene, 'rot', packsWith(scene, 'a')[0]!)
    await scene.push('y', FILES)
    await scene.check({ reading: true })
    expect(await scene.repair(), 'offer', 'the repair refuses')
    expect(await scene.push('x', FILES), 'offer', 'the push refuses')
    await scene.check({ reading: true })
    const holdings = scene.promises.physical.holdings('seen')
    expect(
      FILES.every(file => holdings.has(chunkOf.get(file)!)),
      'receipt',
      'a push after a repair has not healed the source',
    )
  }),
  'a label is damaged, and a forget keeps a tag': everywhere(async scene => {
    await scene.push('x', ['a', 'c'])
    await scene.tag({ name: 'x' }, { add: ['keep'] })
    await scene.push('x', ['b', 'c'])
    await scene.push('x', ['c', 'd'])
    strike(scene, 'rot', newest(scene, 'label-'))
    await scene.check()
    await scene.forget(['x'], { last: 1, tags: ['keep'] })
    await scene.check({ reading: true })
  }),
  'a label is renamed, and a forget keeps a tag': everywhere(async scene => {
    await scene.push('x', ['a', 'c'])
    await scene.tag({ name: 'x' }, { add: ['keep'] })
    await scene.push('x', ['b', 'c'])
    strike(scene, 'rename', newest(scene, 'label-'))
    await scene.forget(['x'], { last: 1, tags: ['keep'] })
    await scene.check()
    await scene.repair()
    await scene.forget(['x'], { last: 1, tags: ['keep'] })
  }),
  'a snapshot is renamed, and prunes go on': everywhere(async scene => {
    await scene.push('y', ['a', 'b'])
    await scene.tag({ name: 'y' }, { add: ['keep'] })
    await scene.push('x', ['c', 'd'])
    strike(scene, 'rename', targets(scene, 'snapshot-')[0]!)
    await scene.check()
    await scene.prune({ now: true })
    await pruneForDays(scene, 3)
    await scene.repair()
    await scene.check({ reading: true })
  }),
  'a version of the year 9999 is there, and pushes go on': everywhere(async scene => {
    await scene.push('x', ['a', 'b'])
    scene.pause()
    LIES.addFarSnapshot(scene)
    scene.pause()
    expect(await scene.push('x', ['c', 'd']), 'offer', 'the push refuses')
    await scene.prune({ now: true })
    await pruneForDays(scene, 2)
    await scene.forget(['x'], { last: 1 })
    await scene.check({ reading: true })
  }),
  'a push under a clock far ahead, and a forget that keeps days': everywhere(async scene => {
    await scene.push('x', ['a'])
    scene.world.clock = 73 * YEAR
    await scene.push('x', ['b'])
    scene.world.clock = 0
    for (const file of ['c', 'd', 'e', 'a']) {
      scene.pause(DAY)
      await scene.push('x', [file])
    }
    await scene.forget(['x'], { daily: 5 })
  }),
  'a tag is set, removed and set again, and the store is copied': everywhere(async scene => {
    await scene.push('x', ['a'])
    for (let i = 0; i < 3; i++) {
      await scene.tag({ name: 'x' }, { add: ['keep'] })
      await scene.tag({ name: 'x' }, { remove: ['keep'] })
    }
    await scene.tag({ name: 'x' }, { add: ['keep'] })
    await scene.push('x', ['b'])
    for (let i = 0; i < 4; i++) {
      copyStore(scene)
      await scene.look()
    }
    await scene.forget(['x'], { last: 1, tags: ['keep'] })
  }),
  'an index lies about an honest pack, and a garbage pack claims its chunks': everywhere(async scene => {
    await scene.push('x', FILES)
    LIES.lieAboutPack(scene, packsWith(scene, 'a')[0])
    LIES.claimChunks(scene, packsWith(scene, 'a')[0])
    await scene.check({ reading: true })
    await scene.prune({ now: true })
    await pruneForDays(scene, 3)
    await scene.repair()
    await scene.check({ reading: true })
  }),
  'an index lies about an honest pack, and the source is pushed again': everywhere(async scene => {
    await scene.push('x', FILES)
    LIES.lieAboutPack(scene, packsWith(scene, 'a')[0])
    await scene.push('y', FILES)
    await pruneForDays(scene, 2)
  }),
  'a snapshot lies in the trash, and prunes go on until it is put back': inDrive(async scene => {
    await scene.push('y', ['a', 'b'])
    await scene.tag({ name: 'y' }, { add: ['keep'] })
    await scene.push('x', ['c', 'd'])
    strike(scene, 'trash', targets(scene, 'snapshot-')[0]!)
    await pruneForDays(scene, 3)
    putBack(scene)
    await scene.look()
  }),
  'a pack rots, and a good copy of it has another name': everywhere(async scene => {
    await scene.push('x', FILES)
    const [pack] = packsWith(scene, 'a')
    const twin = { ...pack! }
    scene.world.copies.push(twin)
    strike(scene, 'rename', twin)
    strike(scene, 'rot', pack!)
    await scene.check({ reading: true })
    await scene.prune({ now: true })
    await pruneForDays(scene, 2)
    await scene.repair()
    await scene.check({ reading: true })
  }),
  'a pack rots and its index is gone, and the source is pushed again': everywhere(async scene => {
    await scene.push('x', FILES)
    const [pack] = packsWith(scene, 'a')
    pack!.bytes = pack!.bytes.with(100, pack!.bytes[100]! ^ 1)
    scene.isHarmed = true
    for (const index of targets(scene, 'index-')) strike(scene, 'loss', index)
    await scene.push('y', FILES)
    await scene.check({ reading: true })
  }),
  'the newest snapshot rots, and what the one before holds is pushed again': everywhere(async scene => {
    await scene.push('x', ['a'])
    await scene.push('x', ['b'])
    strike(scene, 'rot', newest(scene, 'snapshot-'))
    await scene.push('x', ['a'])
  }),
  'a tomb of a liar names an honest pack, and a garbage pack claims its chunks': everywhere(async scene => {
    await scene.push('x', FILES)
    LIES.addTomb(scene)
    LIES.claimChunks(scene, packsWith(scene, 'a')[0])
    await scene.prune({ now: true })
    await pruneForDays(scene, 2)
  }),
  'a garbage pack claims chunks, and a check reads all data': everywhere(async scene => {
    await scene.push('x', FILES)
    LIES.claimChunks(scene)
    await scene.check({ reading: true, named: newest(scene, 'pack-').name.slice('pack-'.length, 'pack-'.length + 12) })
  }),
  'two tombs rot': everywhere(async scene => {
    await scene.push('x', FILES)
    LIES.addTomb(scene)
    LIES.addTomb(scene)
    for (const tomb of targets(scene, 'tomb-')) strike(scene, 'rot', tomb)
    await scene.check()
  }),
  'a snapshot and a pack lie in the trash, and prunes go on': inDrive(async scene => {
    await scene.push('x', ['a', 'b'])
    await scene.push('y', ['a', 'c'])
    strike(scene, 'trash', newest(scene, 'snapshot-'))
    await scene.prune({ now: true })
    await pruneForDays(scene, 3)
    putBack(scene)
    await scene.look()
  }),
  'a copy of a snapshot under another name rots, and is repaired': inFolders(async scene => {
    await scene.push('x', ['a', 'b'])
    const twin = { ...newest(scene, 'snapshot-') }
    scene.world.copies.push(twin)
    strike(scene, 'rename', twin)
    const text = Buffer.from(twin.bytes).toString()
    twin.bytes = Buffer.from(text.replace(/"files": 2/, '"files": 3'))
    await scene.repair()
    expect(targets(scene, 'snapshot-').length === 1, 'version', 'a repair makes a version of damaged bytes')
    await scene.push('x', ['c'])
  }),
  'the config is damaged': everywhere(async scene => {
    await scene.push('x', FILES)
    strike(scene, 'rot', targets(scene, 'config')[0]!)
    await scene.look()
    await scene.repair()
    await scene.check()
  }),
  'a push under a clock far behind, and a forget that keeps the last': everywhere(async scene => {
    await scene.push('x', ['a'])
    scene.world.clock = -3 * YEAR
    await scene.push('x', ['b'])
    scene.world.clock = 0
    await scene.forget(['x'], { last: 1 })
  }),
  'a forget that keeps days under a clock far behind': everywhere(async scene => {
    for (const file of ['a', 'b', 'c']) {
      await scene.push('x', [file])
      scene.pause(DAY)
    }
    scene.world.clock = -46 * YEAR
    await scene.forget(['x'], { daily: 5 })
  }),
  'a tag is removed under a clock far behind': everywhere(async scene => {
    await scene.push('x', ['a'])
    await scene.tag({ name: 'x' }, { add: ['keep'] })
    scene.world.clock = -3 * YEAR
    await scene.tag({ name: 'x' }, { remove: ['keep'] })
    scene.world.clock = 0
    await scene.look()
  }),
  'a tag is set under a clock far ahead, removed, and set again': everywhere(async scene => {
    await scene.push('x', ['a'])
    scene.world.clock = 73 * YEAR
    await scene.tag({ name: 'x' }, { add: ['keep'] })
    await scene.tag({ name: 'x' }, { remove: ['keep'] })
    scene.world.clock = 0
    await scene.tag({ name: 'x' }, { add: ['keep'] })
    await scene.push('x', ['b'])
    await scene.forget(['x'], { last: 1, tags: ['keep'] })
  }),
}
