// The AssemblyScript twin of ../anchors.ts: same anchors. Memory has three regions of 4 MiB and a page of tables.
// It never grows, so views of it never detach:
//   0      input, 1 MiB
//   4 Mi   anchors: the place, then the hash, u32 each; as many as there are bytes of input
//   12 Mi  gear table, 256 x u32, filled in by the loader before each call
const INPUT: usize = 0
const ANCHORS: usize = 4 * 1024 * 1024
const GEAR: usize = 12 * 1024 * 1024

export const inputOffset: usize = INPUT
export const anchorsOffset: usize = ANCHORS
export const gearOffset: usize = GEAR

/** Engines switch to faster code between calls of a function, not during one. So the input is processed in slices. */
const SLICE: usize = 64 * 1024

let out: usize = 0
let hash: u32 = 0

function roll(h: u32, p: usize): u32 {
  return (h << 1) + load<u32>((<usize>load<u8>(p)) << 2, GEAR)
}

function take(p: usize, h: u32): void {
  store<u32>(out, <u32>(p - INPUT))
  store<u32>(out, h, 4)
  out += 8
}

function scan(p: usize, end: usize, limit: u32): void {
  let h = hash
  while (p + 4 <= end) {
    h = roll(h, p)
    if (h < limit) take(p, h)
    h = roll(h, p + 1)
    if (h < limit) take(p + 1, h)
    h = roll(h, p + 2)
    if (h < limit) take(p + 2, h)
    h = roll(h, p + 3)
    if (h < limit) take(p + 3, h)
    p += 4
  }
  while (p < end) {
    h = roll(h, p)
    if (h < limit) take(p, h)
    p++
  }
  hash = h
}

/** Writes the anchors of input bytes [0, length) to the table, and returns their number. `before` is the hash so far. */
export function find(length: usize, before: u32, limit: u32): u32 {
  hash = before
  out = ANCHORS
  for (let at: usize = 0; at < length; at += SLICE) scan(INPUT + at, INPUT + min(length, at + SLICE), limit)
  return <u32>((out - ANCHORS) >> 3)
}

/** The hash after the last byte of the last call. */
export function lastHash(): u32 {
  return hash
}
