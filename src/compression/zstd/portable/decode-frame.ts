import xxhash from 'xxhash-wasm'
import { corrupt, messageOf } from '../../../util/errors.ts'
import { CHECKSUM_BYTES, checksumOf, type FramePiece, readLittleEndian, withoutChecksum, ZSTD_FRAME } from '../frame.ts'

/** The longest window that `decodePieces` supports: fzstd can't refer back farther. */
export const MAX_PORTABLE_WINDOW_BYTES = 32 * 1024 * 1024

/**
 * The plain bytes of one frame of any size, as a stream. Throws `corrupt` when it does not decode or its checksum is
 * wrong.
 */
export async function* decodePieces(pieces: AsyncIterable<FramePiece>): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd')
  const hash = (await xxhash()).create64()
  const decoded: Uint8Array[] = []
  const decoder = new Decompress(plain => decoded.push(plain))
  const push = (bytes: Uint8Array, final: boolean): Uint8Array[] => {
    try {
      decoder.push(bytes, final)
    } catch (error) {
      throw corrupt(ZSTD_FRAME, messageOf(error))
    }
    const plain = decoded.splice(0).filter(({ length }) => length > 0)
    for (const piece of plain) hash.update(piece)
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
