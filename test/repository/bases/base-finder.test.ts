import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { TensorCache } from '../../../src/repository/bases/tensor-cache.ts'
import { encodeTomb } from '../../../src/repository/format/label-and-tomb.ts'
import { PACK_POLICY } from '../../../src/repository/format/limits.ts'
import { packName, tombName } from '../../../src/repository/format/object-names.ts'
import type { Savings, Sizes } from '../../../src/repository/index/stored-sizes.ts'
import type { RepositoryContext } from '../../../src/repository/open/open.ts'
import { openForReading } from '../../../src/repository/open/open.ts'
import type { PushResult } from '../../../src/repository/push/push.ts'
import { kindOfChunk } from '../../../src/repository/usage/file-kinds.ts'
import { measureNewGroups, measureGroups, type GroupUsage } from '../../../src/repository/usage/usage-by-group.ts'
import { measureUsage } from '../../../src/repository/usage/usage.ts'
import { toHex } from '../../../src/util/hash.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { withFolder } from '../../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import {
  asGguf,
  bf16,
  fp16,
  fp32,
  fp64,
  int16,
  network,
  npz,
  pt,
  safetensors,
  tuned,
  weights,
  type Weights,
} from '../../helpers/tensors.ts'
import { expectSameTree, pictureOf } from '../../helpers/trees.ts'
import type { Entry } from '../../chunking/layouts/writers.ts'
import { checkpointIndex } from '../../tensors/checkpoint-files.ts'

const MiB = 1024 * 1024

/** A folder that is pushed again and again as `run`, by a machine with a cache of tensors. */
class Training {
  readonly context: RepositoryContext
  readonly storage = new MemoryStorage()
  readonly data: string
  readonly cacheFolder: string
  private readonly folder: string
  private pulls = 0

  constructor(folder: string) {
    this.folder = folder
    this.data = join(folder, 'data')
    this.cacheFolder = join(folder, 'cache')
    this.context = contextOf(this.storage)
  }

  write(path: string, content: Uint8Array): void {
    mkdirSync(dirname(join(this.data, path)), { recursive: true })
    writeFileSync(join(this.data, path), content)
  }

  cache(): TensorCache {
    return new TensorCache(this.cacheFolder, silentReporter, () => 100_000 * MiB)
  }

  /** What is stored of `bytes` new bytes, as a share. */
  async push(maxDepth?: number): Promise<PushResult & { share: number }> {
    const result = await pushFolder(this.context, this.data, 'run', { bases: { cache: this.cache(), maxDepth } })
    return { ...result, share: result.storedBytes / result.reading.bytes }
  }

  /** Pulls a version, the newest or an earlier one, and compares it with the pushed folder. */
  async expectPulled(back = 0, expected = pictureOf(this.data)): Promise<void> {
    const destination = join(this.folder, `pulled-${++this.pulls}`)
    await pullVersion(this.context, `run~${back}`, destination)
    expectSameTree(destination, expected)
    rmSync(destination, { recursive: true })
  }

  /** How many chunks the repository holds at each depth. */
  async depths(): Promise<number[]> {
    const { index } = await openForReading(this.context)
    const counts: number[] = []
    for (let entry = 0; entry < index.size; entry++) counts[index.depth(entry)] = (counts[index.depth(entry)] ?? 0) + 1
    return Array.from(counts, count => count ?? 0)
  }
}

const withTraining = (use: (training: Training) => Promise<void>): Promise<void> => withFolder(folder => use(new Training(folder)))

const CONTAINERS = { safetensors, pt, npz, gguf: asGguf }
const TYPES = { fp32, fp64, bf16, fp16, int16 }

describe.each(Object.keys(CONTAINERS) as (keyof typeof CONTAINERS)[])('tensors in %s', container => {
  const save = CONTAINERS[container]

  test.each(Object.keys(TYPES) as (keyof typeof TYPES)[])('of %s, overwritten in place, come back exactly', type =>
    withTraining(async training => {
      const first = network(1, [300_000, 1_100])
      training.write(`model.${container}`, save(TYPES[type](first)))
      await training.push()
      const before = pictureOf(training.data)
      training.write(`model.${container}`, save(TYPES[type](tuned(first, 2))))
      await training.push()
      await training.expectPulled()
      await training.expectPulled(1, before)
      expect((await checkAll(training.context)).problems).toEqual([])
      expect((await training.depths())[1]).toBeGreaterThan(0)
    }),
  )
})

