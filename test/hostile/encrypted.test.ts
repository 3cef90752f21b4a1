import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeLabel, encodeTomb } from '../../src/repository/format/label-and-tomb.ts'
import { labelName, tombName } from '../../src/repository/format/object-names.ts'
import { forget } from '../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS } from '../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../src/repository/prune/prune.ts'
import { repair } from '../../src/repository/repair/repair.ts'
import { encryptionFeatureName } from '../../src/repository/sealing/key-object.ts'
import type { RepositoryKeys } from '../../src/repository/sealing/keys.ts'
import { SealedStorage } from '../../src/repository/sealing/sealed-storage.ts'
import { AppError, isAppError } from '../../src/util/errors.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { testKeys } from '../helpers/repository/keys.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { differences, makeTree, pictureOf, type TreePicture } from '../helpers/trees.ts'

type Objects = ReadonlyMap<string, Uint8Array>

interface Scene {
  /** As they are in the store. */
  objects: Objects
  /** The same versions in a store of another repository, and in one without encryption. */
  foreign: Objects
  plain: Objects
  /** By ids: who can delete a version makes its name mean the one before. */
  versions: Record<string, TreePicture>
}

const SEGMENT = 65_552
const HEADER = 32

const objectsOf = (storage: MemoryStorage): Objects => new Map(storage.all().map(([name, bytes]) => [name, bytes]))

async function makeRepository(folder: string, keys: RepositoryKeys | undefined): Promise<[Objects, Record<string, TreePicture>]> {
  const memory = new MemoryStorage()
  const storage = keys === undefined ? memory : new SealedStorage(memory, keys)
  if (keys !== undefined) await memory.put(encryptionFeatureName(keys.id), Buffer.from('encrypted\n'))
  const data = join(folder, 'data')
  rmSync(data, { recursive: true, force: true })
  makeTree(data, { 'a.txt': 'first', 'noise.bin': seededNoise(1, 150_000), 'table.csv': seededText(2, 30_000) })
  const first = await pushFolder(contextOf(storage), data, 'data', { tags: ['one'] })
  const old = pictureOf(data)
  const [pack] = (await storage.list()).objects.map(({ name }) => name).filter(name => name.startsWith('pack-'))
  makeTree(data, { 'a.txt': 'second', 'new/b.bin': seededNoise(3, 5000), empty: '' })
  const second = await pushFolder(contextOf(storage), data, 'data')
  const label = encodeLabel({ snapshot: first.snapshot!.id, add: ['best'], remove: ['one'] }, '00'.repeat(16))
  const tomb = encodeTomb({ kind: 'packs', packs: [pack!.slice('pack-'.length)] }, '00'.repeat(16))
  await storage.put(labelName(label.id), label.bytes)
  await storage.put(tombName(tomb.id), tomb.bytes)
  return [objectsOf(memory), { [`data@${second.snapshot!.id}`]: pictureOf(data), [`data@${first.snapshot!.id}`]: old }]
}

let scene: Scene
beforeAll(() =>
  withFolder(async folder => {
    const [objects, versions] = await makeRepository(folder, testKeys(1))
    const [foreign] = await makeRepository(folder, testKeys(2))
    const [plain] = await makeRepository(folder, undefined)
    scene = { objects, foreign, plain, versions }
  }),
)

/** A store that holds these, and how an owner opens it. */
async function opened(objects: Objects): Promise<OpenedStore> {
  const memory = new MemoryStorage()
  for (const [name, bytes] of objects) await memory.put(name, bytes)
  return new OpenedStore(memory)
}

class OpenedStore extends SealedStorage {
  readonly memory: MemoryStorage

  constructor(memory: MemoryStorage) {
    super(memory, testKeys(1))
    this.memory = memory
  }
}

const EXPECTED_ERRORS = ['corrupt', 'newer-format', 'not-found', 'conflict', 'not-a-repository', 'unavailable'] as const

/** Undefined if it ends with an error that says what is wrong. */
async function orReported<T>(what: string, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (!isAppError(error, ...EXPECTED_ERRORS)) throw new Error(`${what} threw ${String(error)}`, { cause: error })
    expect(error.message.length).toBeGreaterThan(20)
    return undefined
  }
}

/** What a pull gives: all of it exact, or what is there exact, and the rest reported. */
async function pulled(
  objects: Objects | SealedStorage,
  version: string,
  out: string,
  what: string,
  of = scene.versions,
): Promise<'exact' | 'reported'> {
  const storage = objects instanceof SealedStorage ? objects : await opened(objects)
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out)
  const result = await orReported(`${what}: pulling ${version}`, () => pullVersion(contextOf(storage), version, out))
  const reported = result === undefined || result.damaged.length > 0
  const wrong = differences(of[version]!, pictureOf(out)).filter(
    line => !reported || !/got nothing$|^"[^"]*": (?:expected )?folder/.test(line),
  )
  expect(wrong, `${what}, ${version}`).toEqual([])
  return reported ? 'reported' : 'exact'
}

