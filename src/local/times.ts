import type { Fingerprint } from './fingerprint.ts'

/** Rounded down. */
export function wholeMicroseconds(ns: bigint): bigint {
  const rest = ns % 1000n
  return rest < 0n ? ns - rest - 1000n : ns - rest
}

/** Before 1.52 (in Node 24), libuv truncated times to whole µs, towards zero. Since then it keeps them. */
const CUTS_TOWARDS_ZERO = /^1\.([0-9]|[1-4][0-9]|5[01])\./.test(process.versions.uv)

/**
 * Node takes seconds as a double. Half a microsecond is added, so that the value gives the intended µs whether it is
 * truncated or rounded later. A time before 1970 is passed as text, because Node replaces a negative number by the
 * current time.
 */
export function utimesSeconds(ns: bigint): number | string {
  const us = Number(wholeMicroseconds(ns) / 1000n)
  return us >= 0 ? (us + 0.5) / 1e6 : String((us + (CUTS_TOWARDS_ZERO ? -0.5 : 0.5)) / 1e6)
}

/**
 * How exactly (ns) a time can be set here. On Windows libuv counts in steps of 0.1 microseconds since the year 1601, in
 * a double, which can hold every sixteenth of them.
 */
const stepOf = (platform: NodeJS.Platform): bigint => (platform === 'win32' ? 2000n : 0n)

/** Whether a local item, of which `here` is known, has the time that is recorded, as exactly as it can be set here. */
export function sameTime(recorded: bigint, here: Fingerprint | Pick<Fingerprint, 'mtime'>, platform = process.platform): boolean {
  const difference = wholeMicroseconds(recorded) - wholeMicroseconds(here.mtime)
  const step = stepOf(platform)
  return difference <= step && -difference <= step
}
