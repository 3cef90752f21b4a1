const counts = new Uint32Array(256)

/** The order-0 entropy of the planes, in bytes. */
export function entropyOf(planes: readonly Uint8Array[]): number {
  let bits = 0
  for (const plane of planes) {
    counts.fill(0)
    for (const byte of plane) counts[byte]!++
    for (const count of counts) if (count > 0) bits += count * Math.log2(plane.length / count)
  }
  return bits / 8
}
