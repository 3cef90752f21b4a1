import { describe, expect, test } from 'vitest'
import { durationOption, parseDuration } from '../../src/util/duration.ts'

const HOUR = 3_600_000

describe('parseDuration', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['90m', 1.5 * HOUR],
    ['90min', 1.5 * HOUR],
    ['36h', 36 * HOUR],
    ['2.5h', 2.5 * HOUR],
    ['14d', 14 * 24 * HOUR],
    ['2w', 14 * 24 * HOUR],
    ['1d12h', 36 * HOUR],
    ['12h1d', 36 * HOUR],
    ['1h30min', 1.5 * HOUR],
    ['1m1ms', 60_001],
    ['1w1d1h1m1s1ms', 8 * 24 * HOUR + HOUR + 61_001],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms))

  test.each([
    '',
    'fast',
    '3',
    'h',
    '1y',
    '1 h',
    ' 1h',
    '1h ',
    '-1h',
    '+1h',
    '1H',
    '1h1h',
    '1d2d',
    '1,5h',
    '.5h',
    '1.h',
    '1h30',
    '1e3s',
    '0x1h',
    '1h\n',
    '١h',
  ])('%j is none', text => expect(parseDuration(text)).toBeUndefined())

  test('the longest stays an exact number that a date can hold', () => {
    const ms = parseDuration('999999w999999d999999h999999min999999m999999999s999999999ms')!
    expect(Number.isSafeInteger(ms)).toBe(true)
    expect(new Date(ms).getTime()).toBe(ms)
    for (const text of ['1234567w', '1234567h', '1234567890ms', '9'.repeat(400) + 'h', '1.0001s'])
      expect(parseDuration(text)).toBeUndefined()
  })

  test('a long text is refused in time that grows with its length only', () => {
    const begin = performance.now()
    for (const piece of ['1', '1m', '1ms', '1.1m', 'm', '1min', '1h1d']) {
      expect(parseDuration(piece.repeat(200_000))).toBeUndefined()
      expect(parseDuration(`${piece.repeat(200_000)}!`)).toBeUndefined()
    }
    expect(performance.now() - begin).toBeLessThan(2000)
  })
})

test('an option that names no duration is refused, and told with what to write', () => {
  expect(durationOption('--every', '5min')).toBe(300_000)
  expect(() => durationOption('--every', 'fast')).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: `--every "fast" isn't a duration.`,
      hint: expect.stringContaining('30s, 5min') as string,
    }),
  )
})
