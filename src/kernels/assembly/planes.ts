// The AssemblyScript twin of ../planes.ts: same planes. Memory has three regions of 4 MiB and a table.
// It never grows, so views of it never detach:
//   0     input
//   4 Mi  the base of a delta
//   8 Mi  output
//   12 Mi where the next element of each key goes
const REGION: usize = 4 * 1024 * 1024
const INPUT: usize = 0
const BASE: usize = REGION
const OUTPUT: usize = 2 * REGION
const NEXT: usize = 3 * REGION

const ROTATED: u32 = 1
const DELTA: u32 = 2

const BF16: u32 = 1

/** The bits of fp32 magnitudes: infinity, 2^-14 and 2^16. */
const INFINITY: i32 = 0x7f800000
const SMALLEST_NORMAL_FP16: i32 = 0x38800000
const BEYOND_FP16: i32 = 0x47800000

/** Splits `length` bytes of input into the planes of their elements of `width` bytes. The tail follows the planes. */
export function split(width: u32, mode: u32, length: usize): void {
  if (width == 1) split1(length, mode)
  else if (width == 2) split2(length >> 1, mode)
  else if (width == 4) split4(length >> 2, mode)
  else split8(length >> 3, mode)
  copyTail(width, length)
}

/** Undoes `split`. */
export function join(width: u32, mode: u32, length: usize): void {
  if (width == 1) join1(length, mode)
  else if (width == 2) join2(length >> 1, mode)
  else if (width == 4) join4(length >> 2, mode)
  else join8(length >> 3, mode)
  copyTail(width, length)
}

function copyTail(width: usize, length: usize): void {
  const whole = length & ~(width - 1)
  memory.copy(OUTPUT + whole, INPUT + whole, length - whole)
}

/** The vector of U lanes at `at`, ready to be split. S is U's signed twin. */
function before<U, S>(at: usize, mode: u32): v128 {
  const v = v128.load(INPUT + at)
  if (mode == ROTATED) return v128.or(v128.shl<U>(v, 1), v128.shr<U>(v, sizeof<U>() * 8 - 1))
  if (mode == DELTA) {
    const d = v128.sub<U>(v, v128.load(BASE + at))
    return v128.xor(v128.add<U>(d, d), v128.lt<S>(d, i64x2.splat(0)))
  }
  return v
}

/** Undoes `before` for a vector of U lanes that was joined from planes, then stores it. */
function after<U>(at: usize, v: v128, mode: u32): void {
  if (mode == ROTATED) v = v128.or(v128.shr<U>(v, 1), v128.shl<U>(v, sizeof<U>() * 8 - 1))
  if (mode == DELTA) {
    const sign = v128.sub<U>(i64x2.splat(0), v128.and(v, v128.splat<U>(1)))
    v = v128.add<U>(v128.xor(v128.shr<U>(v, 1), sign), v128.load(BASE + at))
  }
  v128.store(OUTPUT + at, v)
}

/**
 * The even bytes of a and b; `odd` returns the odd ones. Two such steps split 4-byte elements, three split 8-byte
 * elements.
 */
function even(a: v128, b: v128): v128 {
  const mask = i16x8.splat(0xff)
  return i8x16.narrow_i16x8_u(v128.and(a, mask), v128.and(b, mask))
}

function odd(a: v128, b: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.shr_u(a, 8), i16x8.shr_u(b, 8))
}

/**
 * Interleaves the first halves of a and b; `high` does so with the second halves. Together they undo `even` and `odd`.
 */
function low(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

function high(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
}

function split1(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) v128.store(OUTPUT + i, before<u8, i8>(i, mode))
  splitRest<u8>(i, count, mode)
}

function join1(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) after<u8>(i, v128.load(INPUT + i), mode)
  joinRest<u8>(i, count, mode)
}

function split2(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) {
    const at = i * 2
    const a = before<u16, i16>(at, mode)
    const b = before<u16, i16>(at + 16, mode)
    const to = OUTPUT + i
    v128.store(to, even(a, b))
    v128.store(to + count, odd(a, b))
  }
  splitRest<u16>(i, count, mode)
}

function join2(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) {
    const from = INPUT + i
    const p0 = v128.load(from)
    const p1 = v128.load(from + count)
    const at = i * 2
    after<u16>(at, low(p0, p1), mode)
    after<u16>(at + 16, high(p0, p1), mode)
  }
  joinRest<u16>(i, count, mode)
}

function split4(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) {
    const at = i * 4
    const a = before<u32, i32>(at, mode)
    const b = before<u32, i32>(at + 16, mode)
    const c = before<u32, i32>(at + 32, mode)
    const d = before<u32, i32>(at + 48, mode)
    const p02 = even(a, b)
    const q02 = even(c, d)
    const p13 = odd(a, b)
    const q13 = odd(c, d)
    const to = OUTPUT + i
    v128.store(to, even(p02, q02))
    v128.store(to + count, even(p13, q13))
    v128.store(to + 2 * count, odd(p02, q02))
    v128.store(to + 3 * count, odd(p13, q13))
  }
  splitRest<u32>(i, count, mode)
}

