// AssemblyScript twin of ../fields.ts: same streams. Memory is three regions of 4 MiB and a page of tables; it never grows, so views on it never detach:
//   0      input
//   4 Mi   output
//   8 Mi   the stream of each byte
//   12 Mi  tables: the class of each byte, the first and the last stream of each column, where each stream goes on, where it ends
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
const LINE_FEED: u32 = 2

/** Input bytes [0, length) go to their streams, one after the other in the output; the length of each is left in the table of ends. */
export function split(lastColumn: u32, length: usize): void {
  memory.fill(ENDS, 0, 4 * 256)
  let column: u32 = 0
  let stream: usize = load<u8>(FIRST)
  let last: usize = load<u8>(LAST)
  let quoted = false
  for (let i: usize = 0; i < length; i++) {
    store<u8>(STREAMS + i, <u8>stream)
    const count = ENDS + 4 * stream
    store<u32>(count, load<u32>(count) + 1)
    const kind: u32 = load<u8>(CLASSES + load<u8>(INPUT + i))
    if (kind == LINE_FEED || (kind == SEPARATOR && !quoted)) {
      if (kind == LINE_FEED) {
        column = 0
        quoted = false
      } else if (column < lastColumn) column++
      stream = load<u8>(FIRST + column)
      last = load<u8>(LAST + column)
    } else {
      if (kind > LINE_FEED) quoted = !quoted
      if (stream < last) stream++
    }
  }
  let at: u32 = 0
  for (let s: usize = 0; s < 256; s++) {
    store<u32>(NEXT + 4 * s, at)
    at += load<u32>(ENDS + 4 * s)
  }
  for (let i: usize = 0; i < length; i++) {
    const next = NEXT + 4 * <usize>load<u8>(STREAMS + i)
    const to = load<u32>(next)
    store<u8>(OUTPUT + to, load<u8>(INPUT + i))
    store<u32>(next, to + 1)
  }
}

/** Undoes `split`; the tables say where each stream begins and ends. Returns how many bytes could be joined: less than `length` where a stream ended too early. */
export function join(lastColumn: u32, length: usize): usize {
  let column: u32 = 0
  let stream: usize = load<u8>(FIRST)
  let last: usize = load<u8>(LAST)
  let quoted = false
  for (let i: usize = 0; i < length; i++) {
    const next = NEXT + 4 * stream
    const from = load<u32>(next)
    if (from >= load<u32>(ENDS + 4 * stream)) return i
    store<u32>(next, from + 1)
    const byte = load<u8>(INPUT + from)
    store<u8>(OUTPUT + i, byte)
    const kind: u32 = load<u8>(CLASSES + byte)
    if (kind == LINE_FEED || (kind == SEPARATOR && !quoted)) {
      if (kind == LINE_FEED) {
        column = 0
        quoted = false
      } else if (column < lastColumn) column++
      stream = load<u8>(FIRST + column)
      last = load<u8>(LAST + column)
    } else {
      if (kind > LINE_FEED) quoted = !quoted
      if (stream < last) stream++
    }
  }
  return length
}

export const inputOffset: usize = INPUT
export const outputOffset: usize = OUTPUT
export const tablesOffset: usize = CLASSES
