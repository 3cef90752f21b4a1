import { corrupt } from './errors.ts'
import { plural } from './words.ts'

/**
 * Reads a byte array from front to back. Every read checks its bounds first, so a hostile length can neither overrun
 * nor allocate.
 */
export class ByteReader {
  bytes: Uint8Array
  readonly subject: string
  position: number
  end: number

  constructor(bytes: Uint8Array, subject: string, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.subject = subject
    this.position = start
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }

  fail(why: string): never {
    throw corrupt(this.subject, why)
  }

  private need(count: number): void {
    if (count > this.remaining) this.fail(`it ends ${plural(count - this.remaining, 'byte')} too early`)
  }

  byte(): number {
    this.need(1)
    return this.bytes[this.position++]!
  }

  /** A view, not a copy. */
  take(count: number): Uint8Array {
    this.need(count)
    const view = this.bytes.subarray(this.position, this.position + count)
    this.position += count
    return view
  }

  /**
   * Unsigned LEB128 in its shortest form, at most `max` (<= 2^53 - 1). The caller's `max` is the largest plausible
   * value.
   */
  varint(max: number): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0 && i > 0) this.fail('a number is not in its shortest form')
        if (value > max) this.fail(`a number (${value}) exceeds its limit of ${max}`)
        return value
      }
      scale *= 128
    }
    return this.fail('a number is too long')
  }

  /** A count of items of at least `minBytes` each. Rejects a count that the remaining bytes can't hold. */
  count(minBytes: number, max: number): number {
    const value = this.varint(max)
    if (value * minBytes > this.remaining)
      this.fail(`a count (${value}) exceeds what the remaining ${plural(this.remaining, 'byte')} can hold`)
    return value
  }

  expect(expected: Uint8Array, why: string): void {
    const got = this.take(expected.length)
    for (let i = 0; i < expected.length; i++) if (got[i] !== expected[i]) this.fail(why)
  }

  finish(): void {
    if (this.remaining !== 0) this.fail(`${plural(this.remaining, 'byte is', 'bytes are')} left over`)
  }
}

/** Grows as needed; `varint` is unsigned LEB128. */
export class ByteWriter {
  private buffer: Uint8Array
  length = 0

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity)
  }

  private reserve(count: number): void {
    if (this.length + count <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + count))
    grown.set(this.buffer.subarray(0, this.length))
    this.buffer = grown
  }

  byte(value: number): void {
    this.reserve(1)
    this.buffer[this.length++] = value
  }

  put(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned integer: ${value}`)
    while (value >= 128) {
      this.byte((value % 128) | 0x80)
      value = Math.floor(value / 128)
    }
    this.byte(value)
  }

  /** The bytes written so far: a view, valid until the next write. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length)
  }
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
