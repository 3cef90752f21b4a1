import { formatBytes } from '../util/format-bytes.ts'
import { formatCount, plural } from '../util/words.ts'

export { formatCount, plural }

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

const twoDigits = (value: number): string => String(value).padStart(2, '0')

/** A measured time: `20 ms`, `1.2 s`, `42 s`, `3 m 04 s`, `2 h 05 m`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 99.5) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${twoDigits(seconds % 60)} s`
  const minutes = Math.round(milliseconds / 60_000)
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} m`
}

/** An estimate of the time left, with the precision of an estimate: `8 s`, `3 m 04 s`, `13 m`, `2 h 05 m`. */
export function formatRemaining(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  if (seconds <= 600) return formatDuration(seconds * 1000)
  return minutes < 60 ? `${minutes} m` : formatDuration(minutes * 60_000)
}

/**
 * `ratio` is between 0 and 1. Only 1 is `100%` and only 0 is `0%`. Values next to them are shown as `99%` and `<1%`
 * (`99.9%` and `<0.1%` with one decimal).
 */
export function formatPercent(ratio: number, decimals = 0): string {
  if (!(ratio > 0)) return '0%'
  if (ratio >= 1) return '100%'
  const step = 10 ** -decimals
  const percent = ratio * 100
  if (percent < step) return `<${step.toFixed(decimals)}%`
  return `${Math.min(percent, 100 - step).toFixed(decimals)}%`
}

/** The first `most` of some texts, and how many more there are: `a, b, 3 more`. */
export function firstOf(texts: readonly string[], most: number): string {
  const more = texts.length > most ? [`${texts.length - most} more`] : []
  return [...texts.slice(0, most), ...more].join(', ')
}

/** In this machine's time zone, to the minute: `2026-11-22 18:24`. A file may have a time that no calendar has. */
export function localTime(ms: number): string {
  const time = new Date(ms)
  if (Number.isNaN(time.getTime())) return 'beyond all dates'
  return `${time.getFullYear()}-${twoDigits(time.getMonth() + 1)}-${twoDigits(time.getDate())} ${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}`
}

const DAY_MS = 86_400_000

/** `just now`, `5 min ago`, `3 h ago`; an absolute time if it is a day ago or more, or after `now`. */
export function recentTime(ms: number, now: number): string {
  const ago = now - ms
  if (!(ago >= 0 && ago < DAY_MS)) return localTime(ms)
  const minutes = Math.floor(ago / 60_000)
  if (minutes < 1) return 'just now'
  return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`
}

/** A metric with six digits. */
export function formatMetric(value: number): string {
  return String(Number(value.toPrecision(6)))
}

export function describeMetrics(metrics: Record<string, number>): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name}=${formatMetric(value)}`)
    .join(' ')
}

/** Of a version whose source could not be read everywhere: `incomplete: 2 files missing, 1 from an earlier version`. */
export function describeIncomplete({ files, carried, folders = 0 }: { files: number; carried: number; folders?: number }): string {
  const missing = files - carried
  const what = [
    ...(missing > folders ? [plural(missing - folders, 'file')] : []),
    ...(folders > 0 ? [plural(folders, 'folder of unknown content', 'folders of unknown content')] : []),
  ]
  const parts = missing > 0 ? [`${what.join(' and ')} missing`] : []
  if (carried > 0) parts.push(`${missing > 0 ? formatCount(carried) : plural(carried, 'file')} from an earlier version`)
  return `incomplete: ${parts.join(', ')}`
}
