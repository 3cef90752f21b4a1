/*
 * Protocol buffers (https://protobuf.dev/programming-guides/encoding/), without a schema: the fields of a message, one
 * after the other. A message inside another one is a field of bytes.
 */

import { type ReadAt, refuse } from './span.ts'

export const VARINT = 0
const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

export interface Field {
  number: number
  wire: number
  /** Of a varint: its value; not exact, and thus no safe integer, beyond 2^53. */
  value: number
  /** The place of its content. */
  offset: number
  length: number
}

const MAX_VARINT_BYTES = 10
/** The longest tag and the longest varint after it. */
const MAX_HEAD_BYTES = 2 * MAX_VARINT_BYTES
/** A jump reads a short window, going on reads longer and longer ones. */
const FIRST_WINDOW_BYTES = 1024
const MAX_WINDOW_BYTES = 64 * 1024
const MAX_WINDOWS_BYTES = 64 * 1024 * 1024

/**
 * Reads fields of a file in ascending order. What they hold is not read unless it is asked for: a message by its own
 * fields, a text by `text`. Reads the bytes between contents of more than a kilobyte about once, and at most 64 MiB.
 */
export class ProtobufFile {
  readonly size: number
  private readonly read: ReadAt
  private window: Buffer = Buffer.alloc(0)
  private start = 0
  private length = FIRST_WINDOW_BYTES
  private total = 0

  constructor(size: number, read: ReadAt) {
    this.size = size
    this.read = read
  }

  /** The fields of the message that fills the bytes [offset, end). Go on only after looking into the last one. */
  async *fields(offset: number, end: number): AsyncGenerator<Field, void> {
    while (offset < end) {
      const head = await this.bytes(offset, Math.min(MAX_HEAD_BYTES, end - offset))
      const field = readField(head, 0, offset, end)
      yield field
      offset = field.offset + field.length
    }
  }

  /** A text of at most `most` bytes. */
  async text({ wire, offset, length }: Field, most: number): Promise<string> {
    if (wire !== BYTES) refuse('a text is none')
    if (length > most) refuse('a text is absurdly long')
    return (await this.bytes(offset, length)).toString('utf8')
  }

  /** At most `most` packed numbers: they have no tags. */
  async varints({ wire, offset, length }: Field, most: number): Promise<number[]> {
    if (wire !== BYTES || length > most * MAX_VARINT_BYTES) refuse('numbers are absurdly many')
    const bytes = await this.bytes(offset, length)
    const values: number[] = []
    for (let at = 0; at < length;) {
      const { value, length: taken } = readVarint(bytes, at)
      values.push(value)
      at += taken
    }
    return values
  }

  private async bytes(offset: number, length: number): Promise<Buffer> {
    const at = offset - this.start
    if (at < 0 || at + length > this.window.length) {
      const goesOn = at >= 0 && at <= this.window.length
      this.length = goesOn ? Math.min(2 * this.length, MAX_WINDOW_BYTES) : FIRST_WINDOW_BYTES
      const wanted = Math.min(Math.max(this.length, length), this.size - offset)
      this.total += wanted
      if (this.total > MAX_WINDOWS_BYTES) refuse('its headers are too large')
      this.window = Buffer.from(await this.read(offset, wanted))
      this.start = offset
    }
    const from = offset - this.start
    return from + length <= this.window.length ? this.window.subarray(from, from + length) : refuse('it is shorter than stated')
  }
}

/** The fields of a message in memory. */
export function* fieldsIn(bytes: Uint8Array): Generator<Field, void> {
  for (let at = 0; at < bytes.length;) {
    const field = readField(bytes, at, at, bytes.length)
    yield field
    at = field.offset + field.length
  }
}

/** The field whose head begins at `at` of `bytes`, which is `offset` of what it lies in; that ends at `end`. */
function readField(bytes: Uint8Array, at: number, offset: number, end: number): Field {
  const tag = readVarint(bytes, at)
  const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8]
  if (number < 1 || number >= 2 ** 29) refuse('a field has no number')
  const next = offset + tag.length
  if (wire === VARINT) {
    const { value, length } = readVarint(bytes, at + tag.length)
    return { number, wire, value, offset: next, length }
  }
  let place = { offset: next, length: wire === FIXED64 ? 8 : wire === FIXED32 ? 4 : refuseUnless(wire === BYTES) }
  if (wire === BYTES) {
    const stated = readVarint(bytes, at + tag.length)
    place = { offset: next + stated.length, length: stated.value }
  }
  if (place.offset + place.length > end) refuse('a field is longer than its message')
  return { number, wire, value: 0, ...place }
}

function refuseUnless(holds: boolean): number {
  return holds ? 0 : refuse('a field has an unknown kind')
}

function readVarint(bytes: Uint8Array, at: number): { value: number; length: number } {
  let value = 0
  for (let length = 1, scale = 1; length <= MAX_VARINT_BYTES; length++, scale *= 128) {
    const byte = bytes[at + length - 1] ?? refuse('a number has no end')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return { value, length }
  }
  return refuse('a number is too long')
}
