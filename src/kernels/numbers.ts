import { REGION_BYTES } from './planes.ts'

/** Bytes of an element that this kernel codes. */
export type NumberWidth = 1 | 2 | 4

/**
 * How each element, an unsigned little-endian integer, becomes the number that is coded. `plain` and `rotated` are the
 * modes of planes. `delta`: the element of the base and `center` are subtracted, mod 2^bits, and the difference is
 * mapped as planes do.
 */
export type NumberMode = 'plain' | 'rotated' | 'delta'

/**
 * How numbers fall into classes 0 to 255. `powers`: those below 2^(fine + 1) are their own classes; above, each power
 * of two has 2^fine classes. `steps`: class c holds the 2^fine numbers from (origin + c) * 2^fine on; class 255 holds
 * all others. A number is its class and its low bits, the place in its class.
 */
export type Classes = { kind: 'powers'; fine: number } | { kind: 'steps'; fine: number; origin: number }

/**
 * What the numbers of a block are. With the mode `delta`, `shift` and `bits` say which bits (up to 8) of the base's
 * element are a context. With the other modes the base holds one byte for each element, the lowest `bits` bits of which
 * are its context; `shift` is 0.
 */
export interface NumberModel {
  width: NumberWidth
  mode: NumberMode
  /** Signed, 32 bits. */
  center: number
  classes: Classes
  shift: number
  bits: number
}

/** Frequencies of the 256 classes, which add up to `TOTAL`. */
export type Frequencies = Uint16Array

export const CLASSES = 256
const MAX_CONTEXT_BITS = 8
/** The sum of all frequencies of a table, 2^12. */
export const TOTAL = 4096
/** Maximum tables of a block. */
export const MAX_TABLES = 64
/** Bytes of the four states. */
export const STATES_BYTES = 16

/** The smallest state between two numbers. A state has 32 bits, and gives or takes 16 at a time. */
const SMALLEST = 0x10000
const SCALE = 12

/**
 * Codes numbers by range asymmetric numeral systems (Duda, 2013): four interleaved states, static tables, one for each
 * context. The low bits are stored as they are. `begin` says what the numbers are. `length` is in bytes; a tail of less
 * than an element is left alone.
 *
 * It codes bytes in the same way, in the context of the byte before: `length` bytes are four lanes, one after the
 * other, each with a state of its own, so that no lane waits for another. A tail of less than 4 bytes is left alone.
 * The byte before the first one of a lane is 0.
 */
export interface NumbersKernel {
  readonly kind: 'webassembly' | 'javascript'
  readonly input: Uint8Array
  readonly base: Uint8Array
  readonly output: Uint8Array
  /** How many numbers of each class were in each context: 256 for each context. Valid after `count`. */
  readonly counts: Uint32Array
  /** Begins a block, and sets all counts to 0. */
  begin(model: NumberModel): void
  /** Turns elements of the input into numbers, in place, and counts their classes in each context. */
  count(start: number, length: number): void
  /** Sets the table of each context. All coded classes have a frequency in it. Ends the validity of `counts`. */
  setCodes(tables: readonly Frequencies[], tableOf: Uint8Array): void
  /** Codes counted numbers. Both results are views that are valid until the next call. */
  encode(start: number, length: number): { words: Uint8Array; bits: Uint8Array }
  /** The same for decoding. */
  setSlots(tables: readonly Frequencies[], tableOf: Uint8Array): void
  /**
   * Decodes to the output. States and words are input bytes [words, bits), low bits are [bits, end). False unless
   * exactly these are used.
   */
  decode(start: number, length: number, words: number, bits: number, end: number): boolean
  /** Counts each byte of the input in its context. Returns the greatest byte: only counts up to it are valid. */
  countBytes(length: number): number
  /** Codes counted bytes. The result is a view that is valid until the next call. */
  encodeBytes(length: number): Uint8Array
  /** Decodes to the output. States and words are input bytes [words, end). False unless exactly these are used. */
  decodeBytes(length: number, words: number, end: number): boolean
}

