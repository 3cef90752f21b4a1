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
import { newContainer, passOver, type Container } from './container.ts'
import { decodeLongFrame } from './zstd-long-frame.ts'

const ZSTD = 0xfd2fb528
const FIRST_BYTES = [0x28, 0xb5, 0x2f]
const SKIPPABLE = 0x184d2a50
/** No encoder makes a longer small frame. This many bytes are buffered at a time. */
const MAX_SMALL_STORED_BYTES = MAX_BLOCK_BYTES + 256 * 1024
const MAX_SMALL_PIECES = 65_536

/**
 * The plain bytes of a .zst file of any number of frames. What follows the last one is passed over, and `container`
 * told. Small frames that state their size, as `compressZstd` makes them, are decoded in parallel in the pool; others
 * as a stream. Throws `corrupt` for damaged or truncated input, after what could be decoded before; `unsupported` for
 * frames that need a dictionary or too long a window. Time: linear in the stored and the plain bytes. Memory: a window,
 * and a few small frames for each thread.
 */
export async function* decompressZstd(
  bytes: ByteStream,
  pool: CompressionPool,
  codec: ZstdName,
  container = newContainer(),
): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(bytes)
  const waiting: AsyncIterable<Uint8Array>[] = []
  const moved: Moved = { bytes: 0 }
  try {
    while (await isFrame(input, container)) {
      const header = await readHeader(input)
      if (isSmall(header)) {
        const small = await collectFrame(input, header)
        waiting.push(decodeSmallFrame(small, header, pool, codec, moved))
        if (small.failed) break
        if (waiting.length > pool.workers) yield* waiting.shift()!
      } else {
        while (waiting.length > 0) yield* waiting.shift()!
        yield* decodeLongFrame(framePieces(input, header), header, codec, moved)
      }
      container.frames++
    }
    for (const decoded of waiting) yield* decoded
  } finally {
    await input.close()
  }
}

/** Whether a frame follows. Skips the skippable ones before it. */
async function isFrame(input: ByteQueue, container: Container): Promise<boolean> {
  while (await input.fill(1)) {
    await input.fill(4)
    const magic = input.peek(4)
    if (magic.length < 4 && magic.every((byte, i) => byte === FIRST_BYTES[i])) throw cutOff()
    if (isSkippable(magic)) await skipFrame(input)
    else if (isFrameMagic(magic) || container.frames === 0) return true
    else await passOver(input, container)
  }
  return false
}

async function skipFrame(input: ByteQueue): Promise<void> {
  if (!(await input.fill(8))) throw cutOff()
  if (!(await input.skip(readLittleEndian(input.take(8), 4, 4)))) throw cutOff()
}

function isSkippable(magic: Uint8Array): boolean {
  return magic.length >= 4 && (readLittleEndian(magic, 0, 4) & ~0xf) >>> 0 === SKIPPABLE
}

function isFrameMagic(magic: Uint8Array): boolean {
  return magic.length >= 4 && readLittleEndian(magic, 0, 4) === ZSTD
}

/** Whether these bytes begin a .zst file. */
export function isZstd(head: Uint8Array): boolean {
  return isFrameMagic(head) || isSkippable(head)
}

async function readHeader(input: ByteQueue): Promise<ZstdFrameHeader> {
  await input.fill(MAX_HEADER_BYTES)
  const header = parseFrameHeader(input.peek(MAX_HEADER_BYTES))
  if (header.dictionaryId !== 0)
    throw new AppError(
      'unsupported',
      `The archive was compressed with the zstd dictionary ${header.dictionaryId}, which it does not contain.`,
      {
        hint: 'Decompress it with that dictionary first: zstd -d -D DICTIONARY FILE',
      },
    )
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

/** A small frame, or the pieces of it before it ended too soon. */
interface SmallFrame {
  pieces: FramePiece[]
  failed?: { error: unknown }
}

async function collectFrame(input: ByteQueue, header: ZstdFrameHeader): Promise<SmallFrame> {
  const pieces: FramePiece[] = []
  let stored = 0
  try {
    for await (const piece of framePieces(input, header)) {
      pieces.push(piece)
      stored += piece.bytes.length
      if (stored > MAX_SMALL_STORED_BYTES || pieces.length > MAX_SMALL_PIECES)
        throw corrupt(ZSTD_FRAME, `it is longer than the ${header.contentSize} bytes that it states can need`)
    }
    return { pieces }
  } catch (error) {
    return { pieces, failed: { error } }
  }
}

/** Begins at once. Of a frame that ended too soon comes what can be decoded, then the error. */
function decodeSmallFrame(
  { pieces, failed }: SmallFrame,
  header: ZstdFrameHeader,
  pool: CompressionPool,
  codec: ZstdName,
  moved: Moved,
): AsyncIterable<Uint8Array> {
  async function* again(): AsyncGenerator<FramePiece> {
    yield* pieces
    if (failed !== undefined) throw failed.error
  }
  const asStream = (): AsyncGenerator<Uint8Array> => decodeLongFrame(again(), header, codec, moved)
  if (failed !== undefined) return asStream()
  const decoded = decodeAtOnce(pieces, header.contentSize!, pool, asStream)
  // its error is thrown when its result is awaited
  decoded.catch(() => undefined)
  return once(decoded)
}

async function* once(decoded: Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield await decoded
}

async function decodeAtOnce(
  pieces: readonly FramePiece[],
  plainLength: number,
  pool: CompressionPool,
  asStream: () => AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const blocks = pieces.filter(piece => piece.kind === 'block')
  if (blocks.every(({ isRaw }) => isRaw)) return joinRaw(blocks, pieces.at(-1)!, plainLength)
  const stored = Buffer.concat(pieces.map(({ bytes }) => bytes))
  if (plainLength > 0 && stored.length <= plainLength + MAX_STORED_EXCESS) {
    const part = { codec: CODEC_ZSTD, storedLength: stored.length, plainLength }
    return pool.decode({ filter: FILTER_NONE, parameters: new Uint8Array(0), parts: [part] }, stored)
  }
  const plain: Uint8Array[] = []
  for await (const piece of asStream()) plain.push(piece)
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

function cutOff(): AppError {
  return corrupt(ZSTD_FRAME, 'it is cut off')
}
