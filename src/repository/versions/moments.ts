const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const UNITS: Readonly<Record<string, number>> = { min: MINUTE, h: HOUR, d: DAY, w: 7 * DAY }

/**
 * The last ms of what `text` names: `yesterday` (the local day before that of `now`), or a time ago: `30min`, `2h`, `3d`, `1w`, in hours of 60 and days of
 * 24 hours whatever clocks do. Undefined when it is neither. `now` is ms since 1970.
 */
export function endOfRelative(text: string, now: number): number | undefined {
  if (text === 'yesterday') {
    const today = new Date(now)
    today.setHours(0, 0, 0, 0)
    return today.getTime() - 1
  }
  const parts = /^(\d{1,6})(min|h|d|w)$/.exec(text)
  return parts ? now - Number(parts[1]) * UNITS[parts[2]!]! : undefined
}

/**
 * The end of the local day, minute or second that `text` names, in ms since 1970; undefined when it is no date.
 * Accepts 2026-11-20, 2026-11-20T15, 2026-11-20T15:04, 2026-11-20T15:04:05, each also with Z for UTC.
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
  // 1 ms before the next one begins: right also where clocks are set back, and the last hour comes twice
  const next: [number, number, number, number, number, number] = [year!, month! - 1, day, hour, minute, second]
  next[given.length - 1]!++
  return (parts[7] === 'Z' ? Date.UTC(...next) : new Date(...next).getTime()) - 1
}
