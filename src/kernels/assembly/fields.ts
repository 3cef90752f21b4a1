// The AssemblyScript twin of ../fields.ts: same streams. Memory has three regions of 4 MiB and a page of tables.
// It never grows, so views of it never detach:
//   0      input
//   4 Mi   output
//   8 Mi   the stream of each byte
//   12 Mi  tables: the class of each byte, the first and the last stream of each column,
//          the next byte and the end of each stream
const REGION: usize = 4 * 1024 * 1024
const INPUT: usize = 0
const OUTPUT: usize = REGION
const STREAMS: usize = 2 * REGION
const CLASSES: usize = 3 * REGION
const FIRST: usize = CLASSES + 256
const LAST: usize = FIRST + 256
const NEXT: usize = LAST + 256
const ENDS: usize = NEXT + 4 * 256

const SEPARATOR: u32 = 1
const ROW_END: u32 = 2

/** Engines switch to faster code between calls of a function, not during one. So a block is processed in slices. */
const SLICE: usize = 64 * 1024

/** Position of the next byte in its row. */
let column: u32 = 0
let stream: usize = 0
let quoted = false

function begin(): void {
  column = 0
  stream = load<u8>(FIRST)
  quoted = false
}

/**
 * Copies input bytes [0, length) to their streams, which are stored one after the other in the output. Writes the end
 * of each stream to the table of ends.
 */
export function split(lastColumn: u32, length: usize): void {
  memory.fill(ENDS, 0, 4 * 256)
  begin()
  for (let at: usize = 0; at < length; at += SLICE) findStreams(lastColumn, at, min(length, at + SLICE))
  let start: u32 = 0
  for (let s: usize = 0; s < 256; s++) {
    store<u32>(NEXT + 4 * s, start)
    start += load<u32>(ENDS + 4 * s)
  }
  for (let at: usize = 0; at < length; at += SLICE) moveToStreams(at, min(length, at + SLICE))
}

export function findStreams(lastColumn: u32, from: usize, to: usize): void {
  let c = column
  let s = stream
  let last: usize = load<u8>(LAST + c)
  let q = quoted
  for (let i = from; i < to; i++) {
    store<u8>(STREAMS + i, <u8>s)
    const count = ENDS + 4 * s
    store<u32>(count, load<u32>(count) + 1)
    const kind: u32 = load<u8>(CLASSES + load<u8>(INPUT + i))
    if (kind == 0) {
      if (s < last) s++
    } else if (kind == ROW_END || (kind == SEPARATOR && !q)) {
      if (kind == ROW_END) {
        c = 0
        q = false
      } else if (c < lastColumn) c++
      s = load<u8>(FIRST + c)
      last = load<u8>(LAST + c)
    } else {
      if (kind > ROW_END) q = !q
      if (s < last) s++
    }
  }
  column = c
  stream = s
  quoted = q
}

export function moveToStreams(from: usize, to: usize): void {
  for (let i = from; i < to; i++) {
    const next = NEXT + 4 * <usize>load<u8>(STREAMS + i)
    const place = load<u32>(next)
    store<u8>(OUTPUT + place, load<u8>(INPUT + i))
    store<u32>(next, place + 1)
  }
}

/**
 * Undoes `split`. The tables hold the start and end of each stream. Returns the number of joined bytes, which is less
 * than `length` if a stream ended too early.
 */
export function join(lastColumn: u32, length: usize): usize {
  begin()
  for (let at: usize = 0; at < length; at += SLICE) {
    const end = min(length, at + SLICE)
    const reached = takeFromStreams(lastColumn, at, end)
    if (reached < end) return reached
  }
  return length
}

export function takeFromStreams(lastColumn: u32, from: usize, to: usize): usize {
  let c = column
  let s = stream
  let last: usize = load<u8>(LAST + c)
  let q = quoted
  for (let i = from; i < to; i++) {
    const next = NEXT + 4 * s
    const place = load<u32>(next)
    if (place >= load<u32>(ENDS + 4 * s)) return i
    store<u32>(next, place + 1)
    const byte = load<u8>(INPUT + place)
    store<u8>(OUTPUT + i, byte)
    const kind: u32 = load<u8>(CLASSES + byte)
    if (kind == 0) {
      if (s < last) s++
    } else if (kind == ROW_END || (kind == SEPARATOR && !q)) {
      if (kind == ROW_END) {
        c = 0
        q = false
      } else if (c < lastColumn) c++
      s = load<u8>(FIRST + c)
      last = load<u8>(LAST + c)
    } else {
      if (kind > ROW_END) q = !q
      if (s < last) s++
    }
  }
  column = c
  stream = s
  quoted = q
  return to
}

export const inputOffset: usize = INPUT
export const outputOffset: usize = OUTPUT
export const tablesOffset: usize = CLASSES
