import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RepositoryContext } from '../../src/repository/open/open.ts'
import { AppError } from '../../src/util/errors.ts'
import type { DriveEmulator, EmulatorOptions } from '../drive-emulator/emulator.ts'
import { FOLDER } from '../drive-emulator/file-store.ts'
import { quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { machineWithLargePacks } from './large-packs.ts'
import { seededSurroundings, type MachineOptions } from './machine.ts'
import { namesTwice, objectsOf } from './scene.ts'

const MINUTE = 60_000

interface World {
  emulator: DriveEmulator
  folder: string
  /** Drive's and everybody's. */
  clock: { now: number }
  /** Another machine, whose clock is that of the world. */
  another: (options?: MachineOptions) => RepositoryContext
}

function withWorld(lag: EmulatorOptions['lag'], use: (world: World) => Promise<void>): Promise<void> {
  const clock = { now: Date.parse('2026-11-20T12:00:00Z') }
  let seed = 1000
  return withDrive({ ...(lag ? { lag } : {}), surroundings: { now: () => clock.now } }, emulator =>
    withFolder(folder => {
      const another = (options: MachineOptions = {}): RepositoryContext => {
        const surroundings = seededSurroundings(++seed, clock)
        return machineWithLargePacks(emulator, { surroundings, now: surroundings.now, seed, ...options })
      }
      return use({ emulator, folder, clock, another })
    }),
  )
}

async function expectSound({ another }: World): Promise<void> {
  const { problems, affected, packs, packsRead } = await checkAll(another())
  expect([problems, affected, packsRead]).toEqual([[], [], packs])
}

async function expectVersion({ folder, another }: World, version: string, source: string): Promise<void> {
  const out = join(folder, `out-${version.replace(/\W/g, '-')}`)
  const { damaged } = await pullVersion(another(), version, out)
  expect(damaged).toEqual([])
  expectSameTree(out, source)
}

const foldersOf = (emulator: DriveEmulator) =>
  [...emulator.files.values()].filter(({ parent, mimeType }) => parent !== undefined && mimeType === FOLDER)

function makeSources(folder: string): { one: string; two: string } {
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  const shared = seededText(1, 300_000)
  makeTree(one, { 'shared.csv': shared, 'own.bin': seededNoise(2, 200_000) })
  makeTree(two, { 'shared.csv': shared, 'own.bin': seededNoise(3, 200_000) })
  return { one, two }
}

describe('two machines that push into an empty Drive at the same moment', () => {
  const LAG = 5 * MINUTE

  test('make duplicates of the folder and of the config, which are one repository for everybody', () =>
    withWorld({ creationMs: LAG }, async world => {
      const { emulator, folder, clock, another } = world
      const { one, two } = makeSources(folder)
      await Promise.all([pushFolder(another(), one, 'one'), pushFolder(another(), two, 'two')])
      expect(namesTwice(emulator)).toEqual(['colab-escape', 'config.json'])
      expect(foldersOf(emulator)).toHaveLength(2)

      await expect(pullVersion(another(), 'one', join(folder, 'early'))).rejects.toMatchObject({
        code: 'not-found',
        message: expect.stringContaining('no repository') as string,
      })

      clock.now += LAG
      await expectSound(world)
      await expectVersion(world, 'one', one)
      await expectVersion(world, 'two', two)
      for (const [name, source] of Object.entries({ one, two })) {
        const { outcome, newBytes } = await pushFolder(another(), source, name)
        expect([outcome, newBytes]).toEqual(['unchanged', 0])
      }

      // from here on all write to one of the two folders, and the other one is read for ever
      const [oldest] = foldersOf(emulator).sort((a, b) => a.createdTime - b.createdTime || (a.id < b.id ? -1 : 1))
      const before = new Set(objectsOf(emulator))
      makeTree(one, { 'new.bin': seededNoise(4, 50_000) })
      for (const name of ['one', 'three']) await pushFolder(another(), one, name)
      const made = objectsOf(emulator).filter(file => !before.has(file))
      expect(made.length).toBeGreaterThanOrEqual(4)
      expect(new Set(made.map(file => file.parent))).toEqual(new Set([oldest!.id]))
      clock.now += LAG
      await expectSound(world)
      await expectVersion(world, 'three', one)
    }))

  test('of one name: both are versions of it', () =>
    withWorld({ creationMs: LAG }, async world => {
      const { folder, clock, another } = world
      const { one, two } = makeSources(folder)
      const pushed = await Promise.all([pushFolder(another(), one, 'data'), pushFolder(another(), two, 'data')])
      clock.now += LAG
      await expectSound(world)
      for (const [i, source] of [one, two].entries()) await expectVersion(world, `data@${pushed[i]!.snapshot!.id.slice(0, 16)}`, source)
      await expect(pullVersion(another(), 'data~2', join(folder, 'none'))).rejects.toMatchObject({ code: 'not-found' })
    }))

  test('of one source: its content is there twice at most, and never again', () =>
    withWorld({ creationMs: LAG }, async world => {
      const { emulator, folder, clock, another } = world
      const { one } = makeSources(folder)
      await Promise.all([pushFolder(another(), one, 'one'), pushFolder(another(), one, 'one')])
      clock.now += LAG
      const packs = objectsOf(emulator).filter(({ name }) => name.startsWith('pack-'))
      expect(packs).toHaveLength(2)
      expect(new Set(packs.map(({ name }) => name)).size).toBe(2)
      await expectSound(world)
      await expectVersion(world, 'one', one)
      expect((await pushFolder(another(), one, 'one')).outcome).toBe('unchanged')
    }))

  test('in a nested folder, whose every part has a duplicate', () =>
    withWorld({ creationMs: LAG }, async world => {
      const { emulator, folder, clock, another } = world
      const { one, two } = makeSources(folder)
      const path = ['A', 'B']
      await Promise.all([pushFolder(another({ path }), one, 'one'), pushFolder(another({ path }), two, 'two')])
      expect(namesTwice(emulator)).toEqual(['A', 'B', 'config.json'])
      clock.now += LAG
      await expectVersion({ ...world, another: () => another({ path }) }, 'one', one)
      await expectVersion({ ...world, another: () => another({ path }) }, 'two', two)
      await expectSound({ ...world, another: () => another({ path }) })
    }))

  test('without any lag: a look right before making the folder mostly finds that of the other one', () =>
    withWorld(undefined, async world => {
      const { emulator, folder, another } = world
      const { one, two } = makeSources(folder)
      await pushFolder(another(), one, 'one')
      await Promise.all([pushFolder(another(), one, 'again'), pushFolder(another(), two, 'two')])
      expect(namesTwice(emulator)).toEqual([])
      await expectSound(world)
      await expectVersion(world, 'two', two)
    }))
})

describe('while listings lag behind what was created', () => {
  test.each([1, 7, 18])('%i min: one run that pushes several folders makes nothing twice, and all of it can be pulled later', minutes =>
    withWorld({ creationMs: minutes * MINUTE }, async world => {
      const { emulator, folder, clock, another } = world
      const { one, two } = makeSources(folder)
      const context = another()
      await pushFolder(context, one, 'one')
      await pushFolder(context, two, 'two')
      expect(namesTwice(emulator)).toEqual([])
      clock.now += minutes * MINUTE
      await expectSound(world)
      await expectVersion(world, 'one', one)
      await expectVersion(world, 'two', two)
    }),
  )

  quietDriveOnly('a push that takes longer than its listing may be old looks again, and counts its own packs that are not listed yet', () =>
    withWorld({ creationMs: 15 * MINUTE }, async world => {
      const { emulator, folder, clock, another } = world
      const source = join(folder, 'data')
      makeTree(source, { 'big.bin': seededNoise(5, 13_500_000) })
      const slowly: typeof fetch = async (input, init) => {
        const response = await fetch(input, init)
        if (init?.method === 'PUT') clock.now += 12 * MINUTE
        return response
      }
      const { outcome, snapshot } = await pushFolder(another({ fetch: slowly }), source, 'data')
      expect(outcome).toBe('stored')
      expect(emulator.counts['upload.piece']).toBe(2)
      // the second listing is the one that the snapshot rests on
      expect(snapshot!.listed).toBeGreaterThanOrEqual(Date.parse('2026-11-20T12:24:00Z'))
      expect(objectsOf(emulator).filter(({ name }) => name.startsWith('snapshot-'))).toHaveLength(1)
      expect(objectsOf(emulator).filter(({ name }) => name.startsWith('pack-'))).toHaveLength(2)
      clock.now += 15 * MINUTE
      await expectSound(world)
      await expectVersion(world, 'data', source)
    }),
  )

  test.each([25, 180])(
    'a machine that sleeps for %i min before the last request: its late version stands when all of it is there',
    minutes =>
      withWorld({ creationMs: 5 * MINUTE }, async world => {
        const { emulator, folder, clock, another } = world
        const { one } = makeSources(folder)
        let asleep = false
        const sleepy: typeof fetch = async (input, init) => {
          const isSnapshot = init?.body instanceof Uint8Array && Buffer.from(init.body).subarray(0, 600).includes('"name":"snapshot-')
          if (isSnapshot && !asleep) {
            asleep = true
            clock.now += minutes * MINUTE
          }
          return fetch(input, init)
        }
        const { outcome } = await pushFolder(another({ fetch: sleepy }), one, 'one')
        expect([asleep, outcome]).toEqual([true, 'stored'])
        expect(objectsOf(emulator).filter(({ name }) => name.startsWith('snapshot-'))).toHaveLength(1)
        clock.now += 5 * MINUTE
        await expectSound(world)
        await expectVersion(world, 'one', one)
      }),
  )

  test('a version whose packs are not listed yet is not restored in part or wrong', () =>
    withWorld(undefined, async world => {
      const { emulator, folder, another, clock } = world
      const { one } = makeSources(folder)
      await pushFolder(another(), one, 'one')
      const pack = objectsOf(emulator).find(({ name }) => name.startsWith('pack-'))!
      Object.assign(pack, { born: clock.now + MINUTE })
      const out = join(folder, 'out')
      await expect(pullVersion(another(), 'one', out)).rejects.toBeInstanceOf(AppError)
      expect(existsSync(out)).toBe(false)
      clock.now += 2 * MINUTE
      await expectVersion(world, 'one', one)
    }))
})
