import { encodeDirectory, type Directory, type ListedBlock } from '../../../src/repository/format/directory.ts'
import { encodeIndex } from '../../../src/repository/format/index-object.ts'
import { encodeLabel, encodeTomb } from '../../../src/repository/format/label-and-tomb.ts'
import { indexName, labelName, packName, tombName } from '../../../src/repository/format/object-names.ts'
import { decodePackTail, sealPack } from '../../../src/repository/format/pack.ts'
import { encodeSnapshot } from '../../../src/repository/format/snapshot.ts'
import { short, type Copy } from '../world.ts'
import { targets } from './events.ts'
import type { Scene } from './scene.ts'
import { readSnapshot } from '../../helpers/repository/read-snapshot.ts'

/** What somebody may add who may add objects and delete none. */
export const LIES = { lieAboutPack, claimChunks, addFarSnapshot, addLabel, addTomb }

function nonce({ world }: Scene, bytes = 16): Uint8Array {
  return Uint8Array.from({ length: bytes }, () => Math.floor(world.chance() * 256))
}

function add(scene: Scene, name: string, bytes: Uint8Array): Copy {
  const { world } = scene
  world.time += 1000
  const copy: Copy = { name, born: name, bytes, created: world.storeTime, deleted: undefined, trashed: false }
  scene.isHarmed = true
  world.copies.push(copy)
  world.note(scene.actor, `a liar adds ${short(name)}`)
  return copy
}

function honestPack(scene: Scene): Copy | undefined {
  return scene.world.pick(targets(scene, 'pack-').filter(copy => scene.promises.physical.isIntact(copy) && copy.name === copy.born))
}

/** An index that says that an honest pack holds other chunks. It supersedes all others. */
function lieAboutPack(scene: Scene, pack = honestPack(scene)): void {
  if (!pack) return
  const { name, bytes } = pack
  const id = name.slice('pack-'.length)
  const { blocks, directoryBytes } = directoryOf(bytes, id)
  const lied = encodeDirectory(blocks.map(block => ({ ...block, chunkIds: nonce(scene, block.chunkIds.length), bases: new Map() })))
  // a directory of the same length, so that the blocks fill the pack
  if (lied.length !== directoryBytes.length) return
  const supersedes = targets(scene, 'index-').map(copy => copy.born.slice('index-'.length))
  const index = encodeIndex({ packs: [{ id, size: bytes.length, directoryBytes: lied }], supersedes }, nonce(scene))
  scene.promises.physical.learnIndex(add(scene, indexName(index.id), index.bytes))
}

/** A pack of noise that says to hold the chunks of an honest one. */
function claimChunks(scene: Scene, pack = honestPack(scene)): void {
  if (!pack) return
  const { born, bytes } = pack
  const { blocks, blockBytes } = directoryOf(bytes, born.slice('pack-'.length))
  const garbage = sealPack(nonce(scene, blockBytes), blockBytes, blocks, nonce(scene))
  const { physical } = scene.promises
  physical.claims.set(packName(garbage.id), new Set(physical.chunksOf(born)))
  add(scene, packName(garbage.id), garbage.bytes)
}

function directoryOf(bytes: Uint8Array, id: string): { blocks: ListedBlock[]; directoryBytes: Uint8Array; blockBytes: number } {
  const tail = decodePackTail(bytes, bytes.length, id)
  if (tail.kind !== 'directory') throw new Error('a pack has no directory')
  const { directory, directoryBytes } = tail
  return { blocks: directory.blocks.map((_, i) => listed(directory, i)), directoryBytes, blockBytes: directory.blockBytes }
}

function listed({ blocks, chunkIds, chunkLengths, bases }: Directory, number: number): ListedBlock {
  const { firstChunk, chunkCount, ...block } = blocks[number]!
  const own = Array.from({ length: chunkCount }, (_, i) => [i, bases.get(firstChunk + i)] as const)
  return {
    block,
    chunkIds: chunkIds.slice(32 * firstChunk, 32 * (firstChunk + chunkCount)),
    chunkLengths: [...chunkLengths.slice(firstChunk, firstChunk + chunkCount)],
    bases: new Map(own.flatMap(([i, base]) => (base ? [[i, base] as const] : []))),
  }
}

/** A version of the year 9999 that equals an honest one. */
function addFarSnapshot(scene: Scene): void {
  const { promises, world } = scene
  const versions = promises.standing()
  if (versions.length === 0) return
  const version = world.pick(versions)
  const [copy] = promises.physical.copies('anywhere', version.objectName).filter(copy => promises.physical.isIntact(copy))
  const snapshot = readSnapshot(copy!.bytes)
  const time = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
  const far = encodeSnapshot({ ...snapshot, time, listed: world.storeTime, host: `liar ${world.time}` })
  promises.learn(add(scene, far.objectName, far.bytes), version.files, false)
}

function addLabel(scene: Scene): void {
  const { promises, world } = scene
  const versions = promises.standing()
  if (versions.length === 0) return
  const change = world.happens(0.5) ? { add: ['keep'], remove: [] } : { add: [], remove: ['keep', 'best'] }
  const label = encodeLabel(
    { snapshot: world.pick(versions).id, ...change, time: world.storeTime },
    Buffer.from(nonce(scene)).toString('hex'),
  )
  promises.learn(add(scene, labelName(label.id), label.bytes), new Map())
}

/** A tomb that names every pack. */
function addTomb(scene: Scene): void {
  const packs = targets(scene, 'pack-').map(({ born }) => born.slice('pack-'.length))
  const tomb = encodeTomb({ kind: 'packs', packs: [...new Set(packs)] }, Buffer.from(nonce(scene)).toString('hex'))
  scene.promises.learn(add(scene, tombName(tomb.id), tomb.bytes), new Map())
}
