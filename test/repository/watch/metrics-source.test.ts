import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { metricsOf, parseNamePattern, readMetricsFile } from '../../../src/repository/watch/metrics-source.ts'
import { withFolder } from '../../helpers/folders.ts'
import { makeTree } from '../../helpers/trees.ts'

const RECORDS = [{ val_loss: 0.9 }, { val_loss: 0.4, acc: 0.8, note: 'best so far', nested: { f1: 1 } }]

test.each([
  ['one object', JSON.stringify(RECORDS[1])],
  ['one object over several lines', JSON.stringify(RECORDS[1], undefined, 2)],
  ['a list', JSON.stringify(RECORDS)],
  ['a list over several lines', `${JSON.stringify(RECORDS, undefined, 2)}\n`],
  ['one a line', RECORDS.map(record => `${JSON.stringify(record)}\n`).join('')],
  ['one a line, the last of them without an end', RECORDS.map(record => JSON.stringify(record)).join('\r\n')],
  ['one a line, and one that is being written', `${JSON.stringify(RECORDS[1])}\n{"val_loss": 0.1, "acc`],
  ['one a line, and others without metrics', `${JSON.stringify(RECORDS[1])}\n{"event": "end"}\n{"saved": true, "error": null}\n[1]\n7\n\n`],
  ['what Python calls JSON', '{"val_loss": 0.4, "acc": 0.8, "grad": NaN, "worst": -Infinity, "text": "NaN, Infinity"}'],
])('the last metrics of %s', (_, text) => {
  expect(metricsOf(text)).toEqual({ val_loss: 0.4, acc: 0.8 })
})

test.each(['', ' \n', '{', '{"val_loss": 0.', '[]', '"val_loss"', 'val_loss=0.4', '{"val loss": 1, "": 2, "acc": "0.4"}'])(
  'none in %j',
  text => {
    expect(metricsOf(text)).toEqual({})
  },
)

test.each([
  ['NaN', '{"val_loss": NaN}', {}],
  ['NaN beside a number', '{"step": 2, "val_loss": NaN}', { step: 2 }],
  ['infinite', '{"val_loss": Infinity}', {}],
  ['infinite and negative', '{"val_loss": -Infinity}', {}],
  ['too large for a number', '{"val_loss": 1e999}', {}],
  ['null', '{"val_loss": null}', { step: 1 }],
  ['a text', '{"val_loss": "nan"}\n{"event": "end"}', { step: 1 }],
  ['a list', '{"val_loss": [0.1]}', { step: 1 }],
])('a metric that is %s in the last record has no value, and never that of the record before', (_, last, expected) => {
  const before = '{"step": 1, "val_loss": 0.5}'
  expect(metricsOf(`${before}\n${last}\n`)).toEqual(expected)
  expect(metricsOf(`${'{"event": "batch"}\n'.repeat(20_000)}${before}\n${last}\n`)).toEqual(expected)
  if (!last.includes('\n')) expect(metricsOf(`[${before},\n${last}]`)).toEqual(expected)
})

test('records of training and of evaluation take turns: the last one with a number counts, as it stands', () => {
  const log = '{"step": 1, "val_loss": 0.5}\n{"step": 2, "loss": 0.4}\n'
  expect(metricsOf(log)).toEqual({ step: 2, loss: 0.4 })
  expect(metricsOf(`${log}{"step": 2, "val_loss": NaN}\n{"event": "saved"}\n`)).toEqual({ step: 2 })
})

test('the last step of a trainer_state.json may have no finite loss', () => {
  const state = (...last: object[]): string =>
    JSON.stringify({ best_metric: 0.1, log_history: [{ step: 1, eval_loss: 0.5 }, ...last] }).replaceAll('"nan"', 'NaN')
  expect(metricsOf(state({ step: 2, loss: 0.1 }, { step: 2, eval_loss: 'nan' }))).toEqual({ step: 2, loss: 0.1 })
  expect(metricsOf(state({ eval_loss: 'nan' }))).toEqual({})
})

