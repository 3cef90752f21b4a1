import { beforeAll, describe, expect, test } from 'vitest'
import { packName } from '../../../../src/repository/format/object-names.ts'
import { openForReading } from '../../../../src/repository/open/open.ts'
import { proposeForgetting } from '../../../../src/repository/prune/proposals.ts'
import { ForwardingStorage } from '../../../../src/storage/forwarding.ts'
import type { ByteRange } from '../../../../src/storage/storage.ts'
import { contextOf } from '../../../helpers/in-process.ts'
import { FaultyStorage, type FaultPlan } from '../../../helpers/storage/faulty.ts'
import type { MemoryStorage } from '../../../helpers/storage/memory.ts'
import { bf16, fp32, network, safetensors, tuned, type Weights } from '../../../helpers/tensors.ts'
import { bytesIn, copyOf, forgetNow, pruneNow, Series } from '../series.ts'

const MODEL = [40_000, 20_000]

/** Each a little more trained than the one before. */
function training(versions: number, rate = 1e-5): Weights[][] {
  const steps = [network(1, MODEL)]
  while (steps.length < versions) steps.push(tuned(steps.at(-1)!, steps.length, rate))
  return steps
}

const failing = (storage: MemoryStorage, plan: FaultPlan): FaultyStorage => new FaultyStorage(storage, plan)

/** The depth of each chunk that a pack holds, by pack. */
async function depthsIn(storage: MemoryStorage): Promise<Map<string, number[]>> {
  const { index } = await openForReading(contextOf(storage))
  const depths = new Map<string, number[]>()
  for (let entry = 0; entry < index.size; entry++) {
    const { id } = index.packs[index.packOf(entry)]!
    depths.set(id, [...(depths.get(id) ?? []), index.depth(entry)])
  }
  return depths
}

const deepest = (depths: ReadonlyMap<string, number[]>): number => Math.max(...[...depths.values()].flat())

describe('a series of which the last two stay', () => {
  const series = new Series()
  /** As a forget and a prune leave it, and how many calls of the store they take. */
  let bytes: number
  let calls: number

  beforeAll(async () => {
    await series.push(training(6).map(model => ({ tree: { 'model.safetensors': safetensors(bf16(model)) } })))
    const storage = await copyOf(series.deltas)
    const counted = failing(storage, ({ total }) => void (calls = total))
    await forgetNow(contextOf(counted), { last: 2 })
    await pruneNow(contextOf(counted))
    bytes = await bytesIn(storage)
    expect([...(await depthsIn(storage)).values()].flat().filter(depth => depth > 0)).toEqual([5, 5])
  })

  test('is whole wherever the run stops, and the next one goes on: with what was copied already', async () => {
    for (const at of ['before', 'after'] as const) {
      for (let nth = 1; nth <= calls; nth++) {
        const storage = await copyOf(series.deltas)
        const plan: FaultPlan = ({ total, kind }) => {
          if (total < nth || (total === nth && at === 'after'))
            return at === 'after' && total === nth && (kind === 'put' || kind === 'remove') ? { fault: 'lost-answer' } : undefined
          return { fault: 'error', code: 'io' }
        }
        const context = contextOf(failing(storage, plan))
        await forgetNow(context, { last: 2 })
          .then(() => pruneNow(context))
          .catch(() => undefined)
        await series.expectSound(storage, [])

        const again = contextOf(storage)
        await forgetNow(again, { last: 2 })
        for (let run = 0; run < 3; run++) await pruneNow(again)
        await series.expectSound(storage, [5, 4])
        expect(await bytesIn(storage), `stopped ${at} call ${nth}`).toBeLessThan(1.01 * bytes)
      }
    }
  }, 120_000)

  test('keeps its bases where what needs them can not be read, until it can', async () => {
    const storage = await copyOf(series.deltas)
    const [pack] = [...(await depthsIn(storage))].find(([, depths]) => depths.includes(4))!
    const broken = new DamagedPack(storage, packName(pack))
    await forgetNow(contextOf(broken), { last: 2 })
    for (let run = 0; run < 2; run++) {
      const { problems, marked, held } = await pruneNow(contextOf(broken))
      expect(problems).toEqual([`Pack ${pack.slice(0, 12)} was left as it is: its content does not match the checksum in its name`])
      expect([marked.packs, held.packs]).toEqual([0, 0])
    }
    await series.expectSound(storage, [5, 4])
    for (let run = 0; run < 2; run++) expect((await pruneNow(contextOf(storage))).problems).toEqual([])
    expect(await bytesIn(storage)).toBeLessThan(1.01 * bytes)
    await series.expectSound(storage, [5, 4])
  })

  test('frees what needs no copy where there is no room for copies, and says so', async () => {
    const storage = await copyOf(series.deltas)
    await forgetNow(contextOf(failing(storage, isFull)), { last: 2 }).then(
      () => expect.unreachable(),
      (error: unknown) =>
        expect(error).toMatchObject({
          code: 'quota',
          message: expect.stringMatching(/The chunks that versions need could not be copied from packs with unneeded data/) as string,
        }),
    )
    await expect(pruneNow(contextOf(failing(storage, isFull)))).rejects.toMatchObject({ code: 'quota' })
    await series.expectSound(storage, [5, 4])
    for (let run = 0; run < 2; run++) await pruneNow(contextOf(storage))
    expect(await bytesIn(storage)).toBeLessThan(1.01 * bytes)
  })

  test('was told ahead to take about so much: by proposals, and by a dry run', async () => {
    const storage = await copyOf(series.deltas)
    const before = await bytesIn(storage)
    const [proposal] = await proposeForgetting(await openForReading(contextOf(storage)))
    expect(proposal).toMatchObject({ keepLast: 3, versions: 3 })
    await forgetNow(contextOf(failing(storage, isFull)), { last: 3 }).catch(() => undefined)
    const dry = await pruneNow(contextOf(storage), true)
    await pruneNow(contextOf(storage))
    await pruneNow(contextOf(storage))
    const freed = before - (await bytesIn(storage))
    for (const told of [proposal!.bytes!, dry.marked.bytes - dry.copiedBytes]) expect(Math.abs(told - freed)).toBeLessThan(0.06 * before)
  })
})

