import xxhash from 'xxhash-wasm'
import { AppError, corrupt, messageOf } from '../../../util/errors.ts'
import { CHECKSUM_BYTES, checksumOf, type FramePiece, readLittleEndian, withoutChecksum, ZSTD_FRAME } from '../frame.ts'

/** The longest window that `decodePieces` supports: fzstd can't refer back farther. */
export const MAX_PORTABLE_WINDOW_BYTES = 32 * 1024 * 1024

/** Blocks with fewer plain bytes than this, on average, are tiny. Encoders make blocks of up to 128 KiB. */
const TINY_BLOCK_BYTES = 16 * 1024
/** fzstd moves its whole window for each block. Tiny blocks are no matter until it has moved so many bytes. */
const FREE_MOVED_BYTES = 4 * 1024 * 1024 * 1024

/**
 * The plain bytes of one frame of any size, as a stream. Throws `corrupt` when it does not decode or its checksum is
 * wrong, `unsupported` for a long window and very many tiny blocks. So the time is linear in the length of the content.
 */
export async function* decodePieces(pieces: AsyncIterable<FramePiece>, windowSize: number): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd')
  const hash = (await xxhash()).create64()
  const decoded: Uint8Array[] = []
  let [blocks, plainBytes] = [0, 0]
  const decoder = new Decompress(plain => decoded.push(plain))
  const push = (bytes: Uint8Array, final: boolean): Uint8Array[] => {
    try {
      decoder.push(bytes, final)
    } catch (error) {
      throw corrupt(ZSTD_FRAME, messageOf(error))
    }
    blocks += decoded.length
    const plain = decoded.splice(0).filter(({ length }) => length > 0)
    for (const piece of plain) {
      plainBytes += piece.length
      hash.update(piece)
    }
    if (blocks * windowSize > FREE_MOVED_BYTES && blocks * TINY_BLOCK_BYTES > plainBytes) throw tinyBlocks()
    return plain
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

function tinyBlocks(): AppError {
  return new AppError(
    'unsupported',
    'The archive was compressed in very many tiny blocks with a long window, which can hardly be decoded here.',
    {
      hint: 'Use Node.js 22.15 or later, or decompress it first: zstd -d FILE',
    },
  )
}
