// The AssemblyScript twin of ../numbers.ts: same bytes. Memory has three regions of 4 MiB and tables.
// It never grows, so views of it never detach:
//   0      input
//   4 Mi   base: what differences are to, in whose bits their contexts are; or a byte for each element, its context
//   8 Mi   output
//   12 Mi  tables: for each class its smallest number and its low bits; where the table of each context begins;
//          then either the counts and the codes of an encoder, or the slots of a decoder (see ../numbers.ts)
const REGION: usize = 4 * 1024 * 1024
const INPUT: usize = 0
const BASE: usize = REGION
const OUTPUT: usize = 2 * REGION
const OUTPUT_END: usize = 3 * REGION
const LOWS: usize = 3 * REGION
const BITS: usize = LOWS + 4 * 256
const TABLES: usize = BITS + 256
const COUNTS: usize = TABLES + 4 * 256
const CODES: usize = COUNTS + 4 * 256 * 256
const SLOTS: usize = COUNTS

const ROTATED: u32 = 1
const DELTA: u32 = 2

/** The smallest state between two numbers, and the bits of a frequency. */
const SMALLEST: u32 = 1 << 16
const SCALE: u32 = 12
const SLOT_MASK: u32 = (1 << SCALE) - 1

/** How elements become numbers, numbers become classes, and the base's elements contexts: see ../numbers.ts. */
let mode: u32 = 0
let center: u32 = 0
let linear: bool = false
let fine: u32 = 0
let origin: u32 = 0
let shift: u32 = 0
let mask: usize = 0

export function setUp(m: u32, c: u32, isLinear: u32, f: u32, o: u32, s: u32, bits: u32): void {
  mode = m
  center = c
  linear = isLinear != 0
  fine = f
  origin = o
  shift = s
  mask = (1 << bits) - 1
}

/** Turns `length` bytes of input from `start` on into numbers, and counts the classes in each context. */
export function count(width: u32, start: usize, length: usize): void {
  if (width == 1) countIn<u8>(start, length)
  else if (width == 2) countIn<u16>(start, length)
  else countIn<u32>(start, length)
}

/** Writes the words of `length` bytes of numbers before the end of the output. Returns where they begin. */
export function encode(width: u32, start: usize, length: usize): usize {
  if (width == 1) return encodeFrom<u8>(start, length)
  if (width == 2) return encodeFrom<u16>(start, length)
  return encodeFrom<u32>(start, length)
}

/** Writes the low bits of `length` bytes of numbers from the beginning of the output on. Returns where they end. */
export function writeBits(width: u32, start: usize, length: usize): usize {
  if (width == 1) return writeBitsOf<u8>(start, length)
  if (width == 2) return writeBitsOf<u16>(start, length)
  return writeBitsOf<u32>(start, length)
}

/**
 * Decodes `length` bytes to the output from `start` on: states and words from byte `words` of the input up to `bits`,
 * low bits from there up to `end`. Returns whether all of it was used, and no more.
 */
export function decode(width: u32, start: usize, length: usize, words: usize, bits: usize, end: usize): bool {
  if (width == 1) return decodeTo<u8>(start, length, words, bits, end)
  if (width == 2) return decodeTo<u16>(start, length, words, bits, end)
  return decodeTo<u32>(start, length, words, bits, end)
}

/**
 * Counts each byte of the four lanes of input, `lane` bytes each, after the byte before it. Returns the greatest byte:
 * the counts of greater ones stay as they were.
 */
export function countBytes(lane: usize): u32 {
  let greatest: u32 = 0
  for (let at = INPUT; at < INPUT + 4 * lane; at++) greatest = max(greatest, <u32>load<u8>(at))
  for (let at = COUNTS; at < COUNTS + ((<usize>greatest + 1) << 10); at += 8) store<u64>(at, 0)
  for (let start = INPUT; start < INPUT + 4 * lane; start += lane) {
    let before: usize = 0
    for (let at = start; at < start + lane; at++) {
      const byte: usize = load<u8>(at)
      const counter = COUNTS + (before << 10) + (byte << 2)
      store<u32>(counter, load<u32>(counter) + 1)
      before = byte
    }
  }
  return greatest
}

