import { expect, test } from 'vitest'
import { NO_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import type { NewBlock } from '../../../src/repository/format/directory.ts'
import type { IndexedPack } from '../../../src/repository/format/index-object.ts'
import { packName } from '../../../src/repository/format/object-names.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { rawBlockOf } from '../../helpers/repository/arbitraries.ts'
import { predictedBlock } from '../../helpers/repository/predicted.ts'
import { seededRandom } from '../../helpers/seeded.ts'
import { ChecksumStorage, chunk, context, DamageScene, garbage, lie, readable } from './damage-scene.ts'

const CHUNKS = 6
const FROM = Number(process.env.DAMAGE_FROM ?? 1)
const SEEDS = Number(process.env.DAMAGE_SEEDS ?? 100)

/** A repository of some packs with the same few chunks, of which some are damaged, lied about or in tombs. */
async function makeScene(random: () => number, checksums: boolean): Promise<DamageScene> {
  const scene = new DamageScene()
  const below = (limit: number): number => Math.floor(random() * limit)
  const happens = (share: number): boolean => random() < share
  const somePack = (): { content: NewBlock[]; count: number } => {
    const content: NewBlock[] = []
    let count = 0
    for (let left = 1 + below(4); left > 0; left--) {
      const one = below(CHUNKS)
      const kind = below(8)
      if (kind === 0) {
        // a sweep believes the checksum of a pack; that its chunks are right was verified before a prune made the tomb
        if (!checksums) content.push(garbage(one))
      } else if (kind < 4 && one > 0) {
        const base = below(one)
        content.push(predictedBlock('delta', [{ plain: chunk(one), depth: one, bases: [chunk(base)] }]))
      } else if (kind === 4) content.push(rawBlockOf([chunk(100 + below(50))]), rawBlockOf([chunk(200 + below(50))]))
      else content.push(rawBlockOf(kind === 5 ? [chunk(one), chunk((one + 1) % CHUNKS)] : [chunk(one)]))
      count = content.length
    }
    return { content, count }
  }
  const packs: IndexedPack[] = []
  for (let left = 3 + below(4); left > 0; left--) {
    const { content, count } = somePack()
    const pack = await scene.pack(content, happens(0.9))
    if (happens(0.25)) await scene.rot(pack, below(count + 1) - 1)
    packs.push(pack)
  }
  // every chunk is there once at least, so that most prunes do not stop at the first that is missing
  packs.push(await scene.pack([rawBlockOf([0, 1, 2].map(chunk))]), await scene.pack([3, 4, 5].map(number => rawBlockOf([chunk(number)]))))
  if (happens(0.2)) await scene.rot(packs.at(-1)!, below(3))
  if (happens(0.3)) {
    const others = [10, 11, 12, 13, 14, 15].slice(0, 3)
    await scene.store.index([lie(packs.at(-1)!, ...others)])
  }
  for (const pack of packs) if (happens(0.25)) await scene.tomb(pack)
  if (happens(0.2)) await scene.store.memory.remove(packName(packs.at(-1)!.id))
  await scene.version('data', ...[0, 1, 2, 3, 4, 5].filter(() => happens(0.7)))
  return scene
}

test('a prune never makes unreadable what was readable, whatever is damaged and whoever lies', async () => {
  const seen = { stopped: 0, freed: 0, problems: 0 }
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    const random = seededRandom(seed)
    const checksums = random() < 0.3
    const scene = await makeScene(random, checksums)
    const storage: Storage = checksums ? new ChecksumStorage(scene.store.memory) : scene.store.memory
    for (let run = 0; run < 4; run++) {
      const before = await readable(storage)
      try {
        const result = await prune(context(storage), await openForPrune(context(storage)), { waits: NO_GRACE_PERIODS, dryRun: false })
        seen.freed += result.freed.packs
        if (result.problems.length > 0) seen.problems++
      } catch (error) {
        if (!isAppError(error, 'corrupt', 'unavailable')) throw error
        seen.stopped++
      }
      scene.store.clock += 1000
      const after = await readable(storage)
      expect(
        before.filter(file => !after.includes(file)),
        `seed ${seed}, prune ${run + 1}`,
      ).toEqual([])
    }
  }
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(SEEDS / 10)
}, 0)
