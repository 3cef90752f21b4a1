import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errnoOf } from '../../src/util/errors.ts'
import type { CallKind } from '../drive-emulator/call.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { checkAll, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, expectWholeFiles, pictureOf, type TreePicture } from '../helpers/trees.ts'
import { driveEnvironment, DriveSandbox, PROGRAM } from './drive-cli.ts'
import { machine } from './machine.ts'
import { bytesOn, copyOf, namesTwice, objectsOf, Scene } from './scene.ts'

/** Until what the emulator was doing when the process died is done, ms. */
const SETTLE_MS = 40

/**
 * Where the process dies: when its nth request has reached Drive and is not done yet, or is done and nobody has heard
 * of it.
 */
type Moment = 'before' | 'after'

/** Runs the program and kills it at its nth request, as soon as `when` holds; Drive answers nothing from there on. */
async function killAt(
  emulator: DriveEmulator,
  folder: string,
  args: string[],
  nth: number,
  moment: Moment,
  when: () => boolean = () => true,
): Promise<void> {
  emulator.resetRecords()
  if (moment === 'after') emulator.faults.add({ nth, do: 'reset-after-commit' })
  emulator.faults.add({ nth: moment === 'after' ? nth + 1 : nth, times: Infinity, do: 'stall' })
  const env = { ...process.env, ...driveEnvironment(emulator, folder, emulator.issueToken()) }
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, env, stdio: 'ignore' })
  const ended = new Promise<NodeJS.Signals | null>(resolve => child.once('close', (_, signal) => resolve(signal)))
  while (emulator.requests.length < nth && child.exitCode === null) await wait(5)
  while (!when() && child.exitCode === null) await wait(5)
  await wait(SETTLE_MS)
  child.kill('SIGKILL')
  expect(await ended).toBe('SIGKILL')
  emulator.faults.clear()
}

/**
 * A push lists, makes its folders, and stores packs, an index, the config and a snapshot; a pull reads all of these.
 */
const LEAST_REQUESTS = 6
/** A pack, an index and a snapshot at least. */
const LEAST_CREATED = 3
const CREATING: (CallKind | undefined)[] = ['files.create', 'upload.multipart', 'upload.piece']

const SCENES = {
  'the first push': async () =>
    new Scene({ 'big.bin': seededNoise(1, 4_700_000), 'a.txt': 'first', 'sub/table.csv': seededText(1, 50_000) }),
  'a later push': async () => {
    const scene = new Scene({ 'noise.bin': seededNoise(2, 100_000), 'a.txt': 'first' })
    await scene.publish({ 'a.txt': 'second', 'more.bin': seededNoise(3, 200_000) })
    return scene
  },
}

describe.each(Object.entries(SCENES))('kill -9 during %s', (_, makeScene) => {
  let scene: Scene
  let clean: { kinds: CallKind[]; bytes: number }
  beforeAll(async () => {
    scene = await makeScene()
    clean = await scene.withDrive(async emulator => {
      await pushFolder(machine(emulator), scene.source, 'data')
      return { kinds: emulator.requests.map(({ kind }) => kind), bytes: bytesOn(emulator) }
    })
    expect(clean.kinds.length).toBeGreaterThanOrEqual(LEAST_REQUESTS)
    expect(clean.kinds.filter(kind => CREATING.includes(kind)).length).toBeGreaterThanOrEqual(LEAST_CREATED)
  })
  afterAll(() => scene.remove())

  async function round(nth: number, moment: Moment): Promise<void> {
    await scene.withDrive(async emulator => {
      await killAt(emulator, scene.folder, ['push', 'data', '--create'], nth, moment)
      const kept = await copyOf(emulator)
      const isRepository = objectsOf(emulator).some(({ name }) => /^(config|snapshot)/.test(name))
      if (isRepository) {
        const { problems, affected } = await checkAll(kept)
        expect([problems, affected]).toEqual([[], []])
      }
      const offered = objectsOf(emulator).filter(({ name }) => name.startsWith('snapshot-')).length

      // in turn on another machine, and on this one again, which remembers what it has read
      if (nth % 4 !== 1) await pushFolder(machine(emulator), scene.source, 'data')
      else await new DriveSandbox(emulator, scene.folder).ok('push', 'data', '--create')
      await scene.expectSound(await copyOf(emulator), [pictureOf(scene.source), ...scene.old])
      expect(objectsOf(emulator).filter(({ name }) => name.startsWith('snapshot-'))).toHaveLength(Math.max(offered, 1 + scene.old.length))
      // what had arrived is used: an index that nobody needs any more is all that may stay
      expect(bytesOn(emulator)).toBeLessThan(clean.bytes + 10_000)
      expect(namesTwice(emulator)).toEqual([])
    })
  }

  test('at every request, before it is done', async () => {
    for (let nth = 1; nth <= clean.kinds.length; nth++) await round(nth, 'before')
  })

  test('at every request that makes something, when it is done', async () => {
    for (let nth = 1; nth <= clean.kinds.length; nth++) if (CREATING.includes(clean.kinds[nth - 1])) await round(nth, 'after')
  })
})

/** How many files a running pull has placed. It may rename one while the folder is looked at. */
function filesSoFar(out: string, expected: TreePicture): number {
  try {
    return expectWholeFiles(out, expected)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    return 0
  }
}

describe('kill -9 during a pull', () => {
  test('at every request: no half file under its name, the repository untouched, and the next run completes', async () => {
    const scene = new Scene({ 'big.bin': seededNoise(4, 2_000_000), 'a.txt': 'first' })
    try {
      // three packs
      await scene.publish({ 'more.bin': seededNoise(5, 300_000) })
      await scene.publish({ 'sub/table.csv': seededText(1, 50_000) })
      await scene.publish({})
      await scene.withDrive(async emulator => {
        await pullVersion(machine(emulator), 'data', scene.out())
        const requests = emulator.requests.length
        expect(requests).toBeGreaterThanOrEqual(LEAST_REQUESTS)
        const before = objectsOf(emulator)
        const expected = scene.old[0]!
        for (let nth = 1; nth <= requests; nth++) {
          const out = scene.out()
          // the last request is for one of the packs: files of the others get their names while it is not answered
          const isPlaced = (): boolean => nth < requests || filesSoFar(out, expected) > 0
          await killAt(emulator, scene.folder, ['pull', 'data', out], nth, 'before', isPlaced)
          expectWholeFiles(out, expected)
          if (nth % 4 !== 1) await pullVersion(machine(emulator), 'data', out)
          else await new DriveSandbox(emulator, scene.folder).ok('pull', 'data', out)
          expectSameTree(out, expected)
          rmSync(out, { recursive: true })
        }
        expect(objectsOf(emulator)).toEqual(before)
      })
    } finally {
      scene.remove()
    }
  })
})
