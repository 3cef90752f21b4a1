/**
 * Units in a bit of `nLogN`. Sums for up to 400,000 bytes are small integers: sums of fractions would take a place in
 * the heap for each step, until V8 has compiled the loop.
 */
export const LOG_UNITS = 256

const table = Int32Array.from({ length: 4096 }, (_, n) => exact(n))

/** `n * log2(n)` in whole units of 1/256 bit, for the entropy of counted bytes. */
export function nLogN(n: number): number {
  return n < table.length ? table[n]! : exact(n)
}

function exact(n: number): number {
  return n === 0 ? 0 : Math.round(LOG_UNITS * n * Math.log2(n))
}