/** The smallest number and the count of low bits of each class. */
export function classTables(model: NumberModel): { lows: Uint32Array; bits: Uint8Array } {
  const { width, classes } = model
  const lows = new Uint32Array(CLASSES)
  const bits = new Uint8Array(CLASSES)
  for (let c = 0; c < classCount(model); c++) {
    if (classes.kind === 'steps') {
      const isOther = c === CLASSES - 1
      lows[c] = isOther ? 0 : (classes.origin + c) * 2 ** classes.fine
      bits[c] = isOther ? 8 * width : classes.fine
    } else {
      const count = Math.max(0, (c >> classes.fine) - 1)
      lows[c] = (c - (count << classes.fine)) * 2 ** count
      bits[c] = count
    }
  }
  return { lows, bits }
}

/** How many classes the numbers of a model have: at most 256 if there is such a model. */
export function classCount({ width, classes }: NumberModel): number {
  return classes.kind === 'steps' ? CLASSES : (8 * width - classes.fine + 1) << classes.fine
}

export function isModel(model: NumberModel): boolean {
  const { width, mode, classes, shift, bits, center } = model
  const isFine = classes.fine >= 0 && classes.fine < 8 * width && classCount(model) <= CLASSES
  const isContext = bits >= 0 && bits <= MAX_CONTEXT_BITS && shift >= 0 && shift + bits <= (mode === 'delta' ? 8 * width : bits)
  const isOrigin = classes.kind === 'powers' || (classes.origin >= 0 && classes.origin < 2 ** (8 * width - classes.fine))
  return [1, 2, 4].includes(width) && isFine && isOrigin && isContext && center === (center | 0)
}

export function assertModel(model: NumberModel): void {
  if (!isModel(model)) throw new RangeError('there are no such numbers')
}

export function assertStretch(start: number, length: number, width: number): void {
  const isWithin = Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 0 && start + length <= REGION_BYTES
  if (!isWithin || start % width !== 0)
    throw new RangeError(`${length} bytes from ${start} on are no elements in a region of ${REGION_BYTES}`)
}

/** Numbers of 32 bits in the code of a class. */
export const CODE_WORDS = 4

/** The code of each class: 2^44 / frequency, rounded up, in two words; the frequency; the sum of those before it. */
export function fillCodes(frequencies: Frequencies, codes: Uint32Array): void {
  let before = 0
  for (let c = 0; c < frequencies.length; c++) {
    const frequency = frequencies[c]!
    if (frequency === 0) continue
    const reciprocal = Math.ceil(2 ** 44 / frequency)
    codes[CODE_WORDS * c] = reciprocal % 2 ** 32
    codes[CODE_WORDS * c + 1] = Math.floor(reciprocal / 2 ** 32)
    codes[CODE_WORDS * c + 2] = frequency
    codes[CODE_WORDS * c + 3] = before
    before += frequency
  }
}

/** For each remainder: class, frequency - 1 and place among the class's remainders, of 8, 12 and 12 bits. */
export function fillSlots(frequencies: Frequencies, slots: Uint32Array): void {
  let at = 0
  for (let c = 0; c < frequencies.length; c++) {
    const frequency = frequencies[c]!
    const slot = c | ((frequency - 1) << 8)
    for (let place = 0; place < frequency; place++) slots[at++] = slot | (place << 20)
  }
}