/** Writes the words of the four lanes before the end of the output. Returns where they begin. */
export function encodeBytes(lane: usize): usize {
  let x0 = SMALLEST
  let x1 = SMALLEST
  let x2 = SMALLEST
  let x3 = SMALLEST
  let to = OUTPUT_END
  for (let place = lane; place > 0;) {
    place--
    for (let at = INPUT + 3 * lane + place, left = 4; left > 0; at -= lane, left--) {
      const before: usize = place == 0 ? 0 : load<u8>(at - 1)
      const code = <usize>load<u32>(TABLES + (before << 2)) + ((<usize>load<u8>(at)) << 4)
      let x = x0
      x0 = x1
      x1 = x2
      x2 = x3
      const isFull = isBeyond(x, code)
      store<u16>(to - 2, <u16>x)
      to -= isFull & 2
      x >>= isFull & 16
      x3 = taken(x, code)
    }
  }
  return writeStates(to, x3, x2, x1, x0)
}

/** Decodes the four lanes to the output: states and words from byte `words` of the input. Returns where the words end, or 0. */
export function decodeBytes(lane: usize, words: usize): usize {
  let x0 = load<u32>(words)
  let x1 = load<u32>(words, 4)
  let x2 = load<u32>(words, 8)
  let x3 = load<u32>(words, 12)
  // the tables of the next byte of each lane, and where it goes
  let table0: usize = load<u32>(TABLES)
  let table1 = table0
  let table2 = table0
  let table3 = table0
  let from = words + 16
  for (let at = OUTPUT; at < OUTPUT + lane; at++) {
    for (let to = at, left = 4; left > 0; to += lane, left--) {
      const slot = load<u32>(table0 + ((x0 & SLOT_MASK) << 2))
      const x = given(x0, slot)
      const isSmall = 0 - <u32>(x < SMALLEST)
      x0 = x1
      x1 = x2
      x2 = x3
      x3 = (x << (isSmall & 16)) | ((<u32>load<u16>(from)) & isSmall)
      from += isSmall & 2
      const byte: usize = slot & 255
      store<u8>(to, <u8>byte)
      table0 = table1
      table1 = table2
      table2 = table3
      table3 = load<u32>(TABLES + (byte << 2))
    }
  }
  return areDone(x0, x1, x2, x3) ? from : 0
}

/** All ones if a state gives a word before it takes a number with this code. Without a branch, which nobody could predict. */
function isBeyond(x: u32, code: usize): u32 {
  return 0 - <u32>(x >> (32 - SCALE) >= load<u32>(code, 8))
}

/** A state with a number of this code in it. */
function taken(x: u32, code: usize): u32 {
  // x / frequency: exact, because x is less than 2^20 times the frequency
  const whole = <u32>((<u64>x * load<u64>(code)) >> 44)
  return (whole << SCALE) + (x - whole * load<u32>(code, 8)) + load<u32>(code, 12)
}

/** A state without the number of its slot. */
function given(x: u32, slot: u32): u32 {
  return (((slot >> 8) & SLOT_MASK) + 1) * (x >> SCALE) + (slot >> 20)
}

function writeStates(to: usize, x0: u32, x1: u32, x2: u32, x3: u32): usize {
  to -= 16
  store<u32>(to, x0)
  store<u32>(to, x1, 4)
  store<u32>(to, x2, 8)
  store<u32>(to, x3, 12)
  return to
}

function areDone(x0: u32, x1: u32, x2: u32, x3: u32): bool {
  return x0 == SMALLEST && x1 == SMALLEST && x2 == SMALLEST && x3 == SMALLEST
}

function numberOf<U>(x: U, base: U, m: u32, c: U): U {
  const top = <U>(sizeof<U>() * 8 - 1)
  if (m == DELTA) {
    const d = <U>(x - base - c)
    return <U>((d << 1) ^ (0 - (d >> top)))
  }
  return m == ROTATED ? <U>((x << 1) | (x >> top)) : x
}

function elementOf<U>(x: U, base: U, m: u32, c: U): U {
  const top = <U>(sizeof<U>() * 8 - 1)
  if (m == DELTA) return <U>(((x >> 1) ^ (<U>(0 - (x & 1)))) + base + c)
  return m == ROTATED ? <U>((x >> 1) | (x << top)) : x
}

function classOf(x: u32, steps: bool, f: u32, o: u32): u32 {
  if (steps) return min((x >> f) - o, 255)
  const bits = 31 - clz(x | (1 << f)) - f
  return (bits << f) + (x >> bits)
}

/** Where the entry for the context of the element at `at` is in a table of u32. */
function contextAt<U>(at: usize, isDelta: bool, s: u32, m: usize): usize {
  const own: usize = isDelta ? <usize>load<U>(BASE + at) : <usize>load<u8>(BASE + at / sizeof<U>())
  return ((own >> s) & m) << 2
}

