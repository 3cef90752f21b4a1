import { describe, expect, it } from 'vitest'
import { ProgressText } from '../../src/ui/progress-text.ts'
import { Countdown, RateMeter } from '../../src/ui/rate.ts'

describe('RateMeter', () => {
  it('is the true average of a steady flow, however it is reported', () => {
    for (const every of [10, 100, 1000]) {
      const meter = new RateMeter(5_000, 0)
      for (let now = every; now <= 20_000; now += every) meter.add(now, every * 1000)
      expect(meter.rate(20_000)! / 1e6).toBeCloseTo(1, 10)
    }
  })

  it('says nothing at first, follows a change, fades in a pause', () => {
    const meter = new RateMeter(5_000, 1_000)
    expect(meter.rate(1_400)).toBeUndefined()
    for (let now = 1_100; now <= 11_000; now += 100) meter.add(now, 100)
    for (let now = 11_100; now <= 31_000; now += 100) meter.add(now, 1_000)
    expect(meter.rate(31_000)!).toBeGreaterThan(9_500)
    expect(meter.rate(33_000)).toBe(meter.rate(31_000))
    expect(meter.rate(64_000)!).toBeLessThan(40)
  })
})

describe('Countdown', () => {
  it('counts down with the clock and moves gradually when the estimate jumps', () => {
    const countdown = new Countdown()
    expect(countdown.left(0, 60_000)).toBe(60_000)
    expect(countdown.left(1_000, 59_000)).toBe(59_000)
    let before = 59_000
    for (let now = 1_200; now <= 60_000; now += 200) {
      const left = countdown.left(now, 300_000)
      expect(Math.abs(left - before)).toBeLessThan(8_000)
      before = left
    }
    expect(before).toBeGreaterThan(290_000)
  })

  it('ends with what it counts: a flow that got faster leaves no seconds over', () => {
    const countdown = new Countdown()
    let left = countdown.left(0, 10_000)
    // really over after 3 s
    for (let now = 200; now <= 3_000; now += 200) {
      const next = countdown.left(now, 3_000 - now)
      expect(left - next).toBeLessThan(2_000)
      left = next
    }
    expect(left).toBeLessThan(1_000)
  })
})

describe('ProgressText', () => {
  it('names each phase', () => {
    const text = new ProgressText()
    expect(text.line(0)).toBe('')
    text.update({ phase: 'listing', doneFiles: 3 }, 0)
    expect(text.line(0)).toBe('Listing')
    text.update({ phase: 'scanning', doneFiles: 12_345, totalBytes: 4_560_000_000 }, 100)
    expect(text.line(100)).toBe('Scanning 12,345 files, 4.56 GB')
    text.update({ phase: 'planning', doneFiles: 1, totalFiles: 2 }, 200)
    expect(text.line(200)).toBe('Planning 1 of 2 files')
    text.update({ phase: 'committing', doneBytes: 5 }, 300)
    expect(text.line(300)).toBe('Saving the snapshot')
    text.update({ phase: 'checking' }, 400)
    expect(text.line(400)).toBe('Checking 5 B')
  })

  it('counts packs, not files, while packs are checked', () => {
    const text = new ProgressText()
    text.update({ phase: 'checking', doneFiles: 7, totalFiles: 1_017 }, 0)
    expect(text.line(0)).toBe('Checking 7 of 1,017 packs')
  })

  /** A push at 100 MB/s, reported ten times a second. */
  function running(untilMs: number, totalAt: (now: number) => number): ProgressText {
    const text = new ProgressText()
    for (let now = 0; now <= untilMs; now += 100) {
      const doneBytes = now * 100_000
      const update = { phase: 'storing' as const, doneBytes, totalBytes: totalAt(now), newBytes: doneBytes, storedBytes: doneBytes * 0.37 }
      text.update({ ...update, doneFiles: Math.floor(now / 10), totalFiles: 12_345 }, now)
    }
    return text
  }

  it('shows bytes, rate, what is saved, the time left and files', () => {
    const steady = (): number => 4_560_000_000
    expect(running(300, steady).line(300)).toBe('Storing 30.0 MB of 4.56 GB, <1%, saved 63%, 30 of 12,345 files')
    expect(running(10_000, steady).line(10_000)).toBe('Storing 1.00 of 4.56 GB, 22%, 100 MB/s, saved 63%, 36 s left, 1,000 of 12,345 files')
  })

  it('shows the objects in flight, from the first one on', () => {
    const text = new ProgressText()
    text.update({ phase: 'storing', doneBytes: 0, totalBytes: 500, inFlight: 0 }, 0)
    expect(text.line(0)).toBe('Storing 0 of 500 B')
    text.update({ phase: 'storing', doneBytes: 100, totalBytes: 500, doneFiles: 1, inFlight: 3 }, 100)
    expect(text.line(100)).toBe('Storing 100 of 500 B, 20%, 3 in flight, 1 file')
    text.update({ phase: 'storing', doneBytes: 200, totalBytes: 500, doneFiles: 1, inFlight: 0 }, 200)
    expect(text.line(200)).toBe('Storing 200 of 500 B, 40%, 0 in flight, 1 file')
  })

  it('says what it still waits for when all is read', () => {
    const text = new ProgressText()
    text.update({ phase: 'storing', doneBytes: 500, totalBytes: 500, doneFiles: 1, inFlight: 2 }, 0)
    expect(text.line(0)).toBe('Storing 500 B, uploading the last 2 parts')
    text.update({ phase: 'storing', doneBytes: 500, totalBytes: 500, doneFiles: 1, inFlight: 1 }, 100)
    expect(text.line(100)).toBe('Storing 500 B, uploading the last part')
  })

  it('has a bar where there is room', () => {
    const text = running(10_000, () => 4_000_000_000)
    expect(text.line(10_000, 120)).toContain('Storing 1.00 of 4.00 GB, [#####---------------] 25%, 100 MB/s')
    expect(text.line(10_000, 99)).not.toContain('[')
    expect(text.line(10_000)).not.toContain('[')
  })

  it('drops what matters least first, and cuts the rest', () => {
    const text = running(10_000, () => 4_560_000_000)
    expect(text.line(10_000, 76)).toBe('Storing 1.00 of 4.56 GB, 22%, 100 MB/s, saved 63%, 36 s left')
    expect(text.line(10_000, 40)).toBe('Storing 1.00 of 4.56 GB, 22%, 100 MB/s')
    expect(text.line(10_000, 16)).toBe('Storing 1.00 of…')
    for (let width = 0; width < 100; width++) expect(text.line(10_000, width).length).toBeLessThanOrEqual(width)
  })

  it('shows no time left while the total still grows', () => {
    expect(running(10_000, now => 1e9 + now * 200_000).line(10_000)).not.toContain('left')
    expect(running(10_000, now => 1e9 + Math.min(now, 7_000) * 200_000).line(10_000)).toContain('left')
  })

  it('shows no time left when nothing moves or all is done', () => {
    const text = running(10_000, () => 4_560_000_000)
    expect(text.line(10_000_000)).not.toContain('left')
    expect(running(10_000, () => 1_000_000_000).line(10_000)).not.toContain('left')
  })

  it('starts anew when the bytes go down', () => {
    const text = running(10_000, () => 4_560_000_000)
    text.update({ phase: 'storing', doneBytes: 0, totalBytes: 500 }, 10_100)
    expect(text.line(10_200)).toBe('Storing 0 of 500 B')
    text.update({ phase: 'storing', doneBytes: 100, totalBytes: 500 }, 10_600)
    expect(text.line(10_700)).toBe('Storing 100 of 500 B, 20%, 200 B/s')
  })
})