describe('the same tensors in another container', () => {
  test.each([
    ['pt', 'safetensors'],
    ['safetensors', 'npz'],
    ['npz', 'gguf'],
    ['gguf', 'pt'],
  ] as const)('%s -> %s cost at most 1 percent', (from, to) =>
    withTraining(async training => {
      const tensors = fp32(network(3))
      training.write(`a.${from}`, CONTAINERS[from](tensors))
      await training.push()
      training.write(`b.${to}`, CONTAINERS[to](tensors))
      const { storedBytes } = await training.push()
      expect(storedBytes).toBeLessThan(0.01 * CONTAINERS[to](tensors).length)
      await training.expectPulled()
    }),
  )

  test.each([
    ['pt', 'safetensors'],
    ['safetensors', 'pt'],
  ] as const)('%s -> %s cost at most 3 percent, all lists included, where they are a thousand of 4 to 64 KiB', (from, to) =>
    withTraining(async training => {
      // mostly small ones, as adapters have
      const sizes = Array.from({ length: 1000 }, (_, i) => 1024 + Math.floor(15_000 * (((i * 7919) % 1000) / 1000) ** 5))
      const tensors = fp32(network(4, sizes))
      training.write(`adapter.${from}`, CONTAINERS[from](tensors))
      await training.push()
      const before = await storeBytes(training)
      training.write(`adapter.${to}`, CONTAINERS[to](tensors))
      await training.push()
      expect((await storeBytes(training)) - before).toBeLessThan(0.03 * CONTAINERS[to](tensors).length)
      await training.expectPulled()
    }),
  )
})

async function storeBytes({ storage }: Training): Promise<number> {
  return (await storage.list()).objects.reduce((sum, { size }) => sum + size, 0)
}

