import { describe, expect, test } from 'vitest'
import { parseBest, parseMetrics, pickMetrics, rankByMetric } from '../../../src/repository/versions/metrics.ts'
import { refusal } from '../../helpers/failures.ts'

test('metrics are finite numbers under names', () => {
  expect(parseMetrics([])).toEqual({})
  expect(parseMetrics(['val_loss=0.31', 'val/acc=.9', 'lr=1e-4', 'n=-3', 'x.y-z=+5.'])).toEqual({
    val_loss: 0.31,
    'val/acc': 0.9,
    lr: 1e-4,
    n: -3,
    'x.y-z': 5,
  })
  expect(parseMetrics(['__proto__=1'])).toEqual(Object.fromEntries([['__proto__', 1]]))
})

test.each(['val_loss', '=1', '1a=1', 'a b=1', 'a:b=1', `${'x'.repeat(65)}=1`, 'a=0x10', 'a=1,5', 'a= 1', 'a=1=2', 'a=nanometre'])(
  '%j is no metric',
  text => void refusal(() => parseMetrics([text]), 'usage'),
)

test.each(['a=', 'a=NaN', 'a=-nan', 'a=Infinity', 'a=-inf', 'a=1e999', 'a=None', 'a=null', 'a=N/A'])(
  '%j names a metric without a number: it is left out, and the others count',
  text => {
    const left: string[] = []
    expect(parseMetrics(['b=1', text, 'c=2'], without => left.push(without))).toEqual({ b: 1, c: 2 })
    expect(left).toEqual([text])
    refusal(() => parseMetrics([text, 'a=1']), 'usage')
  },
)

test('each once, and not too many', () => {
  expect(refusal(() => parseMetrics(['a=1', 'a=1']), 'usage').message).toContain('twice')
  refusal(() => parseMetrics(Array.from({ length: 101 }, (_, i) => `m${i}=1`)), 'usage')
})

test('of a record only what can be a metric is picked', () => {
  expect(pickMetrics({ loss: 1, text: '2', none: null, nan: NaN, list: [1], 'a b': 3, step: 4 })).toEqual({ loss: 1, step: 4 })
})

describe('the best', () => {
  test.each([
    ['best:val_loss', 'val_loss', 'min'],
    ['best:min:val/loss', 'val/loss', 'min'],
    ['best:max:acc', 'acc', 'max'],
  ])('%s', (text, metric, direction) => expect(parseBest(text)).toEqual({ metric, direction }))

  test.each(['best', 'best:', 'best:max:', 'best:a:b', 'best:1', 'best:most:acc', 'x:best:a'])('%j names none', text =>
    expect(parseBest(text)).toBeUndefined(),
  )

  test('are the lowest or the highest, of equal ones the first, and never one without the metric', () => {
    const versions = [{ n: 9 }, { m: 3 }, { m: 1, n: 0 }, { m: 1 }, {}, { m: 3 }]
    const ranked = (spec: string): number[] =>
      rankByMetric(versions, each => each as Record<string, number>, parseBest(spec)!).map(version => versions.indexOf(version))
    expect(ranked('best:m')).toEqual([2, 3, 1, 5])
    expect(ranked('best:max:m')).toEqual([1, 5, 2, 3])
    expect(ranked('best:n')).toEqual([2, 0])
    expect(ranked('best:toString')).toEqual([])
    for (const spec of ['best:m', 'best:max:m'])
      expect(
        rankByMetric([NaN, Infinity, 2, -Infinity], value => ({ m: value }), parseBest(spec)!),
        spec,
      ).toEqual([2])
  })
})