/** The TypeScript twin of the WebAssembly kernel, which gives the same bytes. */
export function javascriptNumbers(): NumbersKernel {
  const input = new Uint8Array(REGION_BYTES)
  const base = new Uint8Array(REGION_BYTES)
  const output = new Uint8Array(REGION_BYTES)
  const counts = new Uint32Array(CLASSES * CLASSES)
  let model: NumberModel
  let classed: ReturnType<typeof classTables>
  let codes: Uint32Array[] = []
  let slots: Uint32Array[] = []
  let tables: Uint8Array
  const rowOf = (context: number, c: number): Uint32Array => codes[tables[context]!]!.subarray(CODE_WORDS * c, CODE_WORDS * (c + 1))
  const slotsOf = (context: number): Uint32Array => slots[tables[context]!]!
  const contextAt = (at: number): number => {
    const { width, mode, shift, bits } = model
    return ((mode === 'delta' ? read(base, at, width) : base[at / width]!) >>> shift) & (2 ** bits - 1)
  }
  return {
    kind: 'javascript',
    input,
    base,
    output,
    counts,
    begin(next) {
      assertModel(next)
      model = next
      classed = classTables(next)
      counts.fill(0)
    },
    count(start, length) {
      const { width } = model
      for (const at of places(start, length, width)) {
        const x = numberOf(read(input, at, width), read(base, at, width), model)
        write(input, at, width, x)
        counts[contextAt(at) * CLASSES + classOf(x, model.classes)]!++
      }
    },
    setCodes(frequencies, tableOf) {
      codes = frequencies.map(each => {
        const table = new Uint32Array(CODE_WORDS * CLASSES)
        fillCodes(each, table)
        return table
      })
      tables = tableOf
    },
    encode(start, length) {
      const { width, classes } = model
      const bits: number[] = []
      const found = places(start, length, width)
      const words = encodeAll(found.length, i => rowOf(contextAt(found[i]!), classOf(read(input, found[i]!, width), classes)))
      for (const at of found) {
        const x = read(input, at, width)
        const count = classed.bits[classOf(x, classes)]!
        for (let bit = 0; bit < count; bit++) bits.push((x >>> bit) & 1)
      }
      const packed = new Uint8Array(Math.ceil(bits.length / 8))
      bits.forEach((bit, i) => (packed[i >> 3]! |= bit << (i & 7)))
      return { words, bits: packed }
    },
    setSlots(frequencies, tableOf) {
      slots = frequencies.map(each => {
        const table = new Uint32Array(TOTAL)
        fillSlots(each, table)
        return table
      })
      tables = tableOf
    },
    decode(start, length, words, bits, end) {
      const { width } = model
      let bit = 8 * bits
      const found = places(start, length, width)
      const used = decodeAll(
        input,
        words,
        found.length,
        i => slotsOf(contextAt(found[i]!)),
        (i, c) => {
          const at = found[i]!
          let low = 0
          for (let k = 0; k < classed.bits[c]!; k++, bit++) low += ((input[bit >> 3]! >> (bit & 7)) & 1) * 2 ** k
          write(output, at, width, elementOf(classed.lows[c]! + low, read(base, at, width), model))
        },
      )
      return used === bits && Math.ceil(bit / 8) === end
    },
    countBytes(length) {
      const found = lanes(length)
      const greatest = found.reduce((most, at) => Math.max(most, input[at]!), 0)
      counts.fill(0, 0, (greatest + 1) * CLASSES)
      for (const [i, at] of found.entries()) counts[byteBefore(input, at, i) * CLASSES + input[at]!]!++
      return greatest
    },
    encodeBytes(length) {
      const found = lanes(length)
      return encodeAll(found.length, i => rowOf(byteBefore(input, found[i]!, i), input[found[i]!]!))
    },
    decodeBytes(length, words, end) {
      const found = lanes(length)
      const slotsAt = (i: number): Uint32Array => slotsOf(byteBefore(output, found[i]!, i))
      return decodeAll(input, words, found.length, slotsAt, (i, byte) => (output[found[i]!] = byte)) === end
    },
  }
}

