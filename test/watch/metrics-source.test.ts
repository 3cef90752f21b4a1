import { join } from 'node:path'
import { expect, test } from 'vitest'
import { metricsOf, readMetricsFile } from '../../src/repository/watch/metrics-source.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const RECORDS = [{ val_loss: 0.9 }, { val_loss: 0.4, acc: 0.8, note: 'best so far', nested: { f1: 1 } }]

test.each([
  ['one object', JSON.stringify(RECORDS[1])],
  ['one object over several lines', JSON.stringify(RECORDS[1], undefined, 2)],
  ['a list', JSON.stringify(RECORDS)],
  ['a list over several lines', `${JSON.stringify(RECORDS, undefined, 2)}\n`],
  ['one a line', RECORDS.map(record => `${JSON.stringify(record)}\n`).join('')],
  ['one a line, the last of them without an end', RECORDS.map(record => JSON.stringify(record)).join('\r\n')],
  ['one a line, and one that is being written', `${JSON.stringify(RECORDS[1])}\n{"val_loss": 0.1, "acc`],
  ['one a line, and others without numbers', `${JSON.stringify(RECORDS[1])}\n{"val_loss": NaN}\n{"event": "end"}\n[1]\n7\n\n`],
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

test('only the end of a long file is read; one that is not there has none', () =>
  withFolder(async folder => {
    const line = `${JSON.stringify({ step: 1, text: 'x'.repeat(1000) })}\n`
    makeTree(folder, { 'log.jsonl': `${JSON.stringify({ early: 1 })}\n${line.repeat(600)}${JSON.stringify({ val_loss: 0.4 })}\n` })
    expect(await readMetricsFile(join(folder, 'log.jsonl'))).toEqual({ val_loss: 0.4 })
    expect(await readMetricsFile(join(folder, 'none.json'))).toEqual({})
  }))
