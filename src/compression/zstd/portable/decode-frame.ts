import { AppError, corrupt, messageOf } from '../../../util/errors.ts'
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  checksumOf,
  type FramePiece,
  MAX_FRAME_BLOCK_BYTES,
  readLittleEndian,
  withoutChecksum,
  withShorterWindow,
  ZSTD_FRAME,
} from '../frame.ts'
import { loadXxhash } from '../xxhash.ts'

/** The longest window that `decodePieces` supports: fzstd can't refer back farther. */
export const MAX_PORTABLE_WINDOW_BYTES = 32 * 1024 * 1024
/** No header can state a shorter one. */
const SHORTEST_WINDOW_BYTES = 1024

/** fzstd moves its whole window for each block. These bytes (about a second) are moved for any archive. */
const MOVED_FOR_ALL = 2 ** 33
/** Bytes that may be moved for each plain byte. With the longest window blocks of 128 KiB need 256. */
const MOVED_PER_BYTE = 4096
/** Pieces that are looked at before the first is decoded: a frame that has no more needs no long window. */
const LOOKED_AT = 10

/** Bytes that were moved for the frames of an archive, without those that their plain bytes explain. */
export interface Moved {
  bytes: number
}

/**
 * The plain bytes of one frame of any size, as a stream. `moved` is counted over all frames of an archive. Throws
 * `corrupt` when it does not decode or its checksum is wrong; `unsupported` when blocks are so small for their windows
 * that fzstd can hardly decode them. Time: linear in the stored and the plain bytes.
 */
export async function* decodePieces(pieces: AsyncIterable<FramePiece>, windowSize: number, moved: Moved): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd')
  const { all, most } = await lookAhead(pieces)
  const window = Math.min(windowSize, Math.max(most, SHORTEST_WINDOW_BYTES))
  moved.bytes += window
  const hash = (await loadXxhash()).create64()
  const decoded: Uint8Array[] = []
  const decoder = new Decompress(plain => decoded.push(plain))
  const push = (bytes: Uint8Array, final: boolean): Uint8Array[] => {
    try {
      decoder.push(bytes, final)
    } catch (error) {
      throw corrupt(ZSTD_FRAME, messageOf(error))
    }
    const plain = decoded.splice(0)
    for (const piece of plain) {
      hash.update(piece)
      moved.bytes += window - MOVED_PER_BYTE * piece.length
    }
    if (moved.bytes > MOVED_FOR_ALL) throw blocksTooSmall()
    return plain.filter(({ length }) => length > 0)
  }
  let expected: number | undefined
  // fzstd keeps every input that ends exactly with a block until the end of the frame. So each piece goes in without
  // its last byte, which comes with the next one.
  let lastByte = new Uint8Array(0)
  for await (const { kind, bytes } of all) {
    if (kind === 'checksum') expected = readLittleEndian(bytes, 0, CHECKSUM_BYTES)
    else {
      // fzstd does not support checksums, so it gets a frame without one
      const next = kind === 'header' ? withoutChecksum(withShorterWindow(bytes, window)) : bytes
      yield* push(Buffer.concat([lastByte, next.subarray(0, -1)]), false)
      lastByte = next.slice(-1)
    }
  }
  yield* push(lastByte, true)
  if (expected !== undefined && checksumOf(hash.digest()) !== expected) throw corrupt(ZSTD_FRAME, 'its checksum is wrong')
}

/** All pieces, and the most plain bytes that they can have: Infinity if there are many of them. */
async function lookAhead(pieces: AsyncIterable<FramePiece>): Promise<{ all: AsyncIterable<FramePiece>; most: number }> {
  const iterator = pieces[Symbol.asyncIterator]()
  const first: FramePiece[] = []
  let most = 0
  while (first.length < LOOKED_AT) {
    const next = await iterator.next()
    if (next.done === true) return { all: inOrder(first, iterator), most }
    first.push(next.value)
    most += mostPlainBytes(next.value)
  }
  return { all: inOrder(first, iterator), most: Infinity }
}

function mostPlainBytes(piece: FramePiece): number {
  if (piece.kind !== 'block') return 0
  return piece.isRaw ? piece.bytes.length - BLOCK_HEADER_BYTES : MAX_FRAME_BLOCK_BYTES
}

async function* inOrder(first: readonly FramePiece[], rest: AsyncIterator<FramePiece>): AsyncGenerator<FramePiece> {
  yield* first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}

function blocksTooSmall(): AppError {
  return new AppError(
    'unsupported',
    'The archive consists of very many tiny blocks with a long window, which can hardly be decoded here.',
    {
      hint: 'Use Node.js 22.15 or later, or decompress it first: zstd -d FILE',
    },
  )
}
