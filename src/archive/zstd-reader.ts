import { FILTER_NONE } from '../compression/block.ts'
import { CODEC_ZSTD } from '../compression/codecs.ts'
import { MAX_BLOCK_BYTES, MAX_STORED_EXCESS } from '../compression/limits.ts'
import type { CompressionPool } from '../compression/pool.ts'
import type { ZstdName } from '../compression/zstd/codec.ts'
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  checksumOf,
  type FramePiece,
  MAX_FRAME_BLOCK_BYTES,
  MAX_HEADER_BYTES,
  parseBlockHeader,
  parseFrameHeader,
  readLittleEndian,
  SMALL_WINDOW_BYTES,
  ZSTD_FRAME,
  type ZstdFrameHeader,
} from '../compression/zstd/frame.ts'
import type { Moved } from '../compression/zstd/portable/decode-frame.ts'
import { loadXxhash } from '../compression/zstd/xxhash.ts'
import { AppError, corrupt } from '../util/errors.ts'
import { ByteQueue, type ByteStream } from './byte-stream.ts'
import { decodeLongFrame } from './zstd-long-frame.ts'

const SKIPPABLE = 0x184d2a50
/** No encoder makes a longer small frame. This many bytes are buffered at a time. */
const MAX_SMALL_STORED_BYTES = MAX_BLOCK_BYTES + 256 * 1024
const MAX_SMALL_PIECES = 65_536

/**
 * The plain bytes of a .zst file of any number of frames. Small frames that state their size, as `compressZstd` makes
 * them, are decoded in parallel in the pool; others as a stream. Throws `corrupt` for damaged or truncated input,
 * `unsupported` for frames that need a dictionary or too long a window. Time: linear in the stored and the plain
 * bytes. Memory: a window, and a few small frames for each thread.
 */
export async function* decompressZstd(bytes: ByteStream, pool: CompressionPool, codec: ZstdName): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(bytes)
  const waiting: Promise<Uint8Array>[] = []
  const moved: Moved = { bytes: 0 }
  try {
    while (await input.fill(1)) {
      if (await skipFrame(input)) continue
      const header = await readHeader(input)
      if (isSmall(header)) {
        const decoded = decodeSmallFrame(await collectFrame(input, header), header, pool, codec, moved)
        // its error is thrown when its result is awaited
        decoded.catch(() => undefined)
        waiting.push(decoded)
        if (waiting.length > pool.workers) yield await waiting.shift()!
      } else {
        while (waiting.length > 0) yield await waiting.shift()!
        yield* decodeLongFrame(framePieces(input, header), header, codec, moved)
      }
    }
    for (const decoded of waiting) yield await decoded
  } finally {
    await input.close()
  }
}

/** Skips the next frame and returns true if it is a skippable one; else returns false. */
async function skipFrame(input: ByteQueue): Promise<boolean> {
  if (!(await input.fill(4))) throw cutOff()
  if ((readLittleEndian(input.peek(4), 0, 4) & ~0xf) >>> 0 !== SKIPPABLE) return false
  if (!(await input.fill(8))) throw cutOff()
  if (!(await input.skip(readLittleEndian(input.take(8), 4, 4)))) throw cutOff()
  return true
}

async function readHeader(input: ByteQueue): Promise<ZstdFrameHeader> {
  await input.fill(MAX_HEADER_BYTES)
  const header = parseFrameHeader(input.peek(MAX_HEADER_BYTES))
  if (header.dictionaryId !== 0)
    throw new AppError('unsupported', 'The archive was compressed with a zstd dictionary, which it does not contain.', {
      hint: 'Decompress it with that dictionary first: zstd -d -D DICTIONARY FILE',
    })
  return header
}

function isSmall({ contentSize, windowSize }: ZstdFrameHeader): boolean {
  return contentSize !== undefined && contentSize <= MAX_BLOCK_BYTES && windowSize <= SMALL_WINDOW_BYTES
}

async function* framePieces(input: ByteQueue, header: ZstdFrameHeader): AsyncGenerator<FramePiece> {
  yield { kind: 'header', bytes: input.take(header.headerLength) }
  for (let ended = false; !ended;) {
    if (!(await input.fill(BLOCK_HEADER_BYTES))) throw cutOff()
    const { kind, size, storedLength, isLast } = parseBlockHeader(input.peek(BLOCK_HEADER_BYTES))
    ended = isLast
    if (size > MAX_FRAME_BLOCK_BYTES) throw corrupt(ZSTD_FRAME, 'a block is larger than blocks can be')
    if (!(await input.fill(BLOCK_HEADER_BYTES + storedLength))) throw cutOff()
    yield { kind: 'block', isRaw: kind === 'raw', bytes: input.take(BLOCK_HEADER_BYTES + storedLength) }
  }
  if (!header.hasChecksum) return
  if (!(await input.fill(CHECKSUM_BYTES))) throw cutOff()
  yield { kind: 'checksum', bytes: input.take(CHECKSUM_BYTES) }
}

async function collectFrame(input: ByteQueue, header: ZstdFrameHeader): Promise<FramePiece[]> {
  const pieces: FramePiece[] = []
  let stored = 0
  for await (const piece of framePieces(input, header)) {
    pieces.push(piece)
    stored += piece.bytes.length
    if (stored > MAX_SMALL_STORED_BYTES || pieces.length > MAX_SMALL_PIECES)
      throw corrupt(ZSTD_FRAME, `it is longer than the ${header.contentSize} bytes that it states can need`)
  }
  return pieces
}

async function decodeSmallFrame(
  pieces: readonly FramePiece[],
  header: ZstdFrameHeader,
  pool: CompressionPool,
  codec: ZstdName,
  moved: Moved,
): Promise<Uint8Array> {
  const plainLength = header.contentSize!
  const blocks = pieces.filter(piece => piece.kind === 'block')
  if (blocks.every(({ isRaw }) => isRaw)) return joinRaw(blocks, pieces.at(-1)!, plainLength)
  const stored = Buffer.concat(pieces.map(({ bytes }) => bytes))
  if (plainLength > 0 && stored.length <= plainLength + MAX_STORED_EXCESS) {
    const part = { codec: CODEC_ZSTD, storedLength: stored.length, plainLength }
    return pool.decode({ filter: FILTER_NONE, parameters: new Uint8Array(0), parts: [part] }, stored)
  }
  const plain: Uint8Array[] = []
  for await (const piece of decodeLongFrame(asStream(pieces), header, codec, moved)) plain.push(piece)
  return Buffer.concat(plain)
}

async function joinRaw(blocks: readonly FramePiece[], last: FramePiece, plainLength: number): Promise<Uint8Array> {
  const plain = Buffer.concat(blocks.map(({ bytes }) => bytes.subarray(BLOCK_HEADER_BYTES)))
  if (plain.length !== plainLength) throw corrupt(ZSTD_FRAME, `it gives ${plain.length} bytes instead of ${plainLength}`)
  if (last.kind === 'checksum') {
    const hash = await loadXxhash()
    if (checksumOf(hash.h64Raw(plain)) !== readLittleEndian(last.bytes, 0, CHECKSUM_BYTES))
      throw corrupt(ZSTD_FRAME, 'its checksum is wrong')
  }
  return plain
}

async function* asStream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

function cutOff(): AppError {
  return corrupt(ZSTD_FRAME, 'it is cut off')
}
