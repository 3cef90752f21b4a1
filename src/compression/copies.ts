import { gearTable } from '../kernels/fastcdc.ts'
import { ByteReader, ByteWriter } from '../util/bytes.ts'
import { corrupt } from '../util/errors.ts'

/** Bytes of which long repeats were taken out. */
export interface Copies {
  /** What is left, in its order. */
  literals: Uint8Array
  /** For each copy a varint: how many literals come right before it. Those after the last copy are in none. */
  gaps: Uint8Array
  /** For each copy a varint: its length. */
  lengths: Uint8Array
  /** For each copy a varint: how many bytes before it its source begins. A source may overlap its copy. */
  distances: Uint8Array
}

/** A shorter repeat is left to the codec of the literals, which finds most of those that are near. */
const MIN_COPY = 48
const MIN_NEAR_COPY = 128
const NEAR = 128 * 1024
/** The hash at a place is that of the last 32 bytes. One place in 32 counts: these top bits of its hash are zero. */
const ANCHOR_BITS = 5
const TABLE_BITS = 16
/** Copies pay if they make this share of the bytes, at least. */
const MIN_SHARE = 0.05

/** The last place + 1 at which a hash was seen. */
const places = new Int32Array(1 << TABLE_BITS)

/**
 * Takes long repeats out of up to 4 MiB, at any distance: codecs at low levels miss most of those that are far away.
 * Undefined if there are too few. Time: linear, about 4 ns a byte.
 */
export function takeCopies(plain: Uint8Array): Copies | undefined {
  const copies = findCopies(plain)
  const copied = copies.reduce((sum, { length }) => sum + length, 0)
  if (copied < MIN_SHARE * plain.length) return undefined
  const literals = new Uint8Array(plain.length - copied)
  const [gaps, lengths, distances] = [new ByteWriter(), new ByteWriter(), new ByteWriter()]
  let from = 0
  let at = 0
  for (const { start, length, distance } of copies) {
    literals.set(plain.subarray(from, start), at)
    at += start - from
    gaps.varint(start - from)
    lengths.varint(length)
    distances.varint(distance)
    from = start + length
  }
  literals.set(plain.subarray(from), at)
  return { literals, gaps: gaps.finish(), lengths: lengths.finish(), distances: distances.finish() }
}

interface Copy {
  start: number
  length: number
  distance: number
}

function findCopies(plain: Uint8Array): Copy[] {
  const gear = gearTable()
  const copies: Copy[] = []
  places.fill(0)
  let hash = 0
  let covered = 0
  for (let at = 0; at < plain.length; at++) {
    hash = ((hash << 1) + gear[plain[at]!]!) | 0
    if (hash >>> (32 - ANCHOR_BITS) !== 0) continue
    const slot = Math.imul(hash, 0x9e3779b1) >>> (32 - TABLE_BITS)
    const before = places[slot]! - 1
    places[slot] = at + 1
    if (before < 0 || at < covered) continue
    let end = at
    while (end < plain.length && plain[end] === plain[end - at + before]) end++
    let start = at
    while (start > covered && start - at + before > 0 && plain[start - 1] === plain[start - 1 - at + before]) start--
    if (end - start < (at - before < NEAR ? MIN_NEAR_COPY : MIN_COPY)) continue
    copies.push({ start, length: end - start, distance: at - before })
    covered = end
  }
  return copies
}

const SUBJECT = 'A block'

/**
 * Undoes `takeCopies`. Throws `corrupt` unless the result has exactly `plainLength` bytes. Time: linear in the
 * lengths of what is given and in `plainLength`.
 */
export function applyCopies({ literals, gaps, lengths, distances }: Copies, plainLength: number): Uint8Array {
  const plain = new Uint8Array(plainLength)
  const [gap, copied, back] = [gaps, lengths, distances].map(bytes => new ByteReader(bytes, SUBJECT)) as [
    ByteReader,
    ByteReader,
    ByteReader,
  ]
  let from = 0
  let at = 0
  while (gap.remaining > 0) {
    const count = gap.varint(literals.length - from)
    const length = copied.varint(plainLength)
    const distance = back.varint(plainLength)
    const start = at + count
    if (start + length > plainLength || distance === 0 || distance > start) throw corrupt(SUBJECT, 'a copy lies outside it')
    plain.set(literals.subarray(from, from + count), at)
    from += count
    at = start + length
    if (distance >= length) plain.copyWithin(start, start - distance, at - distance)
    else for (let i = start; i < at; i++) plain[i] = plain[i - distance]!
  }
  copied.finish()
  back.finish()
  if (literals.length - from !== plainLength - at) throw corrupt(SUBJECT, 'its copies and literals do not fill it')
  plain.set(literals.subarray(from), at)
  return plain
}
