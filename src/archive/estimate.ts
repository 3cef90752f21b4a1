import { promisify } from 'node:util'
import { deflateRaw } from 'node:zlib'
import type { BlockRequest } from '../compression/block.ts'
import { type Level, MAX_BLOCK_BYTES } from '../compression/limits.ts'
import type { CompressionPool } from '../compression/pool.ts'
import { looksCompressed } from '../compression/sample.ts'
import { throwIfAborted } from '../util/errors.ts'
import { ZLIB_LEVEL } from './compress.ts'
import { readBlock, streamsOf, type KindEstimate, type KindStream, type PieceSlice, type StreamsRequest } from './estimate-streams.ts'

export type { KindEstimate, TensorRange as TensorPart } from './estimate-streams.ts'

export interface EstimateRequest extends StreamsRequest {
  level: Level
  /** How a push would encode a chunk that is no tensor. */
  formOf: (chunk: Uint8Array, isCompressed: boolean) => Pick<BlockRequest, 'kind' | 'table' | 'numbers'>
  pool: CompressionPool
  onRead: (bytes: number) => void
}

export interface Estimate {
  kinds: KindEstimate[]
  /** Bytes read from the files for the estimate. */
  readBytes: number
}

/** Maximum number of blocks that are compressed, over all kinds. The highest level is about fifty times slower. */
const MAX_BLOCKS: Record<Level, number> = { fast: 32, balanced: 32, high: 32, max: 6 }
/** The length of most chunks of a push. */
const CHUNK_BYTES = 64 * 1024

const deflate = promisify(deflateRaw)

/**
 * Estimates the size of an archive by kind of file: compresses blocks of its content, spread evenly. If there are only
 * a few blocks, it compresses all of them.
 */
export async function estimate(request: EstimateRequest): Promise<Estimate> {
  const streams = await streamsOf(request)
  const total = streams.reduce((sum, stream) => sum + stream.length, 0)
  let readBytes = 0
  for (const stream of streams) {
    const blocks = Math.ceil(stream.length / MAX_BLOCK_BYTES)
    const tried = Math.min(blocks, Math.max(1, Math.round((MAX_BLOCKS[request.level] * stream.length) / total)))
    const measured = { plain: 0, content: 0, packed: 0, pushed: 0, split: 0 }
    const waiting: Promise<void>[] = []
    for (let i = 0; i < tried; i++) {
      throwIfAborted(request.signal)
      const start = Math.floor((i * blocks) / tried) * MAX_BLOCK_BYTES
      const parts = readBlock(stream, start, Math.min(stream.length, start + MAX_BLOCK_BYTES))
      const plain = parts.reduce((sum, { bytes }) => sum + bytes.length, 0)
      readBytes += plain
      request.onRead(plain)
      waiting.push(
        Promise.all([packedLength(request, parts), pushedLength(request, stream, parts)]).then(([packed, pushed]) => {
          measured.plain += plain
          measured.content += parts.reduce((sum, { content }) => sum + content.length, 0)
          measured.packed += packed
          measured.pushed += pushed.bytes ?? packed
          measured.split += pushed.split
        }),
      )
      waiting.at(-1)!.catch(() => undefined)
      if (waiting.length > request.pool.workers) await waiting.shift()
    }
    await Promise.all(waiting)
    const scaled = (bytes: number, of: number, all: number): number => (of === 0 ? 0 : Math.round((all * bytes) / of))
    stream.estimate.archiveBytes = scaled(measured.packed, measured.plain, stream.length) + stream.entryBytes
    if (stream.element || measured.split > 0)
      stream.estimate.filteredBytes = scaled(measured.pushed, measured.content, stream.estimate.bytes)
  }
  return { kinds: streams.map(stream => stream.estimate).sort((a, b) => b.archiveBytes - a.archiveBytes), readBytes }
}

async function packedLength({ format, level, pool }: EstimateRequest, parts: readonly PieceSlice[]): Promise<number> {
  const pieces = parts.map(({ bytes }) => bytes)
  if (format === 'tar.zst') {
    const plain = new Uint8Array(Buffer.concat(pieces))
    return plain.length === 0 ? 0 : (await pool.encode(plain, { level, kind: 'general', withoutCopies: true })).bytes.length
  }
  const units = format === 'zip' ? pieces : [Buffer.concat(pieces)]
  const lengths = units.map(async unit => {
    if (format === 'zip' && looksCompressed(unit)) return unit.length
    return (await deflate(unit, { level: ZLIB_LEVEL[level] })).length
  })
  return (await Promise.all(lengths)).reduce((sum, length) => sum + length, 0)
}

/**
 * The stored size of a block's content in a repository, and how many of its bytes look like tables or numbers. The size
 * is undefined where an archive stores the content the same way.
 */
async function pushedLength(
  { format, level, pool, formOf }: EstimateRequest,
  { element }: KindStream,
  parts: readonly PieceSlice[],
): Promise<{ bytes: number | undefined; split: number }> {
  const blocks = new Map<string, { request: BlockRequest; chunks: Uint8Array[] }>()
  const add = (chunk: Uint8Array, request: BlockRequest): void => {
    const key = `${request.kind} ${request.table?.separator} ${request.table?.columns} ${request.numbers?.width}`
    const block = blocks.get(key) ?? { request, chunks: [] }
    blocks.set(key, block)
    block.chunks.push(chunk)
  }
  for (const { content } of parts) {
    if (element) add(content, { level, kind: 'tensor', element })
    else {
      const isCompressed = looksCompressed(content)
      for (let at = 0; at < content.length; at += CHUNK_BYTES) {
        const chunk = content.subarray(at, at + CHUNK_BYTES)
        add(chunk, { level, ...formOf(chunk, isCompressed) })
      }
    }
  }
  const isSplit = ({ table, numbers }: BlockRequest): boolean => table !== undefined || numbers !== undefined
  if (format === 'tar.zst' && [...blocks.values()].every(({ request }) => request.kind !== 'tensor' && !isSplit(request)))
    return { bytes: undefined, split: 0 }
  let split = 0
  const lengths = [...blocks.values()].map(async ({ request, chunks }) => {
    const plain = new Uint8Array(Buffer.concat(chunks))
    if (isSplit(request)) split += plain.length
    return plain.length === 0 ? 0 : (await pool.encode(plain, request)).bytes.length
  })
  return { bytes: (await Promise.all(lengths)).reduce((sum, length) => sum + length, 0), split }
}
