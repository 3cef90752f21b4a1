const RFC3339 = /^(\d{4}-\d\d-\d\d)(?:[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?$/

/**
 * ms since 1970 of an RFC 3339 time (fractions are cut to ms, as Drive does), or undefined. `q` takes times and dates
 * without a zone too.
 */
export function parseTime(text: string, zone: 'required' | 'UTC when absent'): number | undefined {
  const match = RFC3339.exec(text)
  const [, date, time = '00:00:00', fraction = '', offset] = match ?? []
  if (date === undefined || (offset === undefined && zone === 'required')) return undefined
  const instant = Date.parse(`${date}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}${offset?.toUpperCase() ?? 'Z'}`)
  return Number.isNaN(instant) ? undefined : instant
}

export const formatTime = (ms: number): string => new Date(ms).toISOString()
