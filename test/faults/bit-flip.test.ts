import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeLabel, encodeTomb } from '../../src/repository/format/label-and-tomb.ts'
import { labelName, tombName } from '../../src/repository/format/object-names.ts'
import { decodePackTail, TRAILER_BYTES } from '../../src/repository/format/pack.ts'
import { AppError, isAppError } from '../../src/util/errors.ts'
import { Sandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededRandom, seededText } from '../helpers/seeded.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { differences, makeTree, pictureOf, type TreePicture } from '../helpers/trees.ts'

type Objects = Map<string, Uint8Array>

interface Scene {
  objects: Objects
  /** `data` and `data~1` as they must come back. */
  versions: Record<string, TreePicture>
}

async function takeAll(storage: MemoryStorage): Promise<Objects> {
  const objects: Objects = new Map()
  for (const { name } of (await storage.list()).objects) objects.set(name, await storage.get(name))
  return objects
}

async function storageOf(objects: Objects): Promise<MemoryStorage> {
  const storage = new MemoryStorage()
  for (const [name, bytes] of objects) await storage.put(name, bytes)
  return storage
}

/** Two versions, a label, a tomb that names a pack still needed, two indexes: every kind of object. */
async function makeScene(folder: string): Promise<Scene> {
  const storage = new MemoryStorage()
  const context = contextOf(storage)
  const data = join(folder, 'data')
  makeTree(data, {
    'a.txt': 'first',
    'noise.bin': seededNoise(1, 20_000),
    'table.csv': seededText(2, 30_000),
    'sub/link': { link: '../a.txt' },
  })
  const first = await pushFolder(context, data, 'data', { tags: ['one'] })
  const old = pictureOf(data)
  const [pack] = [...(await takeAll(storage)).keys()].filter(name => name.startsWith('pack-'))
  makeTree(data, { 'a.txt': 'second', 'new/b.bin': seededNoise(3, 5000), empty: '' })
  await pushFolder(context, data, 'data')
  const label = encodeLabel({ snapshot: first.snapshot!.id, add: ['best'], remove: ['one'] }, '00'.repeat(16))
  const tomb = encodeTomb({ kind: 'packs', packs: [pack!.slice('pack-'.length)] }, '00'.repeat(16))
  await storage.put(labelName(label.id), label.bytes)
  await storage.put(tombName(tomb.id), tomb.bytes)
  return { objects: await takeAll(storage), versions: { data: pictureOf(data), 'data~1': old } }
}

/**
 * Pulls a version from altered objects: `exact`, or `reported` with everything that lies at the destination exact.
 * Anything else fails.
 */
async function outcome(
  storage: MemoryStorage,
  version: string,
  expected: TreePicture,
  out: string,
  what: string,
): Promise<'exact' | 'reported'> {
  mkdirSync(out)
  try {
    let reported = false
    try {
      const { damaged } = await pullVersion(contextOf(storage), version, out)
      reported = damaged.length > 0
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'newer-format'))
        throw new Error(`${what}: pulling ${version} threw ${String(error)}`, { cause: error })
      reported = true
    }
    const wrong = differences(expected, pictureOf(out)).filter(
      line => !reported || !/got nothing$|^"[^"]*": (?:expected )?folder/.test(line),
    )
    expect(wrong, `${what}, ${version}`).toEqual([])
    return reported ? 'reported' : 'exact'
  } finally {
    rmSync(out, { recursive: true })
  }
}

/** Whether check says that something is wrong. */
async function checkNotices(storage: MemoryStorage): Promise<boolean> {
  try {
    const { problems, affected, outOfUse } = await checkAll(contextOf(storage))
    return problems.length + affected.length + outOfUse > 0
  } catch (error) {
    if (error instanceof AppError) return true
    throw error
  }
}

/**
 * Pulls the two versions in turn, one of each altered repository, and checks it. Tells how many could not be pulled in
 * full.
 */
