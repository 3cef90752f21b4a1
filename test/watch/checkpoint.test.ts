import { readFileSync, renameSync } from 'node:fs'
import { expect, test } from 'vitest'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { whileWatching } from './running.ts'

const QUICK = ['--settle', '200ms', '--every', '100ms']
const LONG_MS = 90_000

function save(sandbox: Sandbox, name: string, files: Record<string, string>): void {
  makeTree(sandbox.in('unfinished'), files)
  renameSync(sandbox.in('unfinished'), sandbox.in('out', name))
}

test(
  'the best version brings the checkpoint that was measured alone, though others lay beside it',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      await whileWatching(sandbox, ['out', ...QUICK, '--metrics-from', 'out/checkpoint-*/trainer_state.json'], async watch => {
        expect((await watch.saved('config.json')).checkpoint).toBeNull()
        for (const [i, eval_loss] of [0.9, 0.2, 0.6].entries()) {
          const state = JSON.stringify({ log_history: [{ eval_loss, step: i }] })
          save(sandbox, `checkpoint-${i}`, { 'model.bin': `model ${i}`, 'trainer_state.json': state })
          expect((await watch.saved(`checkpoint-${i}/model.bin`)).checkpoint).toBe(`checkpoint-${i}`)
        }
        expect(await watch.stop()).toBe(0)
      })
      await sandbox.ok('pull', 'out@best:eval_loss', 'best', '--checkpoint')
      expectSameTree(sandbox.in('best'), sandbox.in('out/checkpoint-1'))
      expectError(await sandbox.run(['pull', 'out~3', 'none', '--checkpoint']), 5, /It is not recorded which checkpoint/)
      expectError(await sandbox.run(['pull', 'out:checkpoint-1', 'none', '--checkpoint']), 2, /already names a path/)
    }),
  LONG_MS,
)

test(
  'a checkpoint is found by metrics in its name, and as the only new file beside a log of metrics',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('out'), { 'config.json': '{}' })
      const watching = (args: string[], file: string, content: string): Promise<unknown> =>
        whileWatching(sandbox, ['out', ...QUICK, ...args], async watch => {
          await watch.next('unchanged')
          makeTree(sandbox.in('out'), { [file]: content })
          expect((await watch.saved(file)).checkpoint).toBe(file)
          expect(await watch.stop()).toBe(0)
        })
      await sandbox.ok('push', 'out')
      await watching(['--metric-pattern', 'val_loss=([0-9.]+)'], 'epoch=1-val_loss=0.5.ckpt', 'first')
      makeTree(sandbox.in(), { 'log.jsonl': '{"val_loss": 0.25}\n' })
      await watching(['--metrics-from', 'log.jsonl'], 'epoch=2.ckpt', 'second')
      await sandbox.ok('pull', 'out@best:val_loss', 'best', '--checkpoint')
      expect(readFileSync(sandbox.in('best'), 'utf8')).toBe('second')
    }),
  LONG_MS,
)
