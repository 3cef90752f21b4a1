import type { ZstdName } from '../compression/zstd/codec.ts'
import { type FramePiece, ZSTD_FRAME, type ZstdFrameHeader } from '../compression/zstd/frame.ts'
import { MAX_NATIVE_WINDOW_BYTES, nativeDecoder } from '../compression/zstd/native-zstd.ts'
import { decodePieces, MAX_PORTABLE_WINDOW_BYTES, type Moved } from '../compression/zstd/portable/decode-frame.ts'
import { AppError, corrupt, errnoOf, messageOf } from '../util/errors.ts'
import { pipeThrough } from './byte-stream.ts'
import { decodeStream } from './container.ts'

/** An empty one. It ends a frame that was cut, so that the decoder gives all that came before. */
const LAST_BLOCK: FramePiece = { kind: 'block', isRaw: true, bytes: Uint8Array.of(1, 0, 0) }

/** Blocks go to the native decoder in pieces of at least so many bytes: each piece costs it far more than a byte. */
const PIECE_BYTES = 64 * 1024

/**
 * The plain bytes of one frame of any size, as a stream. `moved` belongs to the archive, and is for the portable codec.
 * Throws `corrupt` when the frame does not decode, or does not match its stated checksum or size; `unsupported` when
 * its window is longer than the codec supports. If `pieces` end too soon, all of them are decoded before the error.
 * Memory: bounded by its window. Time: linear in the lengths of the frame and of its content.
 */
export async function* decodeLongFrame(
  pieces: AsyncIterable<FramePiece>,
  header: ZstdFrameHeader,
  codec: ZstdName,
  moved: Moved,
): AsyncGenerator<Uint8Array> {
  const most = codec === 'native' ? MAX_NATIVE_WINDOW_BYTES : MAX_PORTABLE_WINDOW_BYTES
  if (header.windowSize > most) throw windowTooLong(header.windowSize)
  async function* decoded(stored: AsyncIterable<FramePiece>): AsyncGenerator<Uint8Array> {
    let length = 0
    for await (const plain of codec === 'native' ? decodeNative(stored) : decodePieces(stored, header.windowSize, moved)) {
      length += plain.length
      if (header.contentSize !== undefined && length > header.contentSize) break
      yield plain
    }
    if (header.contentSize !== undefined && length !== header.contentSize)
      throw corrupt(ZSTD_FRAME, `it does not hold the ${header.contentSize} bytes that it states`)
  }
  yield* decodeStream(pieces, decoded, [LAST_BLOCK])
}

function windowTooLong(windowSize: number): AppError {
  const mebibytes = Math.ceil(windowSize / 2 ** 20)
  return new AppError('unsupported', `The archive was compressed with a window of ${mebibytes} MiB, more than can be decoded here.`, {
    hint:
      windowSize > MAX_NATIVE_WINDOW_BYTES
        ? 'Decompress it first: zstd -d --long=31 FILE'
        : 'Use Node.js 22.15 or later, or decompress it first: zstd -d --long=31 FILE',
  })
}

async function* decodeNative(pieces: AsyncIterable<FramePiece>): AsyncGenerator<Uint8Array> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    let waiting: Uint8Array[] = []
    let length = 0
    for await (const piece of pieces) {
      waiting.push(piece.bytes)
      length += piece.bytes.length
      if (length < PIECE_BYTES) continue
      yield Buffer.concat(waiting)
      waiting = []
      length = 0
    }
    yield Buffer.concat(waiting)
  }
  try {
    yield* pipeThrough(bytes(), nativeDecoder())
  } catch (error) {
    throw errnoOf(error)?.startsWith('ZSTD') === true ? corrupt(ZSTD_FRAME, messageOf(error)) : error
  }
}
