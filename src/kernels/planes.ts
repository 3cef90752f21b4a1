/** The size of a kernel's regions: a block of the largest size. */
export const REGION_BYTES = 4 * 1024 * 1024

/** Bytes of an element. */
export type Width = 1 | 2 | 4 | 8

/**
 * How each element, an unsigned little-endian integer of `width` bytes, changes before its bytes go to their planes.
 * `rotated`: its top bit, the sign of a float, becomes its lowest, so that the exponent has the top plane to itself.
 * `delta`: the element of `base` at the same index is subtracted (mod 2^bits), and the difference is mapped to an
 * unsigned number: 0, -1, 1, -2, 2 ... to 0, 1, 2, 3, 4 ...
 */
export type PlaneMode = 'plain' | 'rotated' | 'delta'

/**
 * The types that fp32 values are rounded to: to the nearest, ties to even. A NaN keeps its sign and the top bits of its
 * payload, and becomes quiet.
 */
export type NarrowFormat = 'bf16' | 'fp16'

/**
 * The key that elements are sorted by, such as the exponent of a float: `bits` (1 to 8) bits from bit `shift` on, as a
 * number. The bits are within the element.
 */
export interface GroupKey {
  shift: number
  bits: number
}

/**
 * Splits blocks into byte planes. With n = floor(length / width), output bytes [k * n, (k + 1) * n) are byte k (0 is
 * the lowest) of the n elements. The tail, the bytes after the last whole element, follows unchanged. Between calls, an
 * instance keeps only its regions, which have `REGION_BYTES` each and are never detached. `length` is at most
 * `REGION_BYTES`, else RangeError.
 */
export interface PlanesKernel {
  readonly kind: 'webassembly' | 'javascript'
  readonly input: Uint8Array
  /** As many bytes as the input; only mode `delta` reads them. */
  readonly base: Uint8Array
  readonly output: Uint8Array
  split(width: Width, mode: PlaneMode, length: number): void
  /** Undoes `split` with the same arguments and the same base. */
  join(width: Width, mode: PlaneMode, length: number): void
  /**
   * For `length` bytes from `start` on: subtracts the elements of `base` from those of `input`, maps the differences to
   * unsigned numbers as mode `delta` does, and sorts them by the keys of the base's elements. The sort is stable. The
   * tail of the input follows unchanged. The result goes to the same bytes of `output`. Not for width 1.
   */
  group(width: Width, key: GroupKey, start: number, length: number): void
  /** Undoes `group` with the same arguments and the same base. */
  ungroup(width: Width, key: GroupKey, start: number, length: number): void
  /**
   * Rounds the first `count` fp32 values of `input` and stores them from byte `to` of `base` on. RangeError if too
   * many.
   */
  narrow(format: NarrowFormat, count: number, to: number): void
}

export function assertFits(length: number): void {
  if (!Number.isInteger(length) || length < 0 || length > REGION_BYTES) {
    throw new RangeError(`${length} bytes can't be in a region of ${REGION_BYTES}`)
  }
}

export function assertKey(width: Width, { shift, bits }: GroupKey): void {
  if (!isGroupKey(width, { shift, bits })) throw new RangeError(`bits ${shift} to ${shift + bits} are no key of elements of ${width} bytes`)
}

export function isGroupKey(width: Width, { shift, bits }: GroupKey): boolean {
  return width > 1 && bits >= 1 && bits <= 8 && shift >= 0 && shift + bits <= 8 * width
}

export function assertNarrowFits(count: number, to: number): void {
  for (const bytes of [count, 4 * count, to]) assertFits(bytes)
  assertFits(to + 2 * count)
}

/**
 * The TypeScript twin of the WebAssembly kernel. Tests compare the two, and it runs where there is no WebAssembly or no
 * SIMD. It processes one byte at a time, at any width.
 */
