import { LOG_UNITS, nLogN } from '../util/n-log-n.ts'

const counts = new Uint32Array(256)

/** The order-0 entropy of the planes of a sample, in bytes. */
export function entropyOf(planes: readonly Uint8Array[]): number {
  let units = 0
  for (const plane of planes) {
    counts.fill(0)
    for (let i = 0; i < plane.length; i++) counts[plane[i]!]!++
    units += nLogN(plane.length)
    for (let byte = 0; byte < 256; byte++) units -= nLogN(counts[byte]!)
  }
  return units / LOG_UNITS / 8
}
