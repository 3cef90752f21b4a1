import { AppError } from './errors.ts'

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

/** A longer text is no duration. */
const MAX_CHARACTERS = 100
const PART = /(\d+(?:\.\d+)?)([a-z]+)/g
/** Limits the digits, so that the sum of all units fits into a `Date`. */
const DURATION = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s)|\d{1,6}(?:\.\d{1,3})?(?:min|m|h|d|w))+$/

/**
 * The milliseconds of a duration such as `500ms`, `30s`, `5min`, `5m`, `36h`, `14d`, `2w` or `1d12h`: numbers with
 * units, each unit at most once. A day has 24 hours. Undefined for any other text.
 */
export function parseDuration(text: string): number | undefined {
  if (text.length > MAX_CHARACTERS || !DURATION.test(text)) return undefined
  const parts = [...text.matchAll(PART)]
  if (new Set(parts.map(([, , unit]) => unit)).size < parts.length) return undefined
  return parts.reduce((ms, [, number, unit]) => ms + Number(number) * UNIT_MS[unit!]!, 0)
}

/** The milliseconds of an option's value. Throws `usage`. */
export function durationOption(option: string, text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined)
    throw new AppError('usage', `${option} ${JSON.stringify(text)} isn't a duration.`, { hint: 'Use e.g. 30s, 5min, 36h, 14d or 1d12h.' })
  return ms
}