/** Damages one pack where only reading it whole shows the damage. */
class DamagedPack extends ForwardingStorage {
  private readonly damaged: string

  constructor(inner: MemoryStorage, damaged: string) {
    super(inner)
    this.damaged = damaged
  }

  override async get(name: string, range?: ByteRange): Promise<Uint8Array> {
    const bytes = await super.get(name, range)
    if (name === this.damaged && !range) bytes[0]! ^= 1
    return bytes
  }
}

/** No room for packs. */
const isFull: FaultPlan = ({ kind, name }) => (kind === 'put' && name.startsWith('pack-') ? { fault: 'error', code: 'quota' } : undefined)

test('what else is needed of a block is encoded from its bases again, as small as it was', async () => {
  const [first, second, third] = training(3, 4e-5) as [Weights[], Weights[], Weights[]]
  const [changes, stays] = [0, 1] as const
  const series = await new Series().push([
    { tree: { 'model.safetensors': safetensors(fp32(first)) }, tags: ['kept'] },
    { tree: { 'model.safetensors': safetensors(fp32(second)) } },
    // of the second version one tensor is still there; the other was trained on, and takes less by itself than with the
    // second
    { tree: { 'model.safetensors': safetensors(fp32([third[changes]!, second[stays]!])) } },
  ])
  const before = await depthsIn(series.deltas)
  expect([...before.values()]).toEqual(expect.arrayContaining([expect.arrayContaining([1, 1])]))
  const context = contextOf(series.deltas)
  expect(await forgetNow(context, { last: 1, tags: ['kept'] })).toEqual([2, 0])
  await pruneNow(context)
  await pruneNow(context)
  const after = await depthsIn(series.deltas)
  expect(deepest(after)).toBe(1)
  expect([...after.values()].flat().filter(depth => depth === 1)).toHaveLength(1)
  await forgetNow(contextOf(series.whole), { last: 1, tags: ['kept'] })
  await pruneNow(contextOf(series.whole))
  await pruneNow(contextOf(series.whole))
  expect(await bytesIn(series.deltas)).toBeLessThan((await bytesIn(series.whole)) - 20_000)
  await series.expectSound(series.deltas, [2, 0])
})