function countIn<U>(start: usize, length: usize): void {
  const m = mode
  const c = <U>center
  const steps = linear
  const f = fine
  const o = origin
  const s = shift
  const all = mask
  const end = start + (length & ~(sizeof<U>() - 1))
  for (let at = start; at < end; at += sizeof<U>()) {
    const x = numberOf<U>(load<U>(INPUT + at), load<U>(BASE + at), m, c)
    store<U>(INPUT + at, x)
    const counter = COUNTS + (contextAt<U>(at, m == DELTA, s, all) << 8) + (classOf(x, steps, f, o) << 2)
    store<u32>(counter, load<u32>(counter) + 1)
  }
}

function encodeFrom<U>(start: usize, length: usize): usize {
  const isDelta = mode == DELTA
  const steps = linear
  const f = fine
  const o = origin
  const s = shift
  const all = mask
  let x0 = SMALLEST
  let x1 = SMALLEST
  let x2 = SMALLEST
  let x3 = SMALLEST
  let to = OUTPUT_END
  // the states are a queue: each number takes the first one, and puts it back at the end
  for (let at = start + (length & ~(sizeof<U>() - 1)); at > start;) {
    at -= sizeof<U>()
    const table: usize = load<u32>(TABLES + contextAt<U>(at, isDelta, s, all))
    const code = table + (classOf(load<U>(INPUT + at), steps, f, o) << 4)
    let x = x0
    x0 = x1
    x1 = x2
    x2 = x3
    const isFull = isBeyond(x, code)
    store<u16>(to - 2, <u16>x)
    to -= isFull & 2
    x >>= isFull & 16
    x3 = taken(x, code)
  }
  return writeStates(to, x3, x2, x1, x0)
}

function writeBitsOf<U>(start: usize, length: usize): usize {
  const steps = linear
  const f = fine
  const o = origin
  const end = start + (length & ~(sizeof<U>() - 1))
  let to = OUTPUT
  let waiting: u64 = 0
  let count: u64 = 0
  for (let at = start; at < end; at += sizeof<U>()) {
    const x: u32 = load<U>(INPUT + at)
    const bits: u64 = load<u8>(BITS + classOf(x, steps, f, o))
    waiting |= ((<u64>x) & ((1 << bits) - 1)) << count
    count += bits
    store<u32>(to, <u32>waiting)
    const isFull = count & 32
    to += <usize>(isFull >> 3)
    waiting >>= isFull
    count -= isFull
  }
  store<u32>(to, <u32>waiting)
  return to + <usize>((count + 7) >> 3)
}

function decodeTo<U>(start: usize, length: usize, words: usize, bits: usize, end: usize): bool {
  const m = mode
  const c = <U>center
  const s = shift
  const all = mask
  let x0 = load<u32>(words)
  let x1 = load<u32>(words, 4)
  let x2 = load<u32>(words, 8)
  let x3 = load<u32>(words, 12)
  let from = words + 16
  let bit: usize = bits << 3
  const stop = start + (length & ~(sizeof<U>() - 1))
  for (let at = start; at < stop; at += sizeof<U>()) {
    const slot = load<u32>(<usize>load<u32>(TABLES + contextAt<U>(at, m == DELTA, s, all)) + ((x0 & SLOT_MASK) << 2))
    const x = given(x0, slot)
    // without a branch, which nobody could predict
    const isSmall = 0 - <u32>(x < SMALLEST)
    x0 = x1
    x1 = x2
    x2 = x3
    x3 = (x << (isSmall & 16)) | ((<u32>load<u16>(from)) & isSmall)
    from += isSmall & 2
    const kind: usize = slot & 255
    const extra: u64 = load<u8>(BITS + kind)
    const low = <u32>((load<u64>(bit >> 3) >> ((<u64>bit) & 7)) & (((<u64>1) << extra) - 1))
    bit += <usize>extra
    store<U>(OUTPUT + at, elementOf<U>(<U>(load<u32>(LOWS + (kind << 2)) + low), load<U>(BASE + at), m, c))
  }
  return from == bits && (bit + 7) >> 3 == end && areDone(x0, x1, x2, x3)
}

export const inputOffset: usize = INPUT
export const baseOffset: usize = BASE
export const outputOffset: usize = OUTPUT
export const lowsOffset: usize = LOWS
export const bitsOffset: usize = BITS
export const tablesOffset: usize = TABLES
export const countsOffset: usize = COUNTS
export const codesOffset: usize = CODES
export const slotsOffset: usize = SLOTS