async function tryAlterations(scene: Scene, folder: string, alterations: Iterable<[string, string, Uint8Array]>): Promise<number> {
  const out = join(folder, 'out')
  const versions = Object.entries(scene.versions)
  let failed = 0
  let turn = 0
  for (const [what, name, bytes] of alterations) {
    const storage = await storageOf(new Map(scene.objects).set(name, bytes))
    const [version, expected] = versions[turn++ % versions.length]!
    const isWhole = (await outcome(storage, version, expected, out, what)) === 'exact'
    if (!isWhole) failed++
    // names are hashes of what they name, so --read-data finds all damage, but for the words of the config and indexes
    // that nobody reads any more
    const mayHide = /^(config|index)/.test(name) && isWhole
    if (!mayHide) expect(await checkNotices(storage), `${what}: check finds nothing`).toBe(true)
  }
  return failed
}

/** One bit at each of these positions, another one each time. */
function* flips(name: string, bytes: Uint8Array, positions: Iterable<number>): Generator<[string, string, Uint8Array]> {
  for (const position of positions) {
    const changed = bytes.slice()
    const bit = (position * 7 + 3) % 8
    changed[position]! ^= 1 << bit
    yield [`bit ${bit} of byte ${position} of ${name} flipped`, name, changed]
  }
}

function* cutsAndAdditions(name: string, bytes: Uint8Array): Generator<[string, string, Uint8Array]> {
  for (const length of [0, 1, 4, 55, 56, bytes.length >> 1, bytes.length - 57, bytes.length - 56, bytes.length - 4, bytes.length - 1]) {
    if (length >= 0 && length < bytes.length) yield [`${name} cut to ${length} bytes`, name, bytes.slice(0, length)]
  }
  for (const more of [[0], [10], [255], new Array<number>(100).fill(0), [...bytes.slice(0, 5000)]]) {
    yield [`${name} made longer by ${more.length} bytes`, name, Buffer.concat([bytes, Uint8Array.from(more)])]
  }
}

function* every(step: number, from: number, to: number): Generator<number> {
  for (let position = from; position < to; position += step) yield position
}

const ofKind = (scene: Scene, kind: string): [string, Uint8Array][] => [...scene.objects].filter(([name]) => name.startsWith(kind))

describe('one flipped bit, a cut or an addition never gives wrong data', () => {
  test('the scene has every kind of object, and is sound', () =>
    withFolder(async folder => {
      const scene = await makeScene(folder)
      expect(['config', 'pack', 'index', 'snapshot', 'label', 'tomb'].map(kind => ofKind(scene, kind).length)).toEqual([1, 2, 2, 2, 1, 1])
      const storage = await storageOf(scene.objects)
      expect(await checkNotices(storage)).toBe(false)
      for (const [version, expected] of Object.entries(scene.versions)) {
        expect(await outcome(storage, version, expected, join(folder, 'out'), 'nothing changed')).toBe('exact')
      }
    }))

  // [kind, every how many bytes, which share of the alterations at least must keep a version from being pulled in full]
  test.each([
    ['config', 3, 0.1],
    ['snapshot', 7, 0.4],
    ['index', 4, 0],
    ['label', 2, 0],
    ['tomb', 1, 0],
  ] as const)('%s objects', (kind, step, share) =>
    withFolder(async folder => {
      const scene = await makeScene(folder)
      let tried = 0
      let failed = 0
      for (const [name, bytes] of ofKind(scene, kind)) {
        const alterations = [...flips(name, bytes, every(step, 0, bytes.length)), ...cutsAndAdditions(name, bytes)]
        tried += alterations.length
        failed += await tryAlterations(scene, folder, alterations)
      }
      expect(tried).toBeGreaterThan(100)
      expect(failed).toBeGreaterThanOrEqual(tried * share)
      // the content of an index, a label or a tomb can be made again, or is not needed for reading
      if (['index', 'label', 'tomb'].includes(kind)) expect(failed).toBe(0)
    }),
  )

  test('packs, with their indexes and without any', () =>
    withFolder(async folder => {
      const scene = await makeScene(folder)
      const bare: Scene = { ...scene, objects: new Map([...scene.objects].filter(([name]) => !name.startsWith('index-'))) }
      for (const [name, bytes] of ofKind(scene, 'pack')) {
        const tail = decodePackTail(bytes, bytes.length, name.slice('pack-'.length))
        if (tail.kind !== 'directory') throw new Error('the tail of a pack is its whole here')
        const blocks = bytes.length - TRAILER_BYTES - tail.directoryBytes.length
        const random = seededRandom(blocks)
        const inBlocks = Array.from({ length: 100 }, () => Math.floor(random() * blocks))
        expect(await tryAlterations(scene, folder, flips(name, bytes, inBlocks))).toBeGreaterThan(40)
        // with an index, a pack's own directory is not needed; without one, it is the only directory
        await tryAlterations(scene, folder, flips(name, bytes, every(11, blocks, bytes.length)))
        expect(await tryAlterations(bare, folder, flips(name, bytes, every(5, blocks, bytes.length)))).toBeGreaterThan(10)
        await tryAlterations(scene, folder, cutsAndAdditions(name, bytes))
        await tryAlterations(bare, folder, cutsAndAdditions(name, bytes))
      }
    }))
})