function join4(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) {
    const from = INPUT + i
    const p0 = v128.load(from)
    const p1 = v128.load(from + count)
    const p2 = v128.load(from + 2 * count)
    const p3 = v128.load(from + 3 * count)
    const p02 = low(p0, p2)
    const q02 = high(p0, p2)
    const p13 = low(p1, p3)
    const q13 = high(p1, p3)
    const at = i * 4
    after<u32>(at, low(p02, p13), mode)
    after<u32>(at + 16, high(p02, p13), mode)
    after<u32>(at + 32, low(q02, q13), mode)
    after<u32>(at + 48, high(q02, q13), mode)
  }
  joinRest<u32>(i, count, mode)
}

function split8(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) {
    // bytes 0 2 4 6 of all elements, then bytes 1 3 5 7
    split8Half(i, count, mode, 0)
    split8Half(i, count, mode, 1)
  }
  splitRest<u64>(i, count, mode)
}

function split8Half(i: usize, count: usize, mode: u32, half: usize): void {
  const at = i * 8
  const a = pick(half, before<u64, i64>(at, mode), before<u64, i64>(at + 16, mode))
  const b = pick(half, before<u64, i64>(at + 32, mode), before<u64, i64>(at + 48, mode))
  const c = pick(half, before<u64, i64>(at + 64, mode), before<u64, i64>(at + 80, mode))
  const d = pick(half, before<u64, i64>(at + 96, mode), before<u64, i64>(at + 112, mode))
  const p04 = even(a, b)
  const q04 = even(c, d)
  const p26 = odd(a, b)
  const q26 = odd(c, d)
  const to = OUTPUT + half * count + i
  v128.store(to, even(p04, q04))
  v128.store(to + 2 * count, even(p26, q26))
  v128.store(to + 4 * count, odd(p04, q04))
  v128.store(to + 6 * count, odd(p26, q26))
}

function pick(half: usize, a: v128, b: v128): v128 {
  return half == 0 ? even(a, b) : odd(a, b)
}

function join8(count: usize, mode: u32): void {
  let i: usize = 0
  for (; i + 16 <= count; i += 16) {
    const even4 = INPUT + i
    const odd4 = even4 + count
    const at = i * 8
    const p04 = v128.load(even4)
    const p26 = v128.load(even4 + 2 * count)
    const p4 = v128.load(even4 + 4 * count)
    const p6 = v128.load(even4 + 6 * count)
    const p1 = v128.load(odd4)
    const p3 = v128.load(odd4 + 2 * count)
    const p5 = v128.load(odd4 + 4 * count)
    const p7 = v128.load(odd4 + 6 * count)
    // elements 0 to 7, then 8 to 15
    join8Half(
      at,
      mode,
      low(low(p04, p4), low(p26, p6)),
      high(low(p04, p4), low(p26, p6)),
      low(low(p1, p5), low(p3, p7)),
      high(low(p1, p5), low(p3, p7)),
    )
    join8Half(
      at + 64,
      mode,
      low(high(p04, p4), high(p26, p6)),
      high(high(p04, p4), high(p26, p6)),
      low(high(p1, p5), high(p3, p7)),
      high(high(p1, p5), high(p3, p7)),
    )
  }
  joinRest<u64>(i, count, mode)
}

/** Stores 8 elements. Their even bytes are in e, then f; their odd bytes are in o, then p. */
function join8Half(at: usize, mode: u32, e: v128, f: v128, o: v128, p: v128): void {
  after<u64>(at, low(e, o), mode)
  after<u64>(at + 16, high(e, o), mode)
  after<u64>(at + 32, low(f, p), mode)
  after<u64>(at + 48, high(f, p), mode)
}

function splitRest<U>(from: usize, count: usize, mode: u32): void {
  const top = <U>(sizeof<U>() * 8 - 1)
  for (let i = from; i < count; i++) {
    const at = i * sizeof<U>()
    let x = load<U>(INPUT + at)
    if (mode == ROTATED) x = <U>((x << 1) | (x >> top))
    if (mode == DELTA) {
      x = <U>(x - load<U>(BASE + at))
      x = <U>((x << 1) ^ (0 - (x >> top)))
    }
    for (let k: usize = 0; k < sizeof<U>(); k++) store<u8>(OUTPUT + k * count + i, <u8>((<u64>x) >> (k * 8)))
  }
}

function joinRest<U>(from: usize, count: usize, mode: u32): void {
  const top = <U>(sizeof<U>() * 8 - 1)
  for (let i = from; i < count; i++) {
    let joined: u64 = 0
    for (let k: usize = 0; k < sizeof<U>(); k++) joined |= (<u64>load<u8>(INPUT + k * count + i)) << (k * 8)
    let x = <U>joined
    const at = i * sizeof<U>()
    if (mode == ROTATED) x = <U>((x >> 1) | (x << top))
    if (mode == DELTA) x = <U>(((x >> 1) ^ (<U>(0 - (x & 1)))) + load<U>(BASE + at))
    store<U>(OUTPUT + at, x)
  }
}

