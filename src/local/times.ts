import type { Fingerprint } from './fingerprint.ts'

/** Rounded down. */
export function wholeMicroseconds(ns: bigint): bigint {
  const rest = ns % 1000n
  return rest < 0n ? ns - rest - 1000n : ns - rest
}

/** libuv cut times to whole µs, towards zero, before 1.52 (which came with Node 24); since then it keeps them. */
const CUTS_TOWARDS_ZERO = /^1\.([0-9]|[1-4][0-9]|5[01])\./.test(process.versions.uv)

/**
 * Node takes seconds as a double: half a microsecond more makes what is cut off, or later read as whole µs, land on the µs that was meant. A time before
 * 1970 goes as a text, because of a negative number Node makes the present time.
 */
export function utimesSeconds(ns: bigint): number | string {
  const us = Number(wholeMicroseconds(ns) / 1000n)
  return us >= 0 ? (us + 0.5) / 1e6 : String((us + (CUTS_TOWARDS_ZERO ? -0.5 : 0.5)) / 1e6)
}

export function sameTime(mtime: bigint, fingerprint: Fingerprint): boolean {
  return wholeMicroseconds(mtime) === wholeMicroseconds(fingerprint.mtime)
}
