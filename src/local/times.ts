import type { Fingerprint } from './fingerprint.ts'

/** Rounded down. */
export function wholeMicroseconds(ns: bigint): bigint {
  const rest = ns % 1000n
  return rest < 0n ? ns - rest - 1000n : ns - rest
}

/** libuv cut times to whole µs, towards zero, before 1.52 (which came with Node 24); since then it keeps them. */
const CUTS_TOWARDS_ZERO = /^1\.([0-9]|[1-4][0-9]|5[01])\./.test(process.versions.uv)

/**
 * Node takes seconds as a double. Half a microsecond more makes the value land on the intended µs, whether it is cut or
 * rounded later. A time before 1970 is passed as text, because Node replaces a negative number by the present time.
 */
export function utimesSeconds(ns: bigint): number | string {
  const us = Number(wholeMicroseconds(ns) / 1000n)
  return us >= 0 ? (us + 0.5) / 1e6 : String((us + (CUTS_TOWARDS_ZERO ? -0.5 : 0.5)) / 1e6)
}

export function sameTime(mtime: bigint, fingerprint: Fingerprint): boolean {
  return wholeMicroseconds(mtime) === wholeMicroseconds(fingerprint.mtime)
}