async function isNoticed(objects: Objects): Promise<boolean> {
  try {
    const { problems, affected, outOfUse } = await checkAll(contextOf(await opened(objects)))
    return problems.length + affected.length + outOfUse > 0
  } catch (error) {
    if (error instanceof AppError) return true
    throw error
  }
}

/**
 * An altered store gives right bytes or an error, also to what changes it: a repair and a prune make no whole version
 * worse, and a push after them gives back what was pushed.
 */
async function expectHarmless(objects: Objects, what: string, folder: string): Promise<void> {
  const out = join(folder, 'out')
  for (const version of Object.keys(scene.versions)) {
    const before = await pulled(objects, version, out, what)
    const storage = await opened(objects)
    await orReported(`${what}: prune`, async () =>
      prune(contextOf(storage), await openForPrune(contextOf(storage)), { waits: NO_GRACE_PERIODS, dryRun: false }),
    )
    await orReported(`${what}: repair`, () => repair(contextOf(storage), { dryRun: false, giveUp: false }))
    if (before === 'exact') expect(await pulled(storage, version, out, `${what}, after prune and repair`)).toBe('exact')
    const data = join(folder, 'pushed')
    makeTree(data, { 'noise.bin': seededNoise(1, 150_000), 'other.txt': 'other' })
    const pushed = await orReported(`${what}: push`, () => pushFolder(contextOf(storage), data, 'pushed'))
    if (pushed !== undefined)
      expect(await pulled(storage, 'pushed', out, `${what}, after a push`, { pushed: pictureOf(data) })).toBe('exact')
  }
}

const sealedNames = (): string[] => [...scene.objects.keys()].filter(name => /^(pack|index|snapshot|label|tomb)-/.test(name))

function flipped(name: string, at: number): Objects {
  const bytes = Uint8Array.from(scene.objects.get(name)!)
  bytes[at]! ^= 1 << ((at * 7 + 3) % 8)
  return new Map(scene.objects).set(name, bytes)
}

const without = (name: string): Map<string, Uint8Array> => new Map([...scene.objects].filter(([other]) => other !== name))

/** Header, borders of segments, tags, and places between. */
function placesIn(size: number): number[] {
  const borders = [SEGMENT, 2 * SEGMENT].flatMap(at => [HEADER + at - 17, HEADER + at - 16, HEADER + at - 1, HEADER + at])
  const places = [0, 3, 4, 5, 7, 8, 15, 16, 31, 32, 33, size >> 1, size - 17, size - 16, size - 1, ...borders]
  return [...new Set(places)].filter(at => at >= 0 && at < size)
}

