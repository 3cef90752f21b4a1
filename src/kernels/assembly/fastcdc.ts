// The AssemblyScript twin of ../fastcdc.ts: same constants, same cuts. The layout of memory is fixed.
// It never grows, so views of it never detach:
//   0      gear table, 256 x u32, filled in by the loader
//   1024   cuts found by the last call, u32 each, relative to the window
//   65536  the window: file data is read straight into it
const MIN: usize = 16 * 1024
const AVERAGE: usize = 64 * 1024
const MAX: usize = 256 * 1024
/** Hashes below these have their top 18 and top 14 bits zero. */
const STRICT: u32 = 1 << 14
const LOOSE: u32 = 1 << 18

const GEAR: usize = 0
const CUTS: usize = 1024
const WINDOW: usize = 65536

export const cutsOffset: usize = CUTS
export const windowOffset: usize = WINDOW

/** The rolling hash, carried from the strict scan into the loose one. */
let hash: u32 = 0

function roll(fp: u32, p: usize): u32 {
  return (fp << 1) + load<u32>((<usize>load<u8>(p)) << 2, GEAR)
}

/**
 * The address after the first byte in [p, end) that brings the hash below `limit`, or 0. Processes eight bytes per
 * iteration: 4.3 GB/s instead of 2.4.
 */
function scan(p: usize, end: usize, limit: u32): usize {
  let fp = hash
  while (p + 8 <= end) {
    fp = roll(fp, p)
    if (fp < limit) return p + 1
    fp = roll(fp, p + 1)
    if (fp < limit) return p + 2
    fp = roll(fp, p + 2)
    if (fp < limit) return p + 3
    fp = roll(fp, p + 3)
    if (fp < limit) return p + 4
    fp = roll(fp, p + 4)
    if (fp < limit) return p + 5
    fp = roll(fp, p + 5)
    if (fp < limit) return p + 6
    fp = roll(fp, p + 6)
    if (fp < limit) return p + 7
    fp = roll(fp, p + 7)
    if (fp < limit) return p + 8
    p += 8
  }
  while (p < end) {
    fp = roll(fp, p++)
    if (fp < limit) return p
  }
  hash = fp
  return 0
}

function findCut(start: usize, end: usize): usize {
  if (end - start <= MIN) return end
  const last = min(start + MAX, end)
  const middle = min(start + AVERAGE, last)
  hash = 0
  return scan(start + MIN, middle, STRICT) || scan(middle, last, LOOSE) || last
}

/** Writes every cut for window bytes [start, end) that is certain to the table. Returns their number. */
export function findCuts(start: usize, end: usize, final: bool): u32 {
  let from = WINDOW + start
  const to = WINDOW + end
  let slot = CUTS
  while (to - from >= MAX || (final && from < to)) {
    from = findCut(from, to)
    store<u32>(slot, <u32>(from - WINDOW))
    slot += 4
  }
  return <u32>((slot - CUTS) >> 2)
}
