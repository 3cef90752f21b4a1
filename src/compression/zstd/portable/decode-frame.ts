import xxhash from 'xxhash-wasm'
import { AppError, corrupt, messageOf } from '../../../util/errors.ts'
import { CHECKSUM_BYTES, checksumOf, type FramePiece, readLittleEndian, withoutChecksum, ZSTD_FRAME } from '../frame.ts'

/** The longest window that `decodePieces` supports: fzstd can't refer back farther. */
export const MAX_PORTABLE_WINDOW_BYTES = 32 * 1024 * 1024

/** fzstd moves its whole window for each block. These bytes (about a second) are moved for any frame. */
const MOVED_FOR_ALL = 2 ** 33
/** Bytes that may be moved for each plain byte. With the longest window blocks of 128 KiB need 256. */
const MOVED_PER_BYTE = 4096

/**
 * The plain bytes of one frame of any size, as a stream. Throws `corrupt` when it does not decode or its checksum is
 * wrong; `unsupported` when its blocks are so small for its window that fzstd can hardly decode it. Time: linear in the
 * plain bytes.
 */
export async function* decodePieces(pieces: AsyncIterable<FramePiece>, windowSize: number): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd')
  const hash = (await xxhash()).create64()
  const decoded: Uint8Array[] = []
  const decoder = new Decompress(plain => decoded.push(plain))
  let moved = 0
  const push = (bytes: Uint8Array, final: boolean): Uint8Array[] => {
    try {
      decoder.push(bytes, final)
    } catch (error) {
      throw corrupt(ZSTD_FRAME, messageOf(error))
    }
    const plain = decoded.splice(0)
    for (const piece of plain) {
      hash.update(piece)
      moved += windowSize - MOVED_PER_BYTE * piece.length
    }
    if (moved > MOVED_FOR_ALL) throw blocksTooSmall()
    return plain.filter(({ length }) => length > 0)
  }
  let expected: number | undefined
  // fzstd keeps every input that ends exactly with a block until the end of the frame. So each piece goes in without
  // its last byte, which comes with the next one.
  let lastByte = new Uint8Array(0)
  for await (const { kind, bytes } of pieces) {
    if (kind === 'checksum') expected = readLittleEndian(bytes, 0, CHECKSUM_BYTES)
    else {
      // fzstd does not support checksums, so it gets a frame without one
      const next = kind === 'header' ? withoutChecksum(bytes) : bytes
      yield* push(Buffer.concat([lastByte, next.subarray(0, -1)]), false)
      lastByte = next.slice(-1)
    }
  }
  yield* push(lastByte, true)
  if (expected !== undefined && checksumOf(hash.digest()) !== expected) throw corrupt(ZSTD_FRAME, 'its checksum is wrong')
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
