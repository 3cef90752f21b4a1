import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pass } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { withSandbox, type Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { safetensors, zip } from './containers.ts'
import { whileWatching, type RunningWatch, type WatchLine } from './running.ts'

const SETTLE_MS = 500
const QUICK = ['--settle', `${SETTLE_MS}ms`, '--every', '100ms']
const LONG_MS = 90_000
const FILES = ['model.safetensors', 'optimizer.pt', 'scheduler.pt', 'trainer_state.json', 'training_args.bin']

const state = (step: number, eval_loss: number): string => JSON.stringify({ log_history: [{ eval_loss, step }] })

/** Writes one file after the other, as Hugging Face's Trainer does, and the optimizer for some time. */
async function saveCheckpoint(sandbox: Sandbox, folder: string, step: number, pauseMs = SETTLE_MS): Promise<void> {
  const to = (name: string): string => sandbox.in('out', folder, name)
  mkdirSync(sandbox.in('out', folder), { recursive: true })
  writeFileSync(to('model.safetensors'), safetensors(step, 20_000))
  const optimizer = zip(step, 50_000)
  writeFileSync(to('optimizer.pt'), '')
  for (let at = 0; at < optimizer.length; at += 10_000) {
    await pass(pauseMs / 2)
    appendFileSync(to('optimizer.pt'), optimizer.subarray(at, at + 10_000))
  }
  writeFileSync(to('scheduler.pt'), zip(step + 100, 1000))
  await pass(pauseMs)
  writeFileSync(to('trainer_state.json'), state(step, 1 / step))
  writeFileSync(to('training_args.bin'), 'args')
}

const sorted = ({ files }: WatchLine): string[] => [...(files as string[])].sort()

async function pathsOf(sandbox: Sandbox, version: string): Promise<string[]> {
  const { entries } = await sandbox.json<{ entries: { path: string }[] }>('ls', `out@${version}`, '-R')
  return entries.map(({ path }) => path)
}

async function growWhile(file: string, use: () => Promise<void>): Promise<void> {
  const append = (): void => appendFileSync(file, seededNoise(7, 1000))
  append()
  const grow = setInterval(append, 50)
  try {
    await use()
  } finally {
    clearInterval(grow)
  }
}

const watchOut = (sandbox: Sandbox, args: string[], use: (watch: RunningWatch) => Promise<void>): Promise<void> =>
  whileWatching(sandbox, ['out', ...QUICK, ...args], async watch => {
    await watch.saved('config.json')
    await use(watch)
  })

test(
  'the folder of a checkpoint comes into one version, whole and with its metrics, and nothing of it comes into a version before',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      await watchOut(sandbox, ['--metrics-from', 'out/checkpoint-*/trainer_state.json'], async watch => {
        for (const step of [200, 400]) {
          const saving = saveCheckpoint(sandbox, `checkpoint-${step}`, step)
          await pass(SETTLE_MS)
          writeFileSync(sandbox.in('out', `note-${step}`), 'finished')
          const between = await watch.saved(`note-${step}`)
          expect(sorted(between)).toEqual([`note-${step}`])
          expect((await pathsOf(sandbox, between.version as string)).filter(path => path.startsWith(`checkpoint-${step}`))).toEqual([])
          await saving
          const whole = await watch.next('saved')
          expect(sorted(whole)).toEqual(FILES.map(file => `checkpoint-${step}/${file}`))
          expect(whole.metrics).toEqual({ eval_loss: 1 / step, step })
        }
        expect(await watch.stop()).toBe(0)
        expect(watch.all('saved')).toHaveLength(5)
      })
    }),
  LONG_MS,
)

test(
  'a folder that is rewritten in place comes into one version again',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      await watchOut(sandbox, [], async watch => {
        await saveCheckpoint(sandbox, 'last', 1, 0)
        await watch.saved('last/optimizer.pt')
        const write = (name: string, bytes: Buffer): void => writeFileSync(sandbox.in('out/last', name), bytes)
        const [model, optimizer] = [safetensors(5, 20_000), zip(5, 50_000)]
        write('model.safetensors', model)
        write('optimizer.pt', optimizer.subarray(0, 30_000))
        await pass(4 * SETTLE_MS)
        write('optimizer.pt', optimizer)
        expect(sorted(await watch.next('saved'))).toEqual(['last/model.safetensors', 'last/optimizer.pt'])
        expect(await watch.stop()).toBe(0)
      })
    }),
  LONG_MS,
)