/**
 * For `length` bytes from `start` on: computes the differences between the input's elements and the base's, maps them
 * to unsigned numbers, and sorts them by the keys of the base's elements (stable). Then copies the tail of the input.
 */
export function group(width: u32, shift: u32, bits: u32, start: usize, length: usize): void {
  if (width == 2) groupBy<u16, i16>(start, length, shift, bits, false)
  else if (width == 4) groupBy<u32, i32>(start, length, shift, bits, false)
  else groupBy<u64, i64>(start, length, shift, bits, false)
}

/** Undoes `group`. */
export function ungroup(width: u32, shift: u32, bits: u32, start: usize, length: usize): void {
  if (width == 2) groupBy<u16, i16>(start, length, shift, bits, true)
  else if (width == 4) groupBy<u32, i32>(start, length, shift, bits, true)
  else groupBy<u64, i64>(start, length, shift, bits, true)
}

/** U is an element, S its signed twin. */
function groupBy<U, S>(start: usize, length: usize, shift: u32, bits: u32, back: bool): void {
  const mask: usize = (1 << bits) - 1
  const whole = length & ~(sizeof<U>() - 1)
  const base = BASE + start
  const end = base + whole
  const from = INPUT + start
  const to = OUTPUT + start
  memory.fill(NEXT, 0, 4 * 256)
  for (let at = base; at < end; at += sizeof<U>()) {
    const next = NEXT + 4 * ((<usize>(load<U>(at) >> (<U>shift))) & mask)
    store<u32>(next, load<u32>(next) + sizeof<U>())
  }
  let place: u32 = 0
  for (let key: usize = 0; key <= mask; key++) {
    const found = load<u32>(NEXT + 4 * key)
    store<u32>(NEXT + 4 * key, place)
    place += found
  }
  for (let i: usize = 0; i < whole; i += sizeof<U>()) {
    const other = load<U>(base + i)
    const next = NEXT + 4 * ((<usize>(other >> (<U>shift))) & mask)
    const place: usize = load<u32>(next)
    store<u32>(next, <u32>(place + sizeof<U>()))
    if (back) {
      const x = load<U>(from + place)
      store<U>(to + i, ((x >> 1) ^ (<U>(0 - (x & 1)))) + other)
    } else {
      const d = load<U>(from + i) - other
      store<U>(to + place, (d << 1) ^ (<U>((<S>d) >> (<S>(sizeof<U>() * 8 - 1)))))
    }
  }
  memory.copy(to + whole, from + whole, length - whole)
}

/**
 * Rounds `count` fp32 values of input to 16-bit floats, to the nearest, ties to even. Stores them in the base from byte
 * `to` on.
 */
export function narrow(format: u32, count: usize, to: usize): void {
  let i: usize = 0
  for (; i + 8 <= count; i += 8) {
    const a = rounded(format, v128.load(INPUT + i * 4))
    const b = rounded(format, v128.load(INPUT + i * 4 + 16))
    v128.store(BASE + to + i * 2, i16x8.narrow_i32x4_u(a, b))
  }
  for (; i < count; i++) {
    const one = rounded(format, i32x4.splat(load<i32>(INPUT + i * 4)))
    store<u16>(BASE + to + i * 2, <u16>i32x4.extract_lane(one, 0))
  }
}

function rounded(format: u32, v: v128): v128 {
  const magnitude = v128.and(v, i32x4.splat(0x7fffffff))
  const isNaN = i32x4.gt_s(magnitude, i32x4.splat(INFINITY))
  return format == BF16 ? roundedToBf16(v, isNaN) : roundedToFp16(v, magnitude, isNaN)
}

function roundedToBf16(v: v128, isNaN: v128): v128 {
  const top = i32x4.shr_u(v, 16)
  const up = i32x4.add(i32x4.splat(0x7fff), v128.and(top, i32x4.splat(1)))
  return v128.bitselect(v128.or(top, i32x4.splat(0x40)), i32x4.shr_u(i32x4.add(v, up), 16), isNaN)
}

function roundedToFp16(v: v128, magnitude: v128, isNaN: v128): v128 {
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1))
  // changes the exponent's bias from 127 to 15, and rounds at the discarded bits
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(<i32>0xc8000fff)), odd), 13)
  // the last bit of 0.5 is the smallest number of fp16: adding 0.5 rounds to a multiple of it
  const half = i32x4.splat(0x3f000000)
  const small = i32x4.sub(f32x4.add(magnitude, half), half)
  const quiet = v128.or(i32x4.splat(0x7e00), v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(0x3ff)))
  let result = v128.bitselect(small, normal, i32x4.lt_s(magnitude, i32x4.splat(SMALLEST_NORMAL_FP16)))
  result = v128.bitselect(i32x4.splat(0x7c00), result, i32x4.ge_s(magnitude, i32x4.splat(BEYOND_FP16)))
  result = v128.bitselect(quiet, result, isNaN)
  return v128.or(result, v128.and(i32x4.shr_u(v, 16), i32x4.splat(0x8000)))
}

export const inputOffset: usize = INPUT
export const baseOffset: usize = BASE
export const outputOffset: usize = OUTPUT