describe('Nothing wrong comes out of an encrypted repository, whatever is done to its objects', () => {
  test('a bit of an object is flipped', () =>
    withFolder(async folder => {
      let count = 0
      for (const name of sealedNames())
        for (const at of placesIn(scene.objects.get(name)!.length)) {
          const objects = flipped(name, at)
          const what = `byte ${at} of ${name.slice(0, 12)}`
          const versions = Object.keys(scene.versions)
          const outcome = await pulled(objects, versions[count++ % versions.length]!, join(folder, 'out'), what)
          if (!(name.startsWith('index-') && outcome === 'exact')) expect(await isNoticed(objects), what).toBe(true)
          if (count % 25 === 0) await expectHarmless(objects, what, folder)
        }
      expect(count).toBeGreaterThan(100)
    }))

  test('an object is cut short or made longer', () =>
    withFolder(async folder => {
      for (const name of sealedNames()) {
        const bytes = scene.objects.get(name)!
        const lengths = [
          0,
          16,
          31,
          32,
          47,
          48,
          HEADER + SEGMENT,
          HEADER + SEGMENT - 16,
          HEADER + 2 * SEGMENT,
          bytes.length - 1,
          bytes.length - 16,
        ]
        const changed = lengths.filter(length => length < bytes.length).map(length => bytes.slice(0, length))
        changed.push(Buffer.concat([bytes, bytes.subarray(0, 16)]), Buffer.concat([bytes, Buffer.alloc(SEGMENT)]))
        for (const [i, other] of changed.entries()) {
          const objects = new Map(scene.objects).set(name, other)
          const what = `${name.slice(0, 12)} of ${other.length} bytes`
          const outcome = await pulled(objects, Object.keys(scene.versions)[i % 2]!, join(folder, 'out'), what)
          if (!(name.startsWith('index-') && outcome === 'exact')) expect(await isNoticed(objects), what).toBe(true)
          if (i === 3) await expectHarmless(objects, what, folder)
        }
      }
    }))

  test('two objects get the content or the names of each other', () =>
    withFolder(async folder => {
      const names = sealedNames()
      for (const [i, one] of names.entries())
        for (const other of names.slice(i + 1)) {
          const objects = new Map(scene.objects).set(one, scene.objects.get(other)!).set(other, scene.objects.get(one)!)
          const what = `${one.slice(0, 12)} and ${other.slice(0, 12)} swapped`
          for (const version of Object.keys(scene.versions)) await pulled(objects, version, join(folder, 'out'), what)
          expect(await isNoticed(objects), what).toBe(true)
        }
      const [one, other] = names.filter(name => name.startsWith('pack-')) as [string, string]
      await expectHarmless(
        new Map(scene.objects).set(one, scene.objects.get(other)!).set(other, scene.objects.get(one)!),
        'packs swapped',
        folder,
      )
      const [a, b] = names.filter(name => name.startsWith('snapshot-')) as [string, string]
      await expectHarmless(new Map(scene.objects).set(a, scene.objects.get(b)!).set(b, scene.objects.get(a)!), 'snapshots swapped', folder)
    }))

  test('letters of a name are changed, or the tokens of two names swapped', () =>
    withFolder(async folder => {
      for (const name of sealedNames()) {
        const [kind, hash, token] = name.split('-') as [string, string, string]
        const twin = sealedNames().find(other => other !== name && other.startsWith(`${kind}-`))
        const letter = (at: number): string => `${token.slice(0, at)}${token[at] === 'a' ? 'b' : 'a'}${token.slice(at + 1)}`
        const changed = [0, 1, token.length >> 1, token.length - 1].map(at => `${kind}-${hash}-${letter(at)}`)
        changed.push(`${kind}-${hash}-${token}aaaaaaaa`, `${kind}-${hash}`, `${kind === 'pack' ? 'index' : 'pack'}-${hash}-${token}`)
        changed.push(`${kind}-${hash.replace(/^./, hash.startsWith('0') ? '1' : '0')}-${token}`)
        if (twin !== undefined) changed.push(`${kind}-${hash}-${twin.split('-')[2]!}`, `${kind}-${twin.split('-')[1]!}-${token}`)
        for (const [i, other] of changed.entries()) {
          const objects = without(name).set(other, scene.objects.get(name)!)
          const what = `${name.slice(0, 12)} renamed (${i})`
          for (const version of Object.keys(scene.versions)) await pulled(objects, version, join(folder, 'out'), what)
          expect(await isNoticed(objects), what).toBe(true)
          if (i === 0) await expectHarmless(objects, what, folder)
        }
      }
    }))

  test('objects of another repository or of one without encryption are put in, also in the place of others', () =>
    withFolder(async folder => {
      for (const strangers of [scene.foreign, scene.plain]) {
        const added = new Map([...scene.objects, ...[...strangers].filter(([name]) => !/^(config|README|feature)/.test(name))])
        await expectHarmless(added, 'strangers added', folder)
        for (const version of Object.keys(scene.versions))
          expect(await pulled(added, version, join(folder, 'out'), 'strangers added')).toBe('exact')
        for (const name of sealedNames()) {
          const kind = name.slice(0, name.indexOf('-'))
          const stranger = [...strangers].find(([other]) => other.startsWith(`${kind}-`))![1]
          const objects = new Map(scene.objects).set(name, stranger)
          const what = `a strange ${kind}`
          const outcomes: string[] = []
          for (const version of Object.keys(scene.versions)) outcomes.push(await pulled(objects, version, join(folder, 'out'), what))
          // an index that no other one needs is not read
          if (kind !== 'index' || outcomes.includes('reported')) expect(await isNoticed(objects), what).toBe(true)
        }
      }
    }))

  test('an object is deleted', () =>
    withFolder(async folder => {
      for (const name of sealedNames()) await expectHarmless(without(name), `${name.slice(0, 12)} deleted`, folder)
    }))

  test('an object is put back that a prune has deleted', () =>
    withFolder(async folder => {
      const storage = await opened(scene.objects)
      const context = contextOf(storage)
      await forget(context, { names: ['data'], policy: { last: 1 }, all: false, waits: NO_GRACE_PERIODS, dryRun: false })
      for (let i = 0; i < 3; i++) await prune(context, await openForPrune(context), { waits: NO_GRACE_PERIODS, dryRun: false })
      const left = objectsOf(storage.memory)
      const gone = sealedNames().filter(name => !left.has(name))
      expect(gone.length).toBeGreaterThan(1)
      for (const name of gone) {
        const objects = new Map(left).set(name, scene.objects.get(name)!)
        await orReported(name, async () => checkAll(contextOf(await opened(objects))))
        const out = join(folder, 'out')
        const outcome = await pulled(objects, 'data', out, `${name.slice(0, 12)} put back`, { data: Object.values(scene.versions)[0]! })
        expect(outcome, name).toBe('exact')
        const again = await opened(objects)
        makeTree(join(folder, 'pushed'), { 'noise.bin': seededNoise(1, 150_000) })
        await pushFolder(contextOf(again), join(folder, 'pushed'), 'pushed')
        expect(await pulled(again, 'pushed', out, 'a push after it', { pushed: pictureOf(join(folder, 'pushed')) })).toBe('exact')
      }
    }))
})