test(
  'a finished checkpoint of a folder of single files does not wait for the next one',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      await watchOut(sandbox, [], async watch => {
        for (const folder of ['.', 'new']) {
          makeTree(sandbox.in('out', folder), { 'epoch-1.bin': seededNoise(1, 10_000) })
          await pass(2 * SETTLE_MS)
          await growWhile(sandbox.in('out', folder, 'epoch-2.bin'), async () => {
            expect(sorted(await watch.next('saved'))).toEqual([folder === '.' ? 'epoch-1.bin' : `${folder}/epoch-1.bin`])
          })
          await watch.saved(folder === '.' ? 'epoch-2.bin' : `${folder}/epoch-2.bin`)
        }
        expect(await watch.stop()).toBe(0)
      })
    }),
  LONG_MS,
)

test(
  'a file that is written for ever keeps the others of its folder waiting for a while, which is told, and other folders not at all',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      await whileWatching(sandbox, ['out', '--settle', '100ms', '--every', '100ms'], async watch => {
        await watch.saved('config.json')
        makeTree(sandbox.in('out/huge'), { small: 'small' })
        await growWhile(sandbox.in('out/huge/endless.bin'), async () => {
          await pass(1000)
          makeTree(sandbox.in('out/other'), { file: 'file' })
          expect(sorted(await watch.next('saved'))).toEqual(['other/file'])
          expect((await watch.next('note')).message).toBe(
            'huge/endless.bin is still being written: the finished files in huge are saved without it',
          )
          expect(sorted(await watch.next('saved'))).toEqual(['huge/small'])
          makeTree(sandbox.in('out/huge'), { second: 'second' })
          expect(sorted(await watch.next('saved'))).toEqual(['huge/second'])
        })
        await watch.saved('huge/endless.bin')
        expect(await watch.stop()).toBe(0)
      })
    }),
  LONG_MS,
)

test(
  'at the end, what is finished of a folder is saved at once',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      await watchOut(sandbox, [], async watch => {
        makeTree(sandbox.in('out/checkpoint-1'), { 'model.bin': 'whole', 'optimizer.npy': '' })
        await pass(2 * SETTLE_MS)
        expect(await watch.stop()).toBe(3)
        expect(watch.all('result')).toMatchObject([{ versions: 2, notSaved: [{ path: 'checkpoint-1/optimizer.npy', kind: 'incomplete' }] }])
      })
    }),
  LONG_MS,
)

test(
  'checkpoints that a training deletes leave no version with half of one',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      await watchOut(sandbox, [], async watch => {
        for (let step = 1; step <= 12; step++) {
          await saveCheckpoint(sandbox, `checkpoint-${step}`, step, 20)
          // as slowly as a mounted disk deletes
          for (const file of step > 2 ? FILES : []) {
            rmSync(sandbox.in('out', `checkpoint-${step - 2}`, file))
            await pass(60)
          }
          rmSync(sandbox.in('out', `checkpoint-${step - 2}`), { recursive: true, force: true })
          await pass(SETTLE_MS * (step % 4))
        }
        expect(await watch.stop()).toBe(0)
      })
      const { versions } = await sandbox.json<{ versions: { version: string; incomplete: unknown }[] }>('log', 'out')
      expect(versions.length).toBeGreaterThan(3)
      for (const { version, incomplete } of versions) {
        expect(incomplete).toBeNull()
        const files = (await pathsOf(sandbox, version)).filter(path => /\/./.test(path))
        const folders = new Set(files.map(path => path.split('/')[0]!))
        expect(files.sort()).toEqual([...folders].flatMap(folder => FILES.map(file => `${folder}/${file}`)).sort())
      }
    }),
  LONG_MS,
)
