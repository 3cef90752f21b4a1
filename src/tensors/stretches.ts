import { toHex } from '../util/hash.ts'
import type { ByteSource } from './tensor.ts'

/** A part of two tensors, in bytes from their starts. */
export interface Stretch {
  start: number
  length: number
}

/** A chunk in a source. */
interface HashedChunk {
  offset: number
  length: number
  /** In hex. */
  id: string
  /** The id that other bytes would have. Equal bytes have equal ids. */
  idOf: (bytes: Uint8Array) => Uint8Array
}

/** A source that may know the chunk ids of its bytes, which are hashes. Two that do are of one repository. */
export interface HashedSource extends ByteSource {
  chunksOf?(offset: number, length: number): HashedChunk[]
}

/** A position in a source: `start` is the offset of the first byte. */
export interface SourcePosition {
  source: HashedSource
  start: number
}

/**
 * The stretches of `length` bytes in two sources that may differ. Chunks with equal hashes at equal offsets are equal.
 * If only one side has hashes, the bytes of the other side are read and hashed; nothing else is read. Ascending;
 * adjacent stretches are joined.
 */
export async function unequalStretches(a: SourcePosition, b: SourcePosition, length: number): Promise<Stretch[]> {
  const [left, right] = a.source.chunksOf === undefined ? [b, a] : [a, b]
  if (left.source.chunksOf === undefined) return [{ start: 0, length }]
  const theirs = right.source.chunksOf?.(right.start, length)
  const byPlace = new Map(theirs?.map(chunk => [chunk.offset - right.start, chunk.id]))
  const stretches: Stretch[] = []
  for (const chunk of left.source.chunksOf(left.start, length)) {
    const at = chunk.offset - left.start
    const id = theirs === undefined ? await idAt(right, at, chunk) : byPlace.get(at)
    if (id === chunk.id) continue
    const start = Math.max(0, at)
    const end = Math.min(length, at + chunk.length)
    const last = stretches.at(-1)
    if (last && last.start + last.length === start) last.length = end - last.start
    else stretches.push({ start, length: end - start })
  }
  return stretches
}

/** The id of the bytes where a chunk of the other side is. Undefined outside the source. */
async function idAt({ source, start }: SourcePosition, at: number, { length, idOf }: HashedChunk): Promise<string | undefined> {
  if (start + at < 0 || start + at + length > source.size) return undefined
  return toHex(idOf(await source.read(start + at, length)))
}
