import type { Duplex } from 'node:stream'
import * as zlib from 'node:zlib'
import xxhash from 'xxhash-wasm'
import type { ZstdFrameHeader } from '../compression/zstd-frame.ts'
import type { ZstdName } from '../compression/zstd.ts'
import { AppError, corrupt, errnoOf, messageOf } from '../util/errors.ts'
import { through } from './byte-stream.ts'
import { CHECKSUM_BYTES, checksumOf, readLittleEndian, type FramePiece } from './zstd-frames.ts'

const WHAT = 'A zstd frame'
/** What node:zlib decodes: windows up to that of `zstd --long=27`. */
const MAX_NATIVE_WINDOW_BYTES = 128 * 1024 * 1024
/** fzstd refers back no farther than that. */
const MAX_PORTABLE_WINDOW_BYTES = 32 * 1024 * 1024
const HAS_CHECKSUM = 0x04

/**
 * The plain bytes of one frame of any size, as a stream; its window bounds the memory. Throws `corrupt` when the frame
 * does not decode, or its checksum or size is wrong; `unsupported` when its window is too long for the codec.
 */
export async function* decodeLongFrame(
  pieces: AsyncIterable<FramePiece>,
  header: ZstdFrameHeader,
  codec: ZstdName,
): AsyncGenerator<Uint8Array> {
  const most = codec === 'native' ? MAX_NATIVE_WINDOW_BYTES : MAX_PORTABLE_WINDOW_BYTES
  if (header.windowSize > most) throw windowTooLong(header.windowSize, codec)
  let length = 0
  for await (const plain of codec === 'native' ? decodeNative(pieces) : decodePortable(pieces)) {
    length += plain.length
    if (header.contentSize !== undefined && length > header.contentSize) break
    yield plain
  }
  if (header.contentSize !== undefined && length !== header.contentSize)
    throw corrupt(WHAT, `it does not hold the ${header.contentSize} bytes that it states`)
}

function windowTooLong(windowSize: number, codec: ZstdName): AppError {
  const mebibytes = Math.ceil(windowSize / 2 ** 20)
  return new AppError('unsupported', `The archive was compressed with a window of ${mebibytes} MiB, more than can be decoded here.`, {
    hint:
      codec === 'native'
        ? 'Decompress it first: zstd -d --long=31 FILE'
        : 'Use Node.js 22.15 or later, or decompress it first: zstd -d --long=31 FILE',
  })
}

/** The part of node:zlib that Node 20 and its type definitions lack. */
interface NativeZstd {
  createZstdDecompress(): Duplex
}

async function* decodeNative(pieces: AsyncIterable<FramePiece>): AsyncGenerator<Uint8Array> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) yield piece.bytes
  }
  try {
    yield* through(bytes(), (zlib as unknown as NativeZstd).createZstdDecompress())
  } catch (error) {
    throw errnoOf(error)?.startsWith('ZSTD') === true ? corrupt(WHAT, messageOf(error)) : error
  }
}

/** fzstd does not look at checksums, so it gets a frame without one. */
async function* decodePortable(pieces: AsyncIterable<FramePiece>): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd')
  const hash = (await xxhash()).create64()
  const decoded: Uint8Array[] = []
  const decoder = new Decompress(plain => decoded.push(plain))
  const push = (bytes: Uint8Array, final: boolean): Uint8Array[] => {
    try {
      decoder.push(bytes, final)
    } catch (error) {
      throw corrupt(WHAT, messageOf(error))
    }
    const plain = decoded.splice(0).filter(({ length }) => length > 0)
    for (const piece of plain) hash.update(piece)
    return plain
  }
  let expected: number | undefined
  // fzstd keeps an input that ends exactly with a block until the end of the frame. So each input goes in without its
  // last byte, which comes with the next one.
  let held = new Uint8Array(0)
  for await (const { kind, bytes } of pieces) {
    if (kind === 'checksum') expected = readLittleEndian(bytes, 0, CHECKSUM_BYTES)
    else {
      const next = kind === 'header' ? withoutChecksum(bytes) : bytes
      yield* push(Buffer.concat([held, next.subarray(0, -1)]), false)
      held = next.slice(-1)
    }
  }
  yield* push(held, true)
  if (expected !== undefined && checksumOf(hash.digest()) !== expected) throw corrupt(WHAT, 'its checksum is wrong')
}

function withoutChecksum(header: Uint8Array): Uint8Array {
  const copy = header.slice()
  copy[4]! &= ~HAS_CHECKSUM
  return copy
}
