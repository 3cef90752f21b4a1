import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { DriveSandbox, driveEnvironment } from '../drive/drive-cli.ts'
import { copyOf } from '../drive/scene.ts'
import { withSandbox, type Sandbox } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, contextOf, pullVersion } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { deadPacksOf, keptOf, versionsIn } from './retained.ts'
import { until, whileWatching, type RunningWatch } from './running.ts'

const RULES = ['--keep-last', '3', '--keep-best', 'val_loss:1', '--metrics-from', 'metrics.json']
const WATCH = ['runs', '--settle', '200ms', '--every', '100ms', ...RULES]
const LOSS_OF = [0.5, 0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.4, 0.6, 0.35, 0.55, 0.45]
const LONG_MS = 240_000

interface Place {
  sandbox: Sandbox
  env?: Record<string, string | undefined>
  /** Bytes of a checkpoint. */
  bytes: number
  /** What is stored now, to be looked at without the program. */
  look: () => Promise<RepositoryContext>
  /** Makes the store such that `ripe` comes about at some moment of the save to come. */
  aim: (nth: number) => { ripe: () => boolean; over: () => void }
}

const contentOf = (step: number, bytes: number): Buffer =>
  Buffer.concat([seededNoise(99, Math.floor(bytes / 3)), seededNoise(step + 1, bytes - Math.floor(bytes / 3))])

/**
 * Trains with a watch that is killed while it saves each second checkpoint, and started again. Returns how many of the
 * killed ones had not yet said that they had saved.
 */
async function train(place: Place, aims: readonly number[]): Promise<number> {
  const { sandbox, env, bytes, look, aim } = place
  const acknowledged = new Set<number>()
  let step = 0
  let unsaid = 0
  const save = (): void => {
    writeFileSync(sandbox.in('metrics.json'), JSON.stringify({ step, val_loss: LOSS_OF[step] }))
    makeTree(sandbox.in('runs'), { 'model.bin': contentOf(step, bytes) })
  }
  const acknowledge = async (watch: RunningWatch): Promise<void> => {
    await until(() => watch.all('saved').length > 0 || watch.all('unchanged').length > 0)
    acknowledged.add(step)
  }
  const expectAllThere = async (): Promise<void> => {
    const context = await look()
    const there = await versionsIn(context)
    const steps = there.map(made => made.step)
    for (const each of keptOf([...new Set([...acknowledged, ...steps])], LOSS_OF, 3, 1)) expect(steps).toContain(each)
    for (const made of there) {
      const out = sandbox.in('out')
      await pullVersion(context, `runs@${made.stored.id}`, out)
      expect(readFileSync(sandbox.in('out', 'model.bin')).equals(contentOf(made.step, bytes)), `checkpoint ${made.step}`).toBe(true)
      rmSync(out, { recursive: true })
    }
  }

  save()
  for (const nth of aims) {
    await whileWatching(
      sandbox,
      WATCH,
      async watch => {
        await acknowledge(watch)
        step++
        const { ripe, over } = aim(nth)
        save()
        const isSaid = (): boolean => watch.all('saved').some(({ metrics }) => (metrics as { step: number }).step === step)
        await until(() => ripe() || isSaid(), 1)
        watch.child.kill('SIGKILL')
        await watch.ended
        over()
        if (isSaid()) acknowledged.add(step)
        else unsaid++
      },
      env,
    )
    await expectAllThere()
  }
  // the last of them is saved by one that is left alone
  await whileWatching(sandbox, WATCH, async watch => (await acknowledge(watch), expect(await watch.stop()).toBe(0)), env)
  await expectAllThere()
  await sandbox.ok('forget', 'runs', '--keep-last', '3', '--keep-best', 'val_loss:1')
  await sandbox.ok('prune', '--now')

  const context = await look()
  const steps = (await versionsIn(context)).map(made => made.step)
  expect(steps).toEqual(keptOf([...acknowledged], LOSS_OF, 3, 1))
  await expectAllThere()
  expect(await deadPacksOf(await openForReading(context))).toEqual([])
  const { problems, affected } = await checkAll(context)
  expect([problems, affected]).toEqual([[], []])
  const { objects } = await context.storage.list()
  const stored = objects.reduce((sum, { size }) => sum + size, 0)
  expect(stored).toBeLessThan((bytes / 3 + (steps.length * bytes * 2) / 3) * 1.5 + 50_000)
  return unsaid
}

test(
  'a watch of a folder store, killed while it writes packs, an index, a version and a tomb: what it said is saved is, nothing leaks',
  () =>
    withSandbox(async sandbox => {
      const names = (prefix: string): string[] => readdirSync(sandbox.store).filter(name => name.startsWith(prefix))
      const stages = ['.tmp-', 'pack-', 'index-', 'snapshot-', 'tomb-']
      const unsaid = await train(
        {
          sandbox,
          bytes: 9_000_000,
          look: async () => contextOf(new FolderStorage(sandbox.store)),
          aim: nth => {
            const stage = stages[nth]!
            const before = new Set(names(stage))
            return { ripe: () => names(stage).some(name => !before.has(name)), over: () => undefined }
          },
        },
        [1, 0, 2, 3, 4, 1],
      )
      expect(unsaid).toBeGreaterThan(2)
    }),
  LONG_MS,
)

test(
  'a watch of Drive, killed in the midst of calls of a push and of forgetting: what it said is saved is, nothing leaks',
  () =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const login = emulator.issueToken()
        const sandbox = new DriveSandbox(emulator, folder, login)
        const unsaid = await train(
          {
            sandbox,
            env: driveEnvironment(emulator, folder, login),
            bytes: 600_000,
            look: () => copyOf(emulator),
            // by turns before that call is done, and when it is done and its result has not arrived
            aim: nth => {
              emulator.resetRecords()
              if (nth % 2 === 0) emulator.faults.add({ nth, do: 'reset-after-commit' })
              const from = nth % 2 === 0 ? nth + 1 : nth
              emulator.faults.add({ nth: from, times: Infinity, do: 'stall' })
              return { ripe: () => emulator.requests.length >= from, over: () => emulator.faults.clear() }
            },
          },
          [2, 5, 6, 8, 9, 12, 16, 21],
        )
        expect(unsaid).toBeGreaterThan(5)
      }),
    ),
  LONG_MS,
)