export function javascriptPlanes(): PlanesKernel {
  const input = new Uint8Array(REGION_BYTES)
  const base = new Uint8Array(REGION_BYTES)
  const output = new Uint8Array(REGION_BYTES)
  const element = new Uint8Array(8)
  const copyTail = (width: Width, start: number, length: number): void => {
    const end = start + length
    output.set(input.subarray(end - (length % width), end), end - (length % width))
  }
  const values = new DataView(input.buffer)
  const rounded = new DataView(base.buffer)
  return {
    kind: 'javascript',
    input,
    base,
    output,
    split(width, mode, length) {
      assertFits(length)
      const count = Math.floor(length / width)
      for (let i = 0; i < count; i++) {
        const at = i * width
        for (let k = 0; k < width; k++) element[k] = input[at + k]!
        if (mode === 'rotated') shiftLeft(element, width, element[width - 1]! >> 7)
        if (mode === 'delta') toDifference(element, base, at, width)
        for (let k = 0; k < width; k++) output[k * count + i] = element[k]!
      }
      copyTail(width, 0, length)
    },
    join(width, mode, length) {
      assertFits(length)
      const count = Math.floor(length / width)
      for (let i = 0; i < count; i++) {
        const at = i * width
        for (let k = 0; k < width; k++) element[k] = input[k * count + i]!
        if (mode === 'rotated') shiftRight(element, width, element[0]! & 1)
        if (mode === 'delta') fromDifference(element, base, at, width)
        for (let k = 0; k < width; k++) output[at + k] = element[k]!
      }
      copyTail(width, 0, length)
    },
    group(width, key, start, length) {
      for (const [from, to] of moves(base, width, key, start, length)) {
        element.set(input.subarray(from, from + width))
        toDifference(element, base, from, width)
        output.set(element.subarray(0, width), to)
      }
      copyTail(width, start, length)
    },
    ungroup(width, key, start, length) {
      for (const [to, from] of moves(base, width, key, start, length)) {
        element.set(input.subarray(from, from + width))
        fromDifference(element, base, to, width)
        output.set(element.subarray(0, width), to)
      }
      copyTail(width, start, length)
    },
    narrow(format, count, to) {
      assertNarrowFits(count, to)
      const round = format === 'bf16' ? roundToBf16 : roundToFp16
      for (let i = 0; i < count; i++) rounded.setUint16(to + 2 * i, round(values.getUint32(4 * i, true)), true)
    },
  }
}

/** The byte offsets that `group` moves each element from and to. */
function moves(base: Uint8Array, width: Width, key: GroupKey, start: number, length: number): [from: number, to: number][] {
  assertKey(width, key)
  for (const bytes of [start, length, start + length]) assertFits(bytes)
  const elements = Array.from({ length: Math.floor(length / width) }, (_, i) => start + i * width)
  const keyAt = (at: number): number => {
    const element = base.subarray(at, at + width).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
    return Number((element >> BigInt(key.shift)) & BigInt(2 ** key.bits - 1))
  }
  const keys = new Map(elements.map(at => [at, keyAt(at)]))
  return elements.toSorted((a, b) => keys.get(a)! - keys.get(b)! || a - b).map((from, i) => [from, elements[i]!])
}

const INFINITY = 0x7f800000

/** The bf16 bits of an fp32 value, rounded. */
function roundToBf16(bits: number): number {
  if ((bits & 0x7fffffff) > INFINITY) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** The fp16 bits of an fp32 value, rounded. */
function roundToFp16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > INFINITY) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff)
  const exponent = (magnitude >>> 23) - 112
  if (exponent > 30) return sign | 0x7c00
  // the result counts units in its last place: `significand` / 2^cut of them, rounded
  const significand = exponent > 0 ? magnitude - 112 * 2 ** 23 : (magnitude & 0x7fffff) | 0x800000
  const cut = Math.min(exponent > 0 ? 13 : 14 - exponent, 25)
  const whole = significand >>> cut
  const rest = significand - whole * 2 ** cut
  const half = 2 ** (cut - 1)
  return sign | (rest > half || (rest === half && whole % 2 === 1) ? whole + 1 : whole)
}

function toDifference(element: Uint8Array, base: Uint8Array, at: number, width: number): void {
  subtract(element, base, at, width)
  const negative = element[width - 1]! >> 7
  shiftLeft(element, width, 0)
  if (negative) invert(element, width)
}

function fromDifference(element: Uint8Array, base: Uint8Array, at: number, width: number): void {
  const negative = element[0]! & 1
  shiftRight(element, width, 0)
  if (negative) invert(element, width)
  add(element, base, at, width)
}

/** Shifts one bit up; `low` is the new lowest bit. */
function shiftLeft(element: Uint8Array, width: number, low: number): void {
  for (let k = 0, carry = low; k < width; k++) {
    const byte = element[k]!
    element[k] = (byte << 1) | carry
    carry = byte >> 7
  }
}

/** Shifts one bit down; `high` is the new top bit. */
function shiftRight(element: Uint8Array, width: number, high: number): void {
  for (let k = width - 1, carry = high; k >= 0; k--) {
    const byte = element[k]!
    element[k] = (byte >> 1) | (carry << 7)
    carry = byte & 1
  }
}

function invert(element: Uint8Array, width: number): void {
  for (let k = 0; k < width; k++) element[k] = ~element[k]!
}

function subtract(element: Uint8Array, base: Uint8Array, at: number, width: number): void {
  for (let k = 0, borrow = 0; k < width; k++) {
    const difference = element[k]! - base[at + k]! - borrow
    element[k] = difference
    borrow = difference < 0 ? 1 : 0
  }
}

function add(element: Uint8Array, base: Uint8Array, at: number, width: number): void {
  for (let k = 0, carry = 0; k < width; k++) {
    const sum = element[k]! + base[at + k]! + carry
    element[k] = sum
    carry = sum >> 8
  }
}
