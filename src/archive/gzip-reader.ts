import { crc32, createInflateRaw } from 'node:zlib'
import { ByteQueue, pipeThrough, type ByteStream } from './byte-stream.ts'
import { decodeStream, passOver, type Container } from './container.ts'

const MAGIC = 0x1f8b
const DEFLATE = 8
const HEADER_BYTES = 10
const TRAILER_BYTES = 8
const [HAS_CHECKSUM, HAS_EXTRA, HAS_NAME, HAS_COMMENT] = [2, 4, 8, 16]
/** Longest name or comment. No file system has longer names. */
const MAX_TEXT_BYTES = 64 * 1024
const CHUNK_BYTES = 64 * 1024
const PIECE_BYTES = 32 * 1024

export function isGzip(head: Uint8Array): boolean {
  return head.length > 2 && (head[0]! << 8) + head[1]! === MAGIC && head[2] === DEFLATE
}

/**
 * The plain bytes of a gzip file of any number of members (RFC 1952). What follows the last one is passed over, and
 * `container` told. The last bytes of a member come when its checksum and length were verified. Malformed files throw a
 * plain `Error`. Time: linear in the stored and the plain bytes. Memory: bounded by a constant.
 */
export async function* decompressGzip(bytes: ByteStream, container: Container): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(bytes)
  try {
    while (await input.fill(1)) {
      await input.fill(3)
      if (container.frames > 0 && !isGzip(input.peek(3))) return await passOver(input, container)
      await readHeader(input, container)
      yield* readMember(input)
      container.frames++
    }
  } finally {
    await input.close()
  }
}

async function readHeader(input: ByteQueue, container: Container): Promise<void> {
  if (!(await input.fill(HEADER_BYTES))) throw cutOff()
  const header = Buffer.from(input.take(HEADER_BYTES))
  const flags = header[3]!
  const seconds = header.readUInt32LE(4)
  if ((flags & HAS_EXTRA) !== 0) {
    if (!(await input.fill(2))) throw cutOff()
    const length = Buffer.from(input.take(2)).readUInt16LE()
    if (!(await input.skip(length))) throw cutOff()
  }
  const name = (flags & HAS_NAME) !== 0 ? await readText(input) : undefined
  if ((flags & HAS_COMMENT) !== 0) await readText(input)
  if ((flags & HAS_CHECKSUM) !== 0 && !(await input.skip(2))) throw cutOff()
  if (container.frames > 0) return
  container.name = name
  if (seconds > 0) container.mtime = BigInt(seconds) * 1_000_000_000n
}

async function readText(input: ByteQueue): Promise<Buffer> {
  const bytes: number[] = []
  while (await input.fill(1)) {
    const byte = input.take(1)[0]!
    if (byte === 0) return Buffer.from(bytes)
    if (bytes.push(byte) > MAX_TEXT_BYTES) throw new Error('a name in the header is absurdly long')
  }
  throw cutOff()
}

async function* readMember(input: ByteQueue): AsyncGenerator<Uint8Array> {
  const inflater = createInflateRaw({ chunkSize: CHUNK_BYTES })
  let last: Uint8Array = new Uint8Array(0)
  let given = 0
  async function* stored(): AsyncGenerator<Uint8Array> {
    // bytes that zlib left belong to what follows
    while (inflater.bytesWritten === given) {
      if (!(await input.fill(1))) throw cutOff()
      last = input.takeSome(PIECE_BYTES)
      given += last.length
      yield last
    }
  }
  let hasTrailer = false
  async function* verified(bytes: ByteStream): AsyncGenerator<Uint8Array> {
    let sum = 0
    let length = 0
    for await (const piece of pipeThrough(bytes, inflater)) {
      sum = crc32(piece, sum)
      length += piece.length
      yield piece
    }
    input.putBack(last.subarray(last.length - (given - inflater.bytesWritten)))
    hasTrailer = await input.fill(TRAILER_BYTES)
    if (!hasTrailer) return
    const trailer = Buffer.from(input.take(TRAILER_BYTES))
    if (trailer.readUInt32LE(0) !== sum || trailer.readUInt32LE(4) !== length % 2 ** 32) throw new Error('its checksum is wrong')
  }
  yield* decodeStream(stored(), verified)
  if (!hasTrailer) throw cutOff()
}

function cutOff(): Error {
  return new Error('it is cut off')
}