/** Codes `count` classes, given their codes. */
function encodeAll(count: number, codeOf: (i: number) => Uint32Array): Uint8Array {
  const states = [SMALLEST, SMALLEST, SMALLEST, SMALLEST]
  const words: number[] = []
  for (let i = count - 1; i >= 0; i--) {
    const [, , frequency, before] = codeOf(i) as unknown as [number, number, number, number]
    let x = states[i % 4]!
    if (Math.floor(x / 2 ** 20) >= frequency) {
      words.push(x & 0xffff)
      x >>>= 16
    }
    states[i % 4] = Math.floor(x / frequency) * TOTAL + (x % frequency) + before
  }
  return Uint8Array.of(...bytesOf(states, 4), ...bytesOf(words.reverse(), 2))
}

/** Decodes `count` classes from byte `words` on. Returns where the words end; -1 if the states are wrong. */
function decodeAll(
  input: Uint8Array,
  words: number,
  count: number,
  slotsOf: (i: number) => Uint32Array,
  put: (i: number, c: number) => void,
): number {
  const states = [0, 1, 2, 3].map(i => read(input, words + 4 * i, 4))
  let from = words + STATES_BYTES
  for (let i = 0; i < count; i++) {
    const state = states[i % 4]!
    const slot = slotsOf(i)[state & (TOTAL - 1)]!
    let x = (((slot >>> 8) & (TOTAL - 1)) + 1) * (state >>> SCALE) + (slot >>> 20)
    if (x < SMALLEST) {
      x = x * 2 ** 16 + read(input, from, 2)
      from += 2
    }
    states[i % 4] = x
    put(i, slot & 255)
  }
  return states.every(state => state === SMALLEST) ? from : -1
}

/** Where the bytes of four lanes are, in the order in which they are coded. */
function lanes(length: number): number[] {
  assertStretch(0, length, 1)
  const lane = length >> 2
  return Array.from({ length: 4 * lane }, (_, i) => (i >> 2) + (i & 3) * lane)
}

const byteBefore = (bytes: Uint8Array, at: number, i: number): number => (i < 4 ? 0 : bytes[at - 1]!)

/** Where whole elements begin. */
function places(start: number, length: number, width: number): number[] {
  assertStretch(start, length, width)
  return Array.from({ length: Math.floor(length / width) }, (_, i) => start + i * width)
}

function classOf(x: number, classes: Classes): number {
  const { fine } = classes
  if (classes.kind === 'steps') {
    const c = (x >>> fine) - classes.origin
    return c < 0 || c > CLASSES - 1 ? CLASSES - 1 : c
  }
  const bits = 31 - Math.clz32(x | (1 << fine)) - fine
  return (bits << fine) + (x >>> bits)
}

function numberOf(element: number, base: number, { width, mode, center }: NumberModel): number {
  const top = 8 * width - 1
  if (mode === 'plain') return element
  if (mode === 'rotated') return cut(element * 2 + (element >>> top), width)
  const difference = cut(element - base - center, width)
  return cut((difference << 1) ^ (difference >>> top ? -1 : 0), width)
}

function elementOf(number: number, base: number, { width, mode, center }: NumberModel): number {
  const x = cut(number, width)
  if (mode === 'plain') return x
  if (mode === 'rotated') return cut((x >>> 1) + (x & 1) * 2 ** (8 * width - 1), width)
  return cut(((x >>> 1) ^ -(x & 1)) + base + center, width)
}

/** A number mod 2^bits. */
function cut(x: number, width: number): number {
  return width === 4 ? x >>> 0 : x & (2 ** (8 * width) - 1)
}

function read(bytes: Uint8Array, at: number, width: number): number {
  let x = 0
  for (let k = width - 1; k >= 0; k--) x = x * 256 + (bytes[at + k] ?? 0)
  return x
}

function write(bytes: Uint8Array, at: number, width: number, x: number): void {
  for (let k = 0; k < width; k++) bytes[at + k] = x >>> (8 * k)
}

function bytesOf(numbers: readonly number[], width: number): Uint8Array {
  const bytes = new Uint8Array(numbers.length * width)
  numbers.forEach((x, i) => write(bytes, i * width, width, x))
  return bytes
}