describe('a checkpoint', () => {
  test('that is overwritten in place is stored as what differs', () =>
    withTraining(async training => {
      let tensors = network(5)
      const shares: number[] = []
      for (let step = 0; step < 3; step++) {
        training.write('last.pt', pt(bf16(tensors)))
        shares.push((await training.push()).share)
        tensors = tuned(tensors, step, 1e-4)
      }
      expect(shares[1]).toBeLessThan(0.5 * shares[0]!)
      expect(shares[2]).toBeLessThan(0.5 * shares[0]!)
      expect((await training.depths())[2]).toBeGreaterThan(0)
      await training.expectPulled()
    }))

  test('of a numbered series is stored as what differs from the one before, also within one push', () =>
    withTraining(async training => {
      const [one, two, three] = [network(6), tuned(network(6), 1), tuned(network(6), 2)]
      training.write('ckpt-900.safetensors', safetensors(fp32(one)))
      training.write('ckpt-1000.safetensors', safetensors(fp32(two)))
      await training.push()
      expect((await training.depths())[1]).toBeGreaterThan(0)
      training.write('ckpt-1100.safetensors', safetensors(fp32(three)))
      await training.push()
      expect((await training.depths())[2]).toBeGreaterThan(0)
      // all of them are on disk: nothing of them needs to be kept elsewhere
      expect(readdirSync(training.cacheFolder, { withFileTypes: true }).filter(file => file.isFile())).toEqual([])
      await training.expectPulled()
    }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }))

  test('that takes the place of the only one before it in its series is stored as what differs', () =>
    withTraining(async training => {
      training.write('checkpoint-100/model.safetensors', safetensors(bf16(network(7))))
      const first = await training.push()
      rmSync(join(training.data, 'checkpoint-100'), { recursive: true })
      training.write('checkpoint-200/model.safetensors', safetensors(bf16(tuned(network(7), 1))))
      const second = await training.push()
      expect(second.share).toBeLessThan(0.5 * first.share)
      await training.expectPulled()
    }))

  test('of TensorFlow is cut as its index says: what is new comes before what is known, and moves it', () =>
    withTraining(async training => {
      const tensors = fp32(network(31))
      const write = (number: number, elements: readonly Entry[]): void => {
        let offset = 0
        const variables = elements.map(({ name, shape, data }) => {
          offset += data.length
          return { name, dataType: 1, shape, offset: offset - data.length, length: data.length }
        })
        training.write(`ckpt-${number}.index`, checkpointIndex(variables))
        training.write(`ckpt-${number}.data-00000-of-00001`, Buffer.concat(elements.map(({ data }) => data)))
      }
      write(1, tensors)
      await training.push()
      write(2, [...fp32([weights(7, 'a.head', 1003)]), ...tensors])
      const { storedBytes } = await training.push()
      expect(storedBytes).toBeLessThan(9000)
      write(3, [...fp32([weights(8, 'a.head', 1003)]), ...fp32(tuned(network(31), 3))])
      await training.push()
      expect((await training.depths())[1]).toBeGreaterThan(0)
      await training.expectPulled()
    }))

  test('that is as an older one was costs nothing', () =>
    withTraining(async training => {
      const versions = [network(8), tuned(network(8), 1), tuned(network(8), 2)].map(tensors => pt(fp32(tensors)))
      for (const version of versions) {
        training.write('last.pt', version)
        await training.push()
      }
      training.write('last.pt', versions[1]!)
      const reverted = await training.push()
      expect(reverted.storedBytes).toBeLessThan(2000)
      await training.expectPulled()
      training.write('last.pt', pt(fp32(tuned(network(8), 3))))
      await training.push()
      await training.expectPulled()
    }))

  test('is a keyframe again after eight deltas', () =>
    withTraining(async training => {
      let tensors: Weights[] = network(9, [20_000])
      const shares: number[] = []
      for (let step = 0; step <= 10; step++) {
        training.write('last.safetensors', safetensors(bf16(tensors)))
        shares.push((await training.push()).share)
        tensors = tuned(tensors, step)
      }
      const depths = await training.depths()
      expect(depths.slice(1)).toEqual([2, 1, 1, 1, 1, 1, 1, 1])
      expect(shares[9]).toBeGreaterThan(2 * shares[8]!)
      expect(shares[10]).toBeLessThan(0.5 * shares[9]!)
      for (const back of [0, 1, 2]) await training.expectPulled(back, back === 0 ? undefined : await pulledTwice(training, back))
    }))

  test('has a keyframe as its base, or is one, where chains are to be short', () =>
    withTraining(async training => {
      const keyframe = network(10, [20_000])
      for (let step = 0; step < 4; step++) {
        training.write('last.safetensors', safetensors(bf16(step === 0 ? keyframe : tuned(keyframe, step))))
        await training.push(1)
      }
      expect((await training.depths()).slice(1)).toEqual([2])
      await training.expectPulled()
    }))
})

test('chunks that were lost are stored again, and not predicted from themselves', () =>
  withTraining(async training => {
    // each block in a pack of its own
    training.context.packPolicy = { ...PACK_POLICY, firstBytes: 1, bytes: 1 }
    training.write('last.safetensors', safetensors(fp32(network(17))))
    const { snapshot } = await training.push()
    const { index } = await openForReading(training.context)
    const manifest = index.packOf(index.find(Buffer.from(snapshot!.manifest.chunks[0]!, 'hex')))
    const lost = index.packs.filter((_, pack) => pack !== manifest)
    expect(lost.length).toBeGreaterThan(0)
    for (const { id } of lost) await training.storage.remove(packName(id))
    await training.push()
    await training.expectPulled()
    expect((await training.depths()).slice(1)).toEqual([])
  }))

/** Compares two pulls of a version with each other, because its pushed content is not known any more. */
async function pulledTwice(training: Training, back: number) {
  return withFolder(async folder => {
    await pullVersion(training.context, `run~${back}`, join(folder, 'out'))
    return pictureOf(join(folder, 'out'))
  })
}

describe('an export', () => {
  test.each(['bf16', 'fp16'] as const)('of %s beside its fp32 original costs at most 2 percent', type =>
    withTraining(async training => {
      const tensors = network(11)
      training.write('b.pt', pt(fp32(tensors.map(({ name, values }) => ({ name: `model.${name}`, values })))))
      training.write('a.safetensors', safetensors(TYPES[type](tensors)))
      await training.push()
      await training.expectPulled()
      const original = await withFolder(async folder => {
        const alone = new Training(folder)
        alone.write('b.pt', readFileSync(join(training.data, 'b.pt')))
        return (await alone.push()).storedBytes
      })
      const { storedBytes } = await pushedAgain(training)
      expect(storedBytes - original).toBeLessThan(0.02 * safetensors(TYPES[type](tensors)).length)
    }),
  )
})

