import { afterEach, describe, expect, test } from 'vitest'
import {
  decideRetention,
  isEmptyPolicy,
  parseBestRule,
  parseWithin,
  type RetentionCandidate,
  type RetentionPolicy,
} from '../../../src/repository/versions/retention.ts'

const zone = process.env.TZ
afterEach(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

interface Version extends RetentionCandidate {
  label: string
}

function version(label: string, time: string | number, more: Partial<Version> = {}): Version {
  const shortId = Buffer.from(label.padEnd(8, '.')).toString('hex')
  return {
    label,
    id: shortId.padEnd(64, '0'),
    source: { path: '/data' },
    ref: { effectiveTime: new Date(time).getTime(), shortId },
    tags: [],
    metrics: {},
    ...more,
  }
}

const NOW = new Date('2026-11-25T12:00:00Z').getTime()

function kept(versions: readonly Version[], policy: RetentionPolicy, keepNewest = false): Record<string, string> {
  const decision = decideRetention(versions, policy, { now: NOW, keepNewest })
  expect(decision.kept.length + decision.forgotten.length).toBe(versions.length)
  return Object.fromEntries(decision.kept.map(({ version: { label }, reasons }) => [label, reasons.join(', ')]))
}

const DAYS = Array.from({ length: 40 }, (_, i) => version(`d${i}`, NOW - i * 86_400_000))

describe('an incomplete version', () => {
  const incomplete = { files: 2, carried: 1 }
  const c = (label: string, day: number, more: Partial<Version> = {}): Version => version(label, NOW - day * 86_400_000, more)
  const i = (label: string, day: number, more: Partial<Version> = {}): Version => c(label, day, { incomplete, ...more })

  test('never counts for last, and goes when there are as many complete ones after it', () => {
    expect(kept([i('a', 0), i('b', 1), c('c', 2), c('d', 3)], { last: 1 }, true)).toEqual({ a: 'newest, last', b: 'last', c: 'last' })
    expect(kept([c('a', 0), i('b', 1), c('c', 2), i('d', 3)], { last: 2 })).toEqual({ a: 'last', b: 'last', c: 'last' })
    expect(kept([c('a', 0), i('b', 1), i('c', 2)], { last: 1 })).toEqual({ a: 'last' })
    expect(kept([i('a', 0), i('b', 1)], { last: 1 })).toEqual({ a: 'last', b: 'last' })
  })

  test('stands for a day only if the day has no complete one, and does not count then', () => {
    process.env.TZ = 'UTC'
    const versions = [i('a', 0), c('b', 0.2), i('c', 1), c('d', 2), c('e', 3)]
    expect(Object.keys(kept(versions, { daily: 2 }))).toEqual(['b', 'c', 'd'])
    expect(Object.keys(kept(versions, { daily: 1 }))).toEqual(['b'])
  })

  test('is the best only if there are not enough complete ones', () => {
    const rule = { metric: 'loss', direction: 'min' as const }
    const versions = [i('a', 0, { metrics: { loss: 0.1 } }), c('b', 1, { metrics: { loss: 0.9 } }), c('c', 2)]
    expect(kept(versions, { best: [{ ...rule, count: 1 }] })).toEqual({ b: 'best loss 0.9' })
    expect(kept(versions, { best: [{ ...rule, count: 2 }] })).toEqual({ a: 'best loss 0.1', b: 'best loss 0.9' })
  })

  test('stays with its tag, and while it is young, like any other', () => {
    const versions = [c('a', 0), i('b', 1, { tags: ['x'] }), i('c', 2)]
    expect(kept(versions, { tags: ['x'] })).toEqual({ b: 'tag x' })
    expect(Object.keys(kept(versions, { within: { ms: 3 * 86_400_000, text: '3d' } }))).toEqual(['a', 'b', 'c'])
  })
})

test('each source path is a line of its own', () => {
  const at = (label: string, day: number, path: string): Version => version(label, NOW - day * 86_400_000, { source: { path } })
  const versions = [at('a', 0, '/x'), at('b', 1, '/x'), at('c', 2, '/y'), at('d', 3, '/y'), at('e', 4, '/z')]
  expect(kept(versions, { last: 1 }, true)).toEqual({ a: 'newest, last', c: 'newest, last', e: 'newest, last' })
  expect(kept(versions, { tags: ['none'] }, false)).toEqual({})
})

describe('each rule', () => {
  test('last', () => expect(kept(DAYS, { last: 2 })).toEqual({ d0: 'last', d1: 'last' }))

  test('the newest stays where that is asked for, and only once', () => {
    expect(kept(DAYS, { tags: ['none'] }, true)).toEqual({ d0: 'newest' })
    expect(kept(DAYS, { last: 1 }, true)).toEqual({ d0: 'newest, last' })
    expect(kept([], { last: 1 }, true)).toEqual({})
  })

  test('daily keeps the newest of a day, and skips days without versions', () => {
    process.env.TZ = 'UTC'
    const versions = [version('a', '2026-11-25T10:00Z'), version('b', '2026-11-25T09:00Z'), version('c', '2026-11-20T23:00Z')]
    expect(kept(versions, { daily: 2 })).toEqual({ a: 'daily 2026-11-25', c: 'daily 2026-11-20' })
  })

  test('days are those of the local time zone', () => {
    const versions = [version('a', '2026-11-25T03:00Z'), version('b', '2026-11-24T23:00Z')]
    process.env.TZ = 'America/New_York'
    expect(Object.keys(kept(versions, { daily: 5 }))).toEqual(['a'])
    process.env.TZ = 'UTC'
    expect(Object.keys(kept(versions, { daily: 5 }))).toEqual(['a', 'b'])
  })

  test('weeks begin on Monday, also across a new year', () => {
    process.env.TZ = 'UTC'
    const versions = [version('mon', '2027-01-04T00:00Z'), version('sun', '2027-01-03T23:59Z'), version('thu', '2026-12-31T12:00Z')]
    expect(kept(versions, { weekly: 9 })).toEqual({ mon: 'weekly 2027-01-04', sun: 'weekly 2026-12-28' })
  })

  test('monthly and hourly', () => {
    process.env.TZ = 'UTC'
    const versions = [version('a', '2026-11-01T00:30Z'), version('b', '2026-11-01T00:10Z'), version('c', '2026-10-31T23:50Z')]
    expect(kept(versions, { monthly: 5 })).toEqual({ a: 'monthly 2026-11', c: 'monthly 2026-10' })
    expect(kept(versions, { hourly: 5 })).toEqual({ a: 'hourly 2026-11-01 00:00', c: 'hourly 2026-10-31 23:00' })
  })

  test('an hour that comes twice is two hours', () => {
    process.env.TZ = 'Europe/Berlin'
    const versions = [version('second', '2026-10-25T01:30Z'), version('first', '2026-10-25T00:30Z')]
    expect(Object.keys(kept(versions, { hourly: 5 }))).toEqual(['second', 'first'])
    expect(Object.keys(kept(versions, { daily: 5 }))).toEqual(['second'])
  })

  test('tag and within', () => {
    const versions = [version('a', NOW), version('b', NOW - 1000, { tags: ['x', 'best'] }), version('c', NOW - 7_200_000)]
    expect(kept(versions, { tags: ['best'] })).toEqual({ b: 'tag best' })
    expect(kept(versions, { within: parseWithin('1h') })).toEqual({ a: 'within 1h', b: 'within 1h' })
    expect(kept(versions, { within: parseWithin('2h') })).toMatchObject({ c: 'within 2h' })
  })

  test('best: the smallest by default, the greatest on demand; ties go to the newer; versions without the metric never count', () => {
    const loss = [3, 1, undefined, 1, 2]
    const versions = loss.map((value, i) => version(`v${i}`, NOW - i, { metrics: value === undefined ? {} : { loss: value } }))
    expect(kept(versions, { best: [parseBestRule('loss:1')] })).toEqual({ v1: 'best loss 1' })
    expect(Object.keys(kept(versions, { best: [parseBestRule('min:loss:3')] }))).toEqual(['v1', 'v3', 'v4'])
    expect(Object.keys(kept(versions, { best: [parseBestRule('max:loss:1')] }))).toEqual(['v0'])
    expect(kept(versions, { best: [parseBestRule('toString:1')] })).toEqual({})
  })
})

test('rules add up, and each version tells all that keeps it', () => {
  process.env.TZ = 'UTC'
  expect(kept(DAYS.slice(0, 3), { last: 1, daily: 2 })).toEqual({ d0: 'last, daily 2026-11-25', d1: 'daily 2026-11-24' })
})

test('versions of one moment are ordered by their ids, in whatever order they come', () => {
  const versions = [version('a', NOW), version('c', NOW), version('b', NOW)]
  for (const order of [versions, [...versions].reverse()]) expect(Object.keys(kept(order, { last: 1 }))).toEqual(['c'])
})

test('an empty policy is told', () => {
  expect(isEmptyPolicy({})).toBe(true)
  expect(isEmptyPolicy({ tags: [], best: [] })).toBe(true)
  for (const policy of [{ last: 1 }, { tags: ['x'] }, { within: parseWithin('1m') }, { best: [parseBestRule('a:1')] }])
    expect(isEmptyPolicy(policy)).toBe(false)
})

test('what can not be understood is refused', () => {
  expect(parseBestRule('max:a:b:12')).toEqual({ metric: 'a:b', direction: 'max', count: 12 })
  expect(parseWithin('1d12h').ms).toBe(36 * 3_600_000)
  expect(parseWithin('30min')).toEqual({ ms: 30 * 60_000, text: '30min' })
  for (const text of ['loss', 'loss:', ':3', 'loss:0', 'loss:-1']) expect(() => parseBestRule(text)).toThrow(/needs a metric and a count/)
  for (const text of ['', '3', 'h', '1y', '0h', '1h '])
    expect(() => parseWithin(text)).toThrow(text === '0h' ? /keeps nothing/ : /isn't a duration/)
})