test('a damaged version is never taken for another: the others keep their numbers', () =>
  withFolder(async folder => {
    const scene = await makeScene(folder)
    const [, newest] = ofKind(scene, 'snapshot')
    const storage = await storageOf(new Map(scene.objects).set(newest![0], newest![1].slice(0, -1)))
    const out = join(folder, 'out')
    await expect(pullVersion(contextOf(storage), 'data', out)).rejects.toMatchObject({ code: 'corrupt' })
    await expect(pullVersion(contextOf(storage), 'data@2999-01-01', out)).rejects.toMatchObject({ code: 'corrupt' })
    await expect(pullVersion(contextOf(storage), `data@${/-([0-9a-f]{16})-/.exec(newest![0])![1]}`, out)).rejects.toMatchObject({
      code: 'corrupt',
    })
    await expect(pullVersion(contextOf(storage), 'data@nope', out)).rejects.toMatchObject({ code: 'corrupt' })
    for (const version of ['data~1', 'data@best']) {
      expect(await outcome(storage, version, scene.versions['data~1']!, out, 'damaged newest version')).toBe('exact')
    }
    await expect(pullVersion(contextOf(storage), 'data~2', out)).rejects.toMatchObject({ code: 'not-found' })
  }))

test('while a tomb can not be read nobody pushes: it might name any pack', () =>
  withFolder(async folder => {
    const scene = await makeScene(folder)
    const [name, bytes] = ofKind(scene, 'tomb')[0]!
    const storage = await storageOf(new Map(scene.objects).set(name, bytes.slice(0, -1)))
    await expect(pushFolder(contextOf(storage), join(folder, 'data'), 'other')).rejects.toMatchObject({ code: 'corrupt' })
    expect([...(await takeAll(storage)).keys()].sort()).toEqual([...scene.objects.keys()].sort())
  }))

describe('through the program', () => {
  test.each(['config', 'snapshot', 'index', 'label', 'tomb', 'pack'])('a flipped bit in each %s', kind =>
    withFolder(async folder => {
      const scene = await makeScene(folder)
      const sandbox = new Sandbox(folder)
      for (const [name, bytes] of ofKind(scene, kind)) {
        mkdirSync(sandbox.store)
        for (const [each, content] of scene.objects) writeFileSync(join(sandbox.store, each), content)
        const [[, , changed]] = [...flips(name, bytes, [Math.floor(bytes.length / 3)])] as [[string, string, Uint8Array]]
        writeFileSync(join(sandbox.store, name), changed)
        for (const [version, expected] of Object.entries(scene.versions)) {
          const run = await sandbox.run(['pull', version, 'out'])
          expect([0, 7]).toContain(run.code)
          expect(run.stderr).not.toMatch(/^\s+at /m)
          if (run.code === 7) expect(run.stderr).toMatch(/damaged|checksum/)
          const got = existsSync(sandbox.in('out')) ? pictureOf(sandbox.in('out')) : new Map<string, string>()
          const wrong = differences(expected, got).filter(line => run.code === 0 || !/got nothing$|folder/.test(line))
          expect(wrong).toEqual([])
          rmSync(sandbox.in('out'), { recursive: true, force: true })
        }
        const check = await sandbox.run(['check', '--read-data'])
        if (kind !== 'config' && kind !== 'index') expect(check.code, check.stdout).toBe(7)
        rmSync(sandbox.store, { recursive: true })
      }
      expect(readdirSync(folder).filter(name => name !== 'cache')).toEqual(['data'])
    }),
  )
})
