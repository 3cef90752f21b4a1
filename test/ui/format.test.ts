import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCount, formatDuration, formatPercent, formatRate, formatRemaining, plural } from '../../src/ui/format.ts'
import { formatBytes, formatBytesOf } from '../../src/util/format-bytes.ts'

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [999.6, '1.00 kB'],
    [1000, '1.00 kB'],
    [1234, '1.23 kB'],
    [9_994, '9.99 kB'],
    [9_996, '10.0 kB'],
    [99_949, '99.9 kB'],
    [99_960, '100 kB'],
    [999_499, '999 kB'],
    [999_950, '1.00 MB'],
    [999_999, '1.00 MB'],
    [85_240_000, '85.2 MB'],
    [999_500_000, '1.00 GB'],
    [4_560_000_000, '4.56 GB'],
    [1.5e12, '1.50 TB'],
    [1.5e15, '1.50 PB'],
    [1.2345e18, '1235 PB'],
    [-2_500, '-2.50 kB'],
  ])('shows %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it('keeps three significant digits and never shows 1000 of a unit below the last', () => {
    fc.assert(
      fc.property(fc.double({ min: 1000, max: 9.99e17, noNaN: true }), bytes => {
        const [number = '', unit = ''] = formatBytes(bytes).split(' ')
        const size = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 }[unit]!
        expect(number.replace('.', '')).toHaveLength(3)
        expect(Number(number)).toBeLessThan(1000)
        expect(Math.abs(Number(number) * size - bytes) / bytes).toBeLessThan(0.00501)
      }),
      { seed: 1 },
    )
  })

  it('names a shared unit once', () => {
    expect(formatBytesOf(1.23e9, 4.56e9)).toBe('1.23 of 4.56 GB')
    expect(formatBytesOf(850e6, 1.2e9)).toBe('850 MB of 1.20 GB')
    expect(formatBytesOf(0, 10)).toBe('0 of 10 B')
  })

  it('makes rates', () => {
    expect(formatRate(85_200_000)).toBe('85.2 MB/s')
    expect(formatRate(0.2)).toBe('0 B/s')
  })
})

describe('times', () => {
  it.each([
    [0, '0 ms'],
    [20, '20 ms'],
    [99.6, '0.1 s'],
    [1_234, '1.2 s'],
    [9_949, '9.9 s'],
    [9_950, '10 s'],
    [59_499, '59 s'],
    [59_500, '1 m 00 s'],
    [184_000, '3 m 04 s'],
    [3_599_499, '59 m 59 s'],
    [3_599_600, '1 h 00 m'],
    [7_500_000, '2 h 05 m'],
    [360_000_000, '100 h 00 m'],
  ])('shows %d ms as %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text)
  })

  it.each([
    [0, '1 s'],
    [7_200, '8 s'],
    [59_900, '1 m 00 s'],
    [184_000, '3 m 04 s'],
    [600_000, '10 m 00 s'],
    [755_000, '13 m'],
    [3_590_000, '1 h 00 m'],
    [7_500_000, '2 h 05 m'],
  ])('estimates %d ms as %s', (milliseconds, text) => {
    expect(formatRemaining(milliseconds)).toBe(text)
  })
})

describe('formatPercent', () => {
  it.each([
    [0, '0%'],
    [-1, '0%'],
    [NaN, '0%'],
    [0.001, '<1%'],
    [0.01, '1%'],
    [0.634, '63%'],
    [0.9999, '99%'],
    [1, '100%'],
    [1.5, '100%'],
  ])('shows %d as %s', (ratio, text) => {
    expect(formatPercent(ratio)).toBe(text)
  })

  it('takes decimals', () => {
    expect(formatPercent(0.9999, 1)).toBe('99.9%')
    expect(formatPercent(0.0004, 1)).toBe('<0.1%')
    expect(formatPercent(0.12345, 1)).toBe('12.3%')
  })
})

describe('counts', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [12_345, '12,345'],
    [123_456_789, '123,456,789'],
    [-1234, '-1,234'],
  ])('shows %d as %s', (count, text) => {
    expect(formatCount(count)).toBe(text)
  })

  it('agrees with its noun', () => {
    expect(plural(0, 'file')).toBe('0 files')
    expect(plural(1, 'file')).toBe('1 file')
    expect(plural(12_345, 'file')).toBe('12,345 files')
    expect(plural(2, 'entry', 'entries')).toBe('2 entries')
  })
})
