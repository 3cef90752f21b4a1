import { formatBytes, formatBytesOf } from '../util/format-bytes.ts'
import type { ProgressUpdate } from '../util/reporter.ts'
import { formatCount, formatPercent, formatRate, formatRemaining, plural } from './format.ts'
import { Countdown, RateMeter } from './rate.ts'
import { shortenEnd } from './width.ts'

const RATE_WINDOW_MS = 5_000
const ESTIMATE_WINDOW_MS = 20_000
/** A total that has not grown for this time (ms) is considered final. */
const SETTLED_MS = 2_000
/** Time (ms) before the first estimate: the first seconds of a run are not like the rest. */
const ESTIMATE_AFTER_MS = 4_000
/** From this width on there is room for a bar. */
const BAR_FROM_COLUMNS = 100
const BAR_COLUMNS = 20
const LONGEST_ESTIMATE_MS = 100 * 3_600_000

const PHASE_WORDS: Record<ProgressUpdate['phase'], string> = {
  listing: 'Listing',
  scanning: 'Scanning',
  planning: 'Planning',
  storing: 'Storing',
  restoring: 'Restoring',
  checking: 'Checking',
  comparing: 'Comparing',
  searching: 'Searching',
  committing: 'Saving the snapshot',
}

/** What is counted, if not files. */
const NOUNS: Partial<Record<ProgressUpdate['phase'], string>> = { checking: 'pack', searching: 'version' }

function countOf(done: number | undefined, total: number | undefined, noun = 'file'): string | undefined {
  if (done === undefined) return undefined
  return total === undefined ? plural(done, noun) : `${formatCount(done)} of ${plural(total, noun)}`
}

/** The word and the first part that there is make one. */
function joinFirst(word: string, ...parts: (string | undefined)[]): string[] {
  const [first, ...rest] = parts.filter(part => part !== undefined)
  return first === undefined ? [word] : [`${word} ${first}`, ...rest]
}

/** `27%`, where there is room for it after a bar. */
function share(ratio: number, width: number): string {
  const percent = formatPercent(ratio)
  if (width < BAR_FROM_COLUMNS || width === Infinity) return percent
  const done = Math.min(BAR_COLUMNS, Math.floor(ratio * BAR_COLUMNS))
  return `[${'#'.repeat(done)}${'-'.repeat(BAR_COLUMNS - done)}] ${percent}`
}

/**
 * Formats the updates of a run as one line of text, for the live line and for log lines. Times are ms of any monotonic
 * clock.
 */
export class ProgressText {
  private latest: ProgressUpdate | undefined
  private started = 0
  private totalSince = 0
  private speed = new RateMeter(RATE_WINDOW_MS, 0)
  private trend = new RateMeter(ESTIMATE_WINDOW_MS, 0)
  private countdown = new Countdown()
  private sawFlight = false

  /** Every update is complete: missing counters are not shown. A smaller number of bytes starts a new measurement. */
  update(update: ProgressUpdate, now: number): void {
    const before = this.latest
    const done = update.doneBytes ?? before?.doneBytes ?? 0
    const doneBefore = before?.doneBytes ?? 0
    if (before === undefined || done < doneBefore) {
      this.started = now
      this.speed = new RateMeter(RATE_WINDOW_MS, now)
      this.trend = new RateMeter(ESTIMATE_WINDOW_MS, now)
      this.countdown = new Countdown()
      this.sawFlight = false
    } else {
      this.speed.add(now, done - doneBefore)
      this.trend.add(now, done - doneBefore)
    }
    if (update.totalBytes !== before?.totalBytes || update.totalFiles !== before?.totalFiles) this.totalSince = now
    this.sawFlight ||= (update.inFlight ?? 0) > 0
    this.latest = { ...update, doneBytes: done }
  }

  /** The most important parts that fit into `width` columns. */
  line(now: number, width = Infinity): string {
    const [head = '', ...rest] = this.parts(now, width)
    let line = head
    for (const part of rest) {
      if (line.length + 2 + part.length > width) break
      line += `, ${part}`
    }
    return shortenEnd(line, width)
  }

  /** From the most to the least important. */
  private parts(now: number, width: number): string[] {
    const latest = this.latest
    if (latest === undefined) return []
    const { phase, doneBytes = 0, totalBytes, doneFiles, totalFiles, storedBytes, newBytes, inFlight } = latest
    const word = PHASE_WORDS[phase]
    if (phase === 'listing' || phase === 'committing') return [word]
    if (phase === 'scanning') {
      const bytes = totalBytes ?? doneBytes
      return joinFirst(word, countOf(doneFiles ?? totalFiles, undefined), bytes > 0 ? formatBytes(bytes) : undefined)
    }
    const saved =
      storedBytes !== undefined && newBytes !== undefined && newBytes > storedBytes
        ? `saved ${formatPercent(1 - storedBytes / newBytes)}`
        : undefined
    if (
      phase === 'storing' &&
      totalBytes !== undefined &&
      totalBytes > 0 &&
      doneBytes >= totalBytes &&
      inFlight !== undefined &&
      inFlight > 0
    )
      return joinFirst(word, formatBytes(totalBytes), `uploading the last ${inFlight === 1 ? 'part' : plural(inFlight, 'part')}`, saved)
    const rate = doneBytes > 0 ? this.speed.rate(now) : undefined
    const left = this.left(now)
    return joinFirst(
      word,
      totalBytes !== undefined && totalBytes > 0
        ? formatBytesOf(doneBytes, totalBytes)
        : doneBytes > 0
          ? formatBytes(doneBytes)
          : undefined,
      totalBytes !== undefined && totalBytes > 0 && doneBytes > 0 ? share(doneBytes / totalBytes, width) : undefined,
      rate === undefined ? undefined : formatRate(rate),
      saved,
      left === undefined ? undefined : `${formatRemaining(left)} left`,
      // it stays once shown, so that the parts after it do not move
      this.sawFlight && inFlight !== undefined ? `${formatCount(inFlight)} in flight` : undefined,
      countOf(doneFiles, totalFiles, NOUNS[phase]),
    )
  }

  private left(now: number): number | undefined {
    const { doneBytes = 0, totalBytes = 0 } = this.latest!
    const rate = this.trend.rate(now)
    if (now - this.totalSince < SETTLED_MS || now - this.started < ESTIMATE_AFTER_MS || totalBytes <= doneBytes || !rate) return undefined
    const left = this.countdown.left(now, ((totalBytes - doneBytes) / rate) * 1000)
    return left < LONGEST_ESTIMATE_MS ? left : undefined
  }
}
