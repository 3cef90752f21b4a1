import { refuse } from './span.ts'

/** A copy of 64 bytes takes 3 bytes: nothing unpacks to more than this many times its length. */
const MAX_TIMES = 22
/** Length minus 1 from which on a literal has its length in bytes behind its tag. */
const LONG_LITERAL = 60

/**
 * The plain bytes of a block in the raw format of Snappy (`format_description.txt` of google/snappy). Refuses what is
 * cut short, and a stated length above `most`. Time and memory: linear in the length of `stored`.
 */
export function unsnappy(stored: Uint8Array, most: number): Uint8Array {
  let at = 0
  const byte = (): number => stored[at++] ?? refuse('a compressed block is cut short')
  const number = (bytes: number): number => {
    let value = 0
    for (let i = 0; i < bytes; i++) value += byte() * 256 ** i
    return value
  }
  let length = 0
  for (let scale = 1, next = 128; next >= 128; scale *= 128) {
    next = byte()
    length += (next & 0x7f) * scale
    if (length > Math.min(most, MAX_TIMES * stored.length)) refuse('a compressed block has an absurd length')
  }
  const plain = new Uint8Array(length)
  let done = 0
  while (at < stored.length) {
    const tag = byte()
    const kind = tag & 3
    if (kind === 0) {
      const stated = tag >> 2
      const count = 1 + (stated < LONG_LITERAL ? stated : number(stated - LONG_LITERAL + 1))
      if (count > stored.length - at || count > length - done) refuse('a compressed block is cut short')
      plain.set(stored.subarray(at, at + count), done)
      at += count
      done += count
      continue
    }
    const count = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2)
    const distance = kind === 1 ? (tag >> 5) * 256 + byte() : number(kind === 2 ? 2 : 4)
    if (distance === 0 || distance > done || count > length - done) refuse('a compressed block refers to nothing')
    // byte by byte: the source of a copy may overlap it
    for (let i = 0; i < count; i++, done++) plain[done] = plain[done - distance]!
  }
  return done === length ? plain : refuse('a compressed block does not have its stated length')
}