test('of several new files the last one says what a metric is, also that it is no number', () => {
  const inName = parseNamePattern('loss=(nan|[0-9.]+)')
  expect(inName('a-loss=0.5.bin')).toEqual({ loss: 0.5 })
  expect(inName('a-loss=nan.bin')).toEqual({ loss: NaN })
  expect(inName('config.json')).toEqual({})
})

const untold = (problem: string): void => expect.unreachable(problem)

test('only the end of a long file is read; one that is not there has none', () =>
  withFolder(async folder => {
    const line = `${JSON.stringify({ step: 1, text: 'x'.repeat(1000) })}\n`
    makeTree(folder, { 'log.jsonl': `${JSON.stringify({ early: 1 })}\n${line.repeat(600)}${JSON.stringify({ val_loss: 0.4 })}\n` })
    expect(await readMetricsFile(join(folder, 'log.jsonl'), untold)).toEqual({ val_loss: 0.4 })
    expect(await readMetricsFile(join(folder, 'none.json'), untold)).toEqual({})
  }))

/** As Hugging Face's Trainer writes it: keys in order; each step has one record of training and one of evaluation. */
function trainerState(steps: number, evaluated = true): string {
  const log_history = Array.from({ length: steps }, (_, i) => [
    { epoch: i / 100, grad_norm: 1.5, learning_rate: 1e-5, loss: 2 / (i + 1), step: i + 1 },
    ...(evaluated || i < steps - 1 ? [{ epoch: i / 100, eval_loss: 3 / (i + 1), eval_runtime: 1.25, step: i + 1 }] : []),
  ]).flat()
  const state = { best_metric: 0.01, epoch: steps / 100, global_step: steps, is_world_process_zero: true, log_history, max_steps: 90_000 }
  return `${JSON.stringify(state, undefined, 2).replace('"grad_norm": 1.5', '"grad_norm": NaN')}\n`
}

test.each([1, 2, 2000])('of a trainer_state.json of %i steps all that it has of the last step', steps =>
  withFolder(async folder => {
    const path = join(folder, 'trainer_state.json')
    makeTree(folder, { 'trainer_state.json': trainerState(steps) })
    expect(await readMetricsFile(path, untold)).toEqual({
      epoch: (steps - 1) / 100,
      ...(steps === 1 ? {} : { grad_norm: 1.5 }),
      learning_rate: 1e-5,
      loss: 2 / steps,
      eval_loss: 3 / steps,
      eval_runtime: 1.25,
      step: steps,
    })
    // an earlier evaluation does not belong to this step
    makeTree(folder, { 'trainer_state.json': trainerState(steps, false) })
    expect(await readMetricsFile(path, untold)).not.toHaveProperty('eval_loss')
  }),
)

test('a trainer_state.json without a record yet has what stands beside them', () => {
  expect(metricsOf(trainerState(0))).toEqual({ best_metric: 0.01, epoch: 0, global_step: 0, max_steps: 90_000 })
})

test.each([
  ['an object', '{"val_loss": 0.4, "acc": 0.8, "text": "', '"}'],
  ['a list over several lines', '[\n{"val_loss": 0.9},\n{"val_loss": 0.4, "acc": 0.8},\n"', '"\n]\n'],
])('%s is read up to 16 MiB; of a longer one it is told that it is not, and what to do', (_, start, end) =>
  withFolder(async folder => {
    const path = join(folder, 'metrics.json')
    const rest = 16 * 1024 * 1024 - start.length - end.length
    writeFileSync(path, start + 'x'.repeat(rest) + end)
    expect(await readMetricsFile(path, untold)).toEqual({ val_loss: 0.4, acc: 0.8 })
    writeFileSync(path, start + 'x'.repeat(rest + 1) + end)
    const told: string[] = []
    expect(await readMetricsFile(path, problem => told.push(problem))).toEqual({})
    expect(told).toEqual([expect.stringMatching(/^no metrics are read from .*metrics\.json: .* up to 16 MiB .* Write an object a line/)])
  }),
)

test('a text without an end takes no time to speak of', () => {
  expect(metricsOf(`{"val_loss": 0.4}\n"${'\\"'.repeat(2_000_000)}`)).toEqual({ val_loss: 0.4 })
}, 10_000)