/** What the same folder costs in an empty repository. */
async function pushedAgain(training: Training): Promise<PushResult> {
  return pushFolder(contextOf(new MemoryStorage()), training.data, 'run', { bases: { cache: undefined } })
}

describe('du and a dry run', () => {
  const byKind = (parts: readonly GroupUsage[]): Record<string, GroupUsage> => Object.fromEntries(parts.map(part => [part.group, part]))
  const total = ({ compression, filters, deltas }: Savings): number => compression + filters + deltas
  /** The stored bytes are the plain bytes less all savings. */
  function expectToAddUp(sizes: readonly Sizes[]): void {
    for (const { distinctBytes, storedBytes, saved } of sizes) expect(distinctBytes - total(saved)).toBeCloseTo(storedBytes, 3)
  }

  test('tell tensors by the type of their elements, and apart what each way to store them saved', () =>
    withTraining(async training => {
      const tensors = network(15, [20_000, 500])
      training.write('a.safetensors', safetensors(fp32(tensors)))
      training.write('b.pt', pt(bf16(tensors)))
      training.write('c.txt', Buffer.from('text '.repeat(1000)))
      const first = await training.push()
      const parts = await measureGroups(await openForReading(training.context), first.snapshot!, kindOfChunk)
      expectToAddUp(parts)
      const { text, 'F32 tensors': floats, 'BF16 tensors': halves, 'models, data': rest } = byKind(parts)
      // the small tensor fills what is left of the file: it is cut too
      expect(floats).toMatchObject({ files: 1, plainBytes: 82_000, distinctBytes: 82_000, saved: { compression: 0, deltas: 0 } })
      expect(floats!.saved.filters).toBeGreaterThan(8_000)
      expect(halves).toMatchObject({ files: 1, plainBytes: 40_000, saved: { compression: 0, filters: 0 } })
      expect(halves!.saved.deltas).toBeGreaterThan(36_000)
      expect(text).toMatchObject({ files: 1, plainBytes: 5000, saved: { filters: 0, deltas: 0 } })
      expect(text!.saved.compression).toBeGreaterThan(2_000)
      expect(rest).toMatchObject({ files: 2 })
    }))

  test('tell what the next version takes, and what its tensors take without the version before', () =>
    withTraining(async training => {
      const before = network(16, [50_000])
      training.write('last.pt', pt(fp32(before)))
      const first = await training.push()
      training.write('last.pt', pt(fp32(tuned(before, 1))))
      training.write('old.pt', pt(fp32(before)))
      const bases = { bases: { cache: training.cache() } }
      const dry = await pushFolder(training.context, training.data, 'run', { ...bases, dryRun: true })
      const would = measureNewGroups(dry.packs, dry.index, dry.reading.entries, kindOfChunk)
      expectToAddUp(would)
      const tensors = byKind(would)['F32 tensors']!
      // `old.pt` holds chunks that are present: they count as tensors too
      expect(tensors).toMatchObject({ files: 2, plainBytes: 400_000, distinctBytes: 200_000, saved: { compression: 0, filters: 0 } })
      expect(tensors.saved.deltas).toBeGreaterThan(50_000)

      rmSync(join(training.data, 'old.pt'))
      const second = await training.push()
      const repository = await openForReading(training.context)
      const alone = byKind(await measureGroups(repository, second.snapshot!, kindOfChunk))['F32 tensors']!
      const base = byKind(await measureGroups(repository, first.snapshot!, kindOfChunk))['F32 tensors']!
      expect(alone.saved.deltas).toBeCloseTo(tensors.saved.deltas - base.storedBytes, 3)

      const usage = await measureUsage(repository)
      const [name] = usage.names
      expectToAddUp([name!, ...name!.versions])
      expect(name!.saved).toEqual(usage.saved)
      expect(name!.saved.deltas).toBeCloseTo(tensors.saved.deltas, 3)
      expect(name!.saved.filters).toBeCloseTo(base.saved.filters, 3)
      expect(name!.storedBytes).toBeCloseTo(usage.objectBytes - usage.unreachedBytes - (await overheadOf(training)), 0)
    }))
})

