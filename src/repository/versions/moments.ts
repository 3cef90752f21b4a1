import { parseDuration } from '../../util/duration.ts'
import { AppError } from '../../util/errors.ts'

/**
 * The last ms of the time that `text` names: `yesterday` (the local day before `now`), or how long ago, such as
 * `30min`, `2h`, `3d` or `1w`. A day has 24 hours, also when clocks are changed. Undefined for any other text. `now` is
 * ms since 1970.
 */
export function endOfRelative(text: string, now: number): number | undefined {
  if (text === 'yesterday') return midnight(now, 0) - 1
  const ago = parseDuration(text)
  return ago === undefined ? undefined : now - ago
}

/** The local midnight before `now`, or that of so many days before. */
function midnight(now: number, daysBefore: number): number {
  const day = new Date(now)
  day.setHours(0, 0, 0, 0)
  day.setDate(day.getDate() - daysBefore)
  return day.getTime()
}

/**
 * The end of the local day, hour, minute or second that `text` names, in ms since 1970. Undefined if it is not a date.
 * Accepts 2026-11-20, 2026-11-20T15, 2026-11-20T15:04 and 2026-11-20T15:04:05, each also with Z for UTC.
 */
export function endOfMoment(text: string): number | undefined {
  return spanOf(text)?.end
}

/** The first and the last ms of a moment. */
function spanOf(text: string): { start: number; end: number } | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)(?:T([01]\d|2[0-3])(?::([0-5]\d)(?::([0-5]\d))?)?)?(Z)?$/.exec(text)
  if (!parts) return undefined
  const given = parts
    .slice(1, 7)
    .filter(part => part !== undefined)
    .map(Number)
  const [year, month, day, hour = 0, minute = 0, second = 0] = given
  const date = new Date(Date.UTC(year!, month! - 1, day))
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) return undefined
  type Fields = [number, number, number, number, number, number]
  const first: Fields = [year!, month! - 1, day, hour, minute, second]
  // 1 ms before the next one begins: this is also right if clocks are set back and the last hour comes twice
  const next: Fields = [...first]
  next[given.length - 1]!++
  const timeOf = (fields: Fields): number => (parts[7] === 'Z' ? Date.UTC(...fields) : new Date(...fields).getTime())
  return { start: timeOf(first), end: timeOf(next) - 1 }
}

/** The time range that --since and --until set: ms since 1970, both inclusive. */
export interface TimeRange {
  since: number
  until: number
}

/**
 * Reads the values of --since and --until: a moment, of which --since takes the beginning and --until the end;
 * `yesterday`; or how long ago. `now` is ms since 1970. Throws `usage`.
 */
export function timeRange({ since, until }: { since?: string; until?: string }, now: number): TimeRange {
  return {
    since: since === undefined ? -Infinity : edgeOf('--since', since, 'start', now),
    until: until === undefined ? Infinity : edgeOf('--until', until, 'end', now),
  }
}

function edgeOf(option: string, text: string, edge: 'start' | 'end', now: number): number {
  const time = text === 'yesterday' && edge === 'start' ? midnight(now, 1) : (spanOf(text)?.[edge] ?? endOfRelative(text, now))
  if (time !== undefined) return time
  throw new AppError('usage', `${option} ${JSON.stringify(text)} is neither a date nor a duration.`, {
    hint: 'Use e.g. 2026-11-20, 2026-11-20T15:04, yesterday, 2h or 14d.',
  })
}
