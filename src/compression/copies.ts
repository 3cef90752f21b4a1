import { ByteReader, ByteWriter } from '../util/bytes.ts'
import { corrupt } from '../util/errors.ts'
import { type Copy, findCopies } from './find-copies.ts'
import { MAX_BLOCK_BYTES } from './limits.ts'

/** The numbers of copies, as they are stored. */
interface CopyNumbers {
  /** For each copy a varint: how many literals come right before it. Those after the last copy are in none. */
  gaps: Uint8Array
  /** For each copy a varint: its length. */
  lengths: Uint8Array
  /** For each copy a varint: how many bytes before it its source begins. A source may overlap its copy. */
  distances: Uint8Array
}

/** Bytes of which long repeats were taken out. */
export interface Copies extends CopyNumbers {
  /** What is left, in its order, in pieces of `MAX_BLOCK_BYTES`; the last may be shorter. Made when it is asked for. */
  literals: Iterable<Uint8Array>
}

/** Copies pay if they make this share of the bytes, at least. */
const MIN_SHARE = 0.05

/** Stands where a long block has none: no piece is empty. */
const NO_COPY: Copy = { start: 1, length: 0, distance: 1 }

/**
 * Takes long repeats out of up to 16 MiB, at any distance: codecs at low levels miss most of those that are far away.
 * Undefined if there are too few in what would also do without. Time: linear, about 2 ns a byte.
 */
export function takeCopies(plain: Uint8Array): Copies | undefined {
  const found = findCopies(plain)
  const copied = found.reduce((sum, { length }) => sum + length, 0)
  if (plain.length <= MAX_BLOCK_BYTES && copied < MIN_SHARE * plain.length) return undefined
  const copies = found.length > 0 ? found : [NO_COPY]
  const [gaps, lengths, distances] = [new ByteWriter(), new ByteWriter(), new ByteWriter()]
  let from = 0
  for (const { start, length, distance } of copies) {
    gaps.varint(start - from)
    lengths.varint(length)
    distances.varint(distance)
    from = start + length
  }
  return {
    literals: literalsOf(plain, copies, plain.length - copied),
    gaps: gaps.finish(),
    lengths: lengths.finish(),
    distances: distances.finish(),
  }
}

function* literalsOf(plain: Uint8Array, copies: readonly Copy[], length: number): Generator<Uint8Array> {
  let left = length
  let piece = new Uint8Array(Math.min(left, MAX_BLOCK_BYTES))
  let used = 0
  let from = 0
  for (const { start, length } of [...copies, { start: plain.length, length: 0 }]) {
    while (from < start) {
      const taken = plain.subarray(from, Math.min(start, from + piece.length - used))
      piece.set(taken, used)
      used += taken.length
      from += taken.length
      if (used < piece.length) continue
      yield piece
      left -= used
      used = 0
      piece = new Uint8Array(Math.min(left, MAX_BLOCK_BYTES))
    }
    from = start + length
  }
}

const SUBJECT = 'A block'

/**
 * Undoes `takeCopies`. The pieces of literals may have any lengths; each is asked for when the one before is used up.
 * Throws `corrupt` unless the result has exactly `plainLength` bytes. Time: linear in the lengths of what is given and
 * in `plainLength`.
 */
export function applyCopies({ literals, gaps, lengths, distances }: Copies, plainLength: number): Uint8Array {
  const plain = new Uint8Array(plainLength)
  const [gap, copied, back] = [gaps, lengths, distances].map(bytes => new ByteReader(bytes, SUBJECT)) as [
    ByteReader,
    ByteReader,
    ByteReader,
  ]
  const pieces = literals[Symbol.iterator]()
  let piece: Uint8Array = new Uint8Array(0)
  let at = 0
  const putLiterals = (count: number): void => {
    const end = at + count
    while (at < end) {
      if (piece.length === 0) {
        const next = pieces.next()
        if (next.done === true) throw corrupt(SUBJECT, 'its copies and literals do not fill it')
        piece = next.value
      }
      const taken = piece.subarray(0, end - at)
      plain.set(taken, at)
      at += taken.length
      piece = piece.subarray(taken.length)
    }
  }
  while (gap.remaining > 0) {
    const count = gap.varint(plainLength - at)
    const length = copied.varint(plainLength)
    const distance = back.varint(plainLength)
    const start = at + count
    if (start + length > plainLength || distance === 0 || distance > start) throw corrupt(SUBJECT, 'a copy lies outside it')
    putLiterals(count)
    at = start + length
    if (distance >= length) plain.copyWithin(start, start - distance, at - distance)
    else for (let i = start; i < at; i++) plain[i] = plain[i - distance]!
  }
  copied.finish()
  back.finish()
  putLiterals(plainLength - at)
  if (piece.length > 0 || pieces.next().done !== true) throw corrupt(SUBJECT, 'it has more literals than it uses')
  return plain
}
