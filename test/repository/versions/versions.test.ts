import { afterEach, describe, expect, test } from 'vitest'
import { endOfMoment } from '../../../src/repository/versions/moments.ts'
import { parseVersion, parseVersionedPath, parseVersionOrPath } from '../../../src/repository/versions/versions.ts'
import { refusal } from '../../helpers/failures.ts'

describe('parseVersion', () => {
  test.each([
    ['data', 'data', undefined, 0],
    ['my data', 'my data', undefined, 0],
    ['data~0', 'data', undefined, 0],
    ['data~12', 'data', undefined, 12],
    ['data@best', 'data', 'best', 0],
    ['data@v1.0 rc', 'data', 'v1.0 rc', 0],
    ['data@best~2', 'data', 'best', 2],
    ['data@2026-11-20T15:04:05Z', 'data', '2026-11-20T15:04:05Z', 0],
    ['数据@a@b', '数据', 'a@b', 0],
  ])('%s', (text, name, at, back) => expect(parseVersion(text)).toEqual({ name, at, back }))

  test.each(['', '@best', '~1', 'data@', 'data~', 'data~x', 'data~1.5', 'data~-1', 'data~1~2', 'data~1@best', 'data~9999999999', 'a:b'])(
    '%j is none',
    text => expect(refusal(() => parseVersion(text), 'usage').hint).toContain('name@tag'),
  )

  test.each(['a/b', '..', 'a\\b', `${'x'.repeat(65)}`])(
    '%j has a name that is none',
    text => void refusal(() => parseVersion(text), 'usage'),
  )
})

describe('parseVersionedPath', () => {
  test.each([
    ['data:train/labels.csv', 'data', undefined, 0, 'train/labels.csv'],
    ['data:', 'data', undefined, 0, ''],
    ['data~1:a:b', 'data', undefined, 1, 'a:b'],
    ['data@best:x', 'data', 'best', 0, 'x'],
    ['data@2026-11-20:04:x', 'data', '2026-11-20', 0, '04:x'],
    ['data@2026-11-20T15:x', 'data', '2026-11-20T15', 0, 'x'],
    ['data@2026-11-20T15:04:x', 'data', '2026-11-20T15:04', 0, 'x'],
    ['data@2026-11-20T15:04:05:x', 'data', '2026-11-20T15:04:05', 0, 'x'],
    ['data@2026-11-20T15:04:05:06:x', 'data', '2026-11-20T15:04:05', 0, '06:x'],
    ['data@2026-11-20T15:04Z:x', 'data', '2026-11-20T15:04Z', 0, 'x'],
    ['data@2026-11-20T15Z:04:x', 'data', '2026-11-20T15Z', 0, '04:x'],
    ['data@2026-11-20T15:04:05.csv', 'data', '2026-11-20T15:04', 0, '05.csv'],
    ['data@2026-11-20T15:04~2:x', 'data', '2026-11-20T15:04', 2, 'x'],
  ])('%s', (text, name, at, back, path) => expect(parseVersionedPath(text)).toEqual({ version: { name, at, back }, path }))

  test.each(['data', 'data@2026-11-20T15:04', 'data@2026-11-20T15:04:05', ':x', 'data@:x'])('%j names no path', text => {
    refusal(() => parseVersionedPath(text), 'usage')
  })
})

