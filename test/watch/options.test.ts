import { spawn } from 'node:child_process'
import { appendFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { whileWatching } from './running.ts'

const QUICK = ['--settle', '200ms', '--every', '100ms']
const LONG_MS = 90_000

interface LogEntry {
  version: string
  metrics: Record<string, number>
  tags: string[]
}

const log = async (sandbox: Sandbox): Promise<LogEntry[]> => (await sandbox.json<{ versions: LogEntry[] }>('log', 'runs')).versions

/** A checkpoint as a careful program writes it. */
function checkpoint(sandbox: Sandbox, name: string, seed: number): void {
  writeFileSync(sandbox.in('unfinished'), seededNoise(seed, 20_000))
  renameSync(sandbox.in('unfinished'), sandbox.in('runs', name))
}

test(
  'keeps the last and the best, by metrics that stand in names of files',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { 'config.json': '{}' })
      const losses = [0.9, 0.2, 0.6, 0.1, 0.5, 0.4, 0.3]
      const policy = ['--keep-last', '2', '--keep-best', 'val_loss:2', '--metric-pattern', 'val_loss=([0-9.]+)']
      await whileWatching(sandbox, ['runs', ...QUICK, ...policy, '--tag', 'auto'], async watch => {
        await watch.saved('config.json')
        for (const [i, loss] of losses.entries()) {
          checkpoint(sandbox, `epoch${i}-val_loss=${loss}.bin`, i)
          const { metrics } = await watch.saved(`epoch${i}-val_loss=${loss}.bin`)
          expect(metrics).toEqual({ val_loss: loss })
        }
        expect(await watch.stop()).toBe(0)
      })
      const versions = await log(sandbox)
      expect(versions.map(({ metrics }) => metrics.val_loss)).toEqual([0.3, 0.4, 0.1, 0.2])
      expect(versions.every(({ tags }) => tags.includes('auto'))).toBe(true)
      await sandbox.ok('check', '--read-data')
    }),
  LONG_MS,
)

test(
  'metrics come from the last whole line of a JSONL file, and a number that is none is no metric',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { 'log.jsonl': '{"val_loss": 0.7, "acc": NaN}\n' })
      await whileWatching(sandbox, ['runs', ...QUICK, '--metrics-from', 'runs/log.jsonl'], async watch => {
        expect((await watch.saved('log.jsonl')).metrics).toEqual({ val_loss: 0.7 })
        appendFileSync(sandbox.in('runs', 'log.jsonl'), '{"val_loss": 0.5, "acc": 0.25}\n{"val_lo')
        checkpoint(sandbox, 'a.bin', 1)
        expect((await watch.saved('a.bin')).metrics).toEqual({ val_loss: 0.5, acc: 0.25 })
        expect(await watch.stop()).toBe(0)
      })
      await sandbox.ok('pull', 'runs@best:val_loss', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('runs'))
    }),
  LONG_MS,
)

test(
  'metrics come from the trainer_state.json of the newest checkpoint that matches, and a version without a new one has none',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('disk'), { 'config.json': '{}' })
      symlinkSync('disk', sandbox.in('runs'))
      const policy = ['--keep-last', '1', '--keep-best', 'eval_loss:1', '--metrics-from', 'runs/checkpoint-*/trainer_state.json']
      const save = (step: number, eval_loss: number): void => {
        const log_history = [
          { loss: 1, step },
          { eval_loss, step },
        ]
        makeTree(sandbox.in('unfinished'), {
          'model.bin': seededNoise(step, 20_000),
          'trainer_state.json': JSON.stringify({ log_history }),
        })
        renameSync(sandbox.in('unfinished'), sandbox.in('runs', `checkpoint-${step}`))
      }
      await whileWatching(sandbox, ['runs', ...QUICK, ...policy], async watch => {
        expect((await watch.saved('config.json')).metrics).toEqual({})
        for (const [step, eval_loss] of [0.9, 0.2, 0.6].entries()) {
          save(step, eval_loss)
          expect((await watch.saved(`checkpoint-${step}/trainer_state.json`)).metrics).toEqual({ loss: 1, eval_loss, step })
        }
        checkpoint(sandbox, 'other.bin', 9)
        expect((await watch.saved('other.bin')).metrics).toEqual({})
        expect(await watch.stop()).toBe(0)
      })
      expect((await log(sandbox)).map(({ metrics }) => metrics.eval_loss)).toEqual([undefined, 0.2])
    }),
  LONG_MS,
)

test(
  'a file of metrics that is too long to be read is told once, and versions are made without',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { first: '1' })
      writeFileSync(sandbox.in('metrics.json'), JSON.stringify({ val_loss: 0.4, text: 'x'.repeat(17 * 1024 * 1024) }))
      await whileWatching(sandbox, ['runs', ...QUICK, '--metrics-from', 'metrics.json'], async watch => {
        expect((await watch.saved('first')).metrics).toEqual({})
        checkpoint(sandbox, 'second', 2)
        expect((await watch.saved('second')).metrics).toEqual({})
        expect(watch.all('warning').map(({ message }) => message)).toEqual([
          expect.stringMatching(/^no metrics are read from metrics\.json/),
        ])
        expect(await watch.stop()).toBe(0)
      })
    }),
  LONG_MS,
)

test(
  'files that are finished within --every go into one version, which comes by itself',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { first: '1' })
      await whileWatching(sandbox, ['runs', '--settle', '200ms', '--every', '4s'], async watch => {
        await watch.saved('first')
        for (const name of ['a', 'b', 'c']) checkpoint(sandbox, name, name.charCodeAt(0))
        const { files } = await watch.saved('a')
        expect([...(files as string[])].sort()).toEqual(['a', 'b', 'c'])
        expect(watch.all('saved')).toHaveLength(2)
      })
      const times = (await sandbox.json<{ versions: { time: string }[] }>('log', 'runs')).versions.map(({ time }) => Date.parse(time))
      expect(times[0]! - times[1]!).toBeGreaterThan(2000)
    }),
  LONG_MS,
)

test(
  'ends with a last version when the process ends, killed or not',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { first: '1' })
      const training = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
      try {
        await whileWatching(sandbox, ['runs', '--settle', '200ms', '--every', '1h', '--until-exit', String(training.pid)], async watch => {
          await watch.saved('first')
          checkpoint(sandbox, 'last.bin', 4)
          training.kill('SIGKILL')
          await watch.saved('last.bin')
          expect(await watch.ended).toEqual({ code: 0, signal: null })
          expect(watch.all('stopping')).toEqual([{ event: 'stopping', why: 'process-ended' }])
        })
      } finally {
        training.kill('SIGKILL')
      }
      await sandbox.ok('pull', 'runs', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('runs'))
    }),
  LONG_MS,
)

test(
  'what makes no sense is refused before anything is watched',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { a: 'a' })
      const refused: [string[], number, RegExp][] = [
        [['--every', 'soon'], 2, /--every "soon" isn't a duration/],
        [['--keep-last', '0'], 2, /--keep-last 0/],
        [['--keep-best', 'val_loss:2'], 2, /needs metrics/],
        [['--keep-best', 'val_loss', '--metrics-from', 'x'], 2, /needs a metric and a count/],
        [['--metric-pattern', '(['], 2, /isn't a regular expression/],
        [['--until-exit', 'me'], 2, /isn't a process id/],
      ]
      for (const [args, code, what] of refused) expectError(await sandbox.run(['watch', 'runs', ...args]), code, what)
      expectError(await sandbox.run(['watch', 'runs/a/nowhere']), 5, /nowhere does not exist/)
    }),
  LONG_MS,
)
