import { FILTER_NONE } from '../compression/block.ts'
import { CODEC_RAW, CODEC_ZSTD } from '../compression/codecs.ts'
import { type Level, MAX_BLOCK_BYTES } from '../compression/limits.ts'
import type { CompressionPool } from '../compression/pool.ts'
import { checksumOf, rawFrame, withChecksum } from '../compression/zstd/frame.ts'
import { loadXxhash } from '../compression/zstd/xxhash.ts'
import type { ByteStream } from './byte-stream.ts'

/**
 * Compresses to independent zstd frames of up to 4 MiB plain bytes each. Every zstd decoder reads their concatenation
 * as one file. Frames are made in parallel, and each has a checksum. Equal bytes give equal frames.
 */
export async function* compressZstd(bytes: ByteStream, pool: CompressionPool, level: Level): AsyncGenerator<Uint8Array> {
  const hash = await loadXxhash()
  const frames: Promise<Uint8Array[]>[] = []
  for await (const plain of blocksOf(bytes, MAX_BLOCK_BYTES)) {
    const frame = makeFrame(plain, checksumOf(hash.h64Raw(plain)), pool, level)
    // its error is thrown when its result is awaited
    frame.catch(() => undefined)
    frames.push(frame)
    if (frames.length > pool.workers) yield* await frames.shift()!
  }
  for (const frame of frames) yield* await frame
}

async function makeFrame(plain: Uint8Array<ArrayBuffer>, checksum: number, pool: CompressionPool, level: Level): Promise<Uint8Array[]> {
  const block = await pool.encode(plain, { level, kind: 'general', withoutCopies: true })
  const codec = block.filter === FILTER_NONE && block.parts.length === 1 ? block.parts[0]!.codec : undefined
  if (codec === CODEC_ZSTD) return withChecksum(block.bytes, checksum)
  return [rawFrame(codec === CODEC_RAW ? block.bytes : await pool.decode(block, block.bytes), checksum)]
}

/** The same bytes in pieces of exactly `length`; the last one may be shorter. */
async function* blocksOf(bytes: ByteStream, length: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let block = emptyBlock(length)
  let filled = 0
  for await (const piece of bytes) {
    for (let done = 0; done < piece.length;) {
      const part = piece.subarray(done, done + length - filled)
      block.set(part, filled)
      filled += part.length
      done += part.length
      if (filled === length) {
        yield block
        block = emptyBlock(length)
        filled = 0
      }
    }
  }
  if (filled > 0) yield block.slice(0, filled)
}

/** Not zeroed: every byte is written before it is used. */
function emptyBlock(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
