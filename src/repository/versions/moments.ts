import { parseDuration } from '../../util/duration.ts'

/**
 * The last ms of the time that `text` names: `yesterday` (the local day before `now`), or how long ago, such as
 * `30min`, `2h`, `3d` or `1w`. A day has 24 hours, also when clocks are changed. Undefined for any other text. `now` is
 * ms since 1970.
 */
export function endOfRelative(text: string, now: number): number | undefined {
  if (text === 'yesterday') {
    const today = new Date(now)
    today.setHours(0, 0, 0, 0)
    return today.getTime() - 1
  }
  const ago = parseDuration(text)
  return ago === undefined ? undefined : now - ago
}

/**
 * The end of the local day, hour, minute or second that `text` names, in ms since 1970. Undefined if it is not a date.
 * Accepts 2026-11-20, 2026-11-20T15, 2026-11-20T15:04 and 2026-11-20T15:04:05, each also with Z for UTC.
 */
export function endOfMoment(text: string): number | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)(?:T([01]\d|2[0-3])(?::([0-5]\d)(?::([0-5]\d))?)?)?(Z)?$/.exec(text)
  if (!parts) return undefined
  const given = parts
    .slice(1, 7)
    .filter(part => part !== undefined)
    .map(Number)
  const [year, month, day, hour = 0, minute = 0, second = 0] = given
  const date = new Date(Date.UTC(year!, month! - 1, day))
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) return undefined
  // 1 ms before the next one begins: this is also right if clocks are set back and the last hour comes twice
  const next: [number, number, number, number, number, number] = [year!, month! - 1, day, hour, minute, second]
  next[given.length - 1]!++
  return (parts[7] === 'Z' ? Date.UTC(...next) : new Date(...next).getTime()) - 1
}
