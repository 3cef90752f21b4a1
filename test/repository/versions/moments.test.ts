import { afterEach, describe, expect, test } from 'vitest'
import { endOfRelative } from '../../../src/repository/versions/moments.ts'

describe('endOfRelative', () => {
  const zone = process.env.TZ
  afterEach(() => {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  })

  test.each([
    ['UTC', '2026-11-20T15:00:00Z', '2026-11-19T23:59:59.999Z'],
    ['Asia/Kolkata', '2026-11-20T15:00:00Z', '2026-11-19T18:29:59.999Z'],
    // half past midnight of the 21st there
    ['Asia/Kolkata', '2026-11-20T19:00:00Z', '2026-11-20T18:29:59.999Z'],
    ['UTC', '2027-01-01T00:00:00Z', '2026-12-31T23:59:59.999Z'],
    // today has 23 hours, yesterday had
    ['Europe/Berlin', '2026-03-29T20:00:00Z', '2026-03-28T22:59:59.999Z'],
    ['Europe/Berlin', '2026-03-30T20:00:00Z', '2026-03-29T21:59:59.999Z'],
    // today has 25 hours, yesterday had
    ['Europe/Berlin', '2026-10-25T22:59:00Z', '2026-10-24T21:59:59.999Z'],
    ['Europe/Berlin', '2026-10-26T20:00:00Z', '2026-10-25T22:59:59.999Z'],
    // the day begins at one
    ['America/Santiago', '2026-09-06T12:00:00Z', '2026-09-06T03:59:59.999Z'],
  ])('in %s at %s yesterday ended at %s', (name, now, end) => {
    process.env.TZ = name
    expect(new Date(endOfRelative('yesterday', Date.parse(now))!).toISOString()).toBe(end)
  })

  test.each([
    ['30min', 30],
    ['2h', 120],
    ['0h', 0],
    ['1d', 24 * 60],
    ['2w', 14 * 24 * 60],
    ['30m', 30],
    ['1h30min', 90],
    ['2.5h', 150],
  ])('%s ago, across a change of clocks', (text, minutes) => {
    process.env.TZ = 'Europe/Berlin'
    const now = Date.parse('2026-03-29T20:00:00Z')
    expect(endOfRelative(text, now)).toBe(now - minutes * 60_000)
  })

  test.each(['', 'today', 'h', '2', '2H', '2 h', '-2h', '1d2d', '1234567h', 'Yesterday'])('%j is none', text =>
    expect(endOfRelative(text, 0)).toBeUndefined(),
  )
})