describe('a metric', () => {
  test.each([
    ['runs@best:val_loss:best.pt', 'best:val_loss', 'best.pt'],
    ['runs@best:val/loss:best.pt', 'best:val/loss', 'best.pt'],
    ['runs@best:max:acc:a/b', 'best:max:acc', 'a/b'],
    ['runs@best:min:val_loss:a:b', 'best:min:val_loss', 'a:b'],
    ['runs@best:x', 'best', 'x'],
    ['runs@best:./a:b', 'best', './a:b'],
  ])('in front of a path: %s', (text, at, path) => {
    expect(parseVersionedPath(text)).toEqual({ version: { name: 'runs', at, back: 0 }, path })
  })

  test.each([
    ['runs', undefined, 0, undefined],
    ['runs:best.pt', undefined, 0, 'best.pt'],
    ['runs~2:', undefined, 2, ''],
    ['runs@best:val_loss', 'best:val_loss', 0, undefined],
    ['runs@best:val_loss~2', 'best:val_loss', 2, undefined],
    ['runs@best:max:val/acc.1', 'best:max:val/acc.1', 0, undefined],
    ['runs@best:best.pt', 'best', 0, 'best.pt'],
    ['runs@best:./val_loss', 'best', 0, './val_loss'],
    ['runs@best:val_loss:best.pt', 'best:val_loss', 0, 'best.pt'],
    ['runs@best:val_loss~1:best.pt', 'best:val_loss', 1, 'best.pt'],
    ['runs@2026-11-20T15:04', '2026-11-20T15:04', 0, undefined],
    ['runs@2026-11-20T15:04:05Z~1', '2026-11-20T15:04:05Z', 1, undefined],
    ['runs@2026-11-20T15:04:x', '2026-11-20T15:04', 0, 'x'],
    ['runs@2h:x', '2h', 0, 'x'],
  ])('or a path: %s', (text, at, back, path) => expect(parseVersionOrPath(text)).toEqual({ version: { name: 'runs', at, back }, path }))
})

describe('endOfMoment', () => {
  const zone = process.env.TZ
  afterEach(() => {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  })

  test.each([
    ['2026-11-20Z', '2026-11-20T23:59:59.999Z'],
    ['2026-12-31Z', '2026-12-31T23:59:59.999Z'],
    ['2028-02-29Z', '2028-02-29T23:59:59.999Z'],
    ['2026-11-20T15Z', '2026-11-20T15:59:59.999Z'],
    ['2026-11-20T23Z', '2026-11-20T23:59:59.999Z'],
    ['2026-11-20T15:04Z', '2026-11-20T15:04:59.999Z'],
    ['2026-11-20T15:04:05Z', '2026-11-20T15:04:05.999Z'],
    ['2026-11-20T23:59:59Z', '2026-11-20T23:59:59.999Z'],
  ])('%s', (text, end) => expect(new Date(endOfMoment(text)!).toISOString()).toBe(end))

  test.each([
    ['UTC', '2026-11-20', '2026-11-20T23:59:59.999Z'],
    ['Asia/Kolkata', '2026-11-20', '2026-11-20T18:29:59.999Z'],
    ['Pacific/Kiritimati', '2026-11-20T00', '2026-11-19T10:59:59.999Z'],
    // clocks go forward: this day has 23 hours, and no hour 2
    ['Europe/Berlin', '2026-03-29', '2026-03-29T21:59:59.999Z'],
    ['Europe/Berlin', '2026-03-29T02', '2026-03-29T00:59:59.999Z'],
    ['Europe/Berlin', '2026-03-29T02:30', '2026-03-29T01:30:59.999Z'],
    // clocks go back: this day has 25 hours, and hour 2 twice
    ['Europe/Berlin', '2026-10-25', '2026-10-25T22:59:59.999Z'],
    ['Europe/Berlin', '2026-10-25T02', '2026-10-25T01:59:59.999Z'],
    ['Europe/Berlin', '2026-10-25T01', '2026-10-24T23:59:59.999Z'],
    // clocks go back at midnight: the last hour of the day comes twice
    ['America/Santiago', '2026-04-04', '2026-04-05T03:59:59.999Z'],
    // clocks go forward at midnight: the next day begins at one
    ['America/Santiago', '2026-09-05', '2026-09-06T03:59:59.999Z'],
    // half an hour of daylight saving
    ['Australia/Lord_Howe', '2026-04-05', '2026-04-05T13:29:59.999Z'],
  ])('in %s %s', (name, text, end) => {
    process.env.TZ = name
    expect(new Date(endOfMoment(text)!).toISOString()).toBe(end)
  })

  test.each([
    '',
    'best',
    '2026',
    '2026-11',
    '2026-13-01',
    '2026-00-10',
    '2026-02-29',
    '2026-11-31',
    '2026-11-20T24',
    '2026-11-20T15:60',
    '2026-11-20T15:04:60',
    '2026-11-20 15:04',
    '2026-11-20T15:04:05.5',
    '2026-11-20+01:00',
    '２026-11-20',
  ])('%j is no date', text => expect(endOfMoment(text)).toBeUndefined())
})