/** Bytes of a repository's objects that are no blocks. */
async function overheadOf({ context, storage }: Training): Promise<number> {
  const { index } = await openForReading(context)
  const { objects } = await storage.list()
  const counted = objects.filter(({ name }) => /^(pack|index|label|tomb)-/.test(name))
  return counted.reduce((sum, { size }) => sum + size, 0) - index.blocks.reduce((sum, { storedLength }) => sum + storedLength, 0)
}

describe('a base that is lost', () => {
  test.each(['missing', 'damaged'])('as it is %s is named, and costs only what is predicted from it', how =>
    withTraining(async training => {
      const [before] = network(17, [50_000])
      training.write('last.safetensors', safetensors(fp32([before!])))
      await training.push()
      const [pack] = await packsOf(training)
      const other = weights(18, 'head.weight', 40_000)
      training.write('last.safetensors', safetensors(fp32([...tuned([before!], 1), other])))
      training.write('beside.safetensors', safetensors(fp32([other])))
      training.write('notes.txt', Buffer.from('what else there is'))
      const { snapshot } = await training.push()
      expect((await training.depths())[1]).toBe(1)

      const bytes = await training.storage.get(pack!)
      await training.storage.remove(pack!)
      bytes[bytes.length >> 1]! ^= 1
      if (how === 'damaged') await training.storage.put(pack!, bytes)
      const why =
        /^(?:A chunk is damaged: )?chunk [0-9a-f]{12} in pack [0-9a-f]{12} is predicted from chunk [0-9a-f]{12}(, and no pack holds| in pack)/
      await withFolder(async folder => {
        const { damaged } = await pullVersion(training.context, 'run', join(folder, 'out'))
        expect(damaged).toEqual([{ path: 'last.safetensors', why: expect.stringMatching(why) as unknown }])
        for (const name of ['beside.safetensors', 'notes.txt'])
          expect(readFileSync(join(folder, 'out', name)).equals(readFileSync(join(training.data, name)))).toBe(true)
        expect(readdirSync(join(folder, 'out')).sort()).toEqual(['beside.safetensors', 'notes.txt'])
      })
      const { affected } = await checkAll(training.context)
      const ofNewest = affected.filter(({ version }) => snapshot!.id.startsWith(version))
      expect(ofNewest).toMatchObject([{ path: 'last.safetensors', why: expect.stringMatching(why) as unknown }])
    }),
  )
})

async function packsOf({ storage }: Training): Promise<string[]> {
  return (await storage.list()).objects.map(({ name }) => name).filter(name => name.startsWith('pack-'))
}

describe('bases are left alone', () => {
  test('without the option, and the cache with them', () =>
    withTraining(async training => {
      training.write('last.pt', pt(fp32(network(12))))
      await pushFolder(training.context, training.data, 'run')
      training.write('last.pt', pt(fp32(tuned(network(12), 1))))
      await pushFolder(training.context, training.data, 'run')
      expect(await training.depths()).toHaveLength(1)
    }))

  test('when the pack that holds them is about to go', () =>
    withTraining(async training => {
      training.write('last.pt', pt(fp32(network(13))))
      await training.push()
      const packs = (await training.storage.list()).objects.filter(({ name }) => name.startsWith('pack-')).map(({ name }) => name.slice(5))
      const { id, bytes } = encodeTomb({ kind: 'packs', packs }, toHex(seededNoise(1, 16)))
      await training.storage.put(tombName(id), bytes)
      training.write('last.pt', pt(fp32(tuned(network(13), 1))))
      await training.push()
      expect(await training.depths()).toHaveLength(1)
      for (const pack of packs) await training.storage.remove(`pack-${pack}`)
      await training.expectPulled()
    }))

  test('when what the cache holds is damaged', () =>
    withTraining(async training => {
      training.write('last.pt', pt(fp32(network(14))))
      await training.push()
      const [file] = readdirSync(training.cacheFolder)
      const path = join(training.cacheFolder, file!)
      const content = readFileSync(path)
      for (let i = 0; i < content.length - 200; i += 1000) content[i]! ^= 1
      writeFileSync(path, content)
      training.write('last.pt', pt(fp32(tuned(network(14), 1))))
      await training.push()
      expect(await training.depths()).toHaveLength(1)
      expect(readdirSync(training.cacheFolder)).not.toContain(file)
      await training.expectPulled()
    }))
})
