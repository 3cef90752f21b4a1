import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib'
import { errnoOf, isAppError, messageOf } from '../../util/errors.ts'
import { damagedEntry, ZipEntryError } from './entry-error.ts'
import { DEFLATE64, DEFLATED, BZIP2, notRead, STORED, ZSTD, ZSTD_OLD } from './methods.ts'
import type { RangeReader } from './range-reader.ts'

/** What reading contents needs of others. */
export interface ContentHelp {
  /** The plain bytes of zstd frames. */
  zstd: (stored: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>
  /** Told when a content turns out to be so many bytes longer than stated, before those are read. */
  onLonger: (bytes: number) => void
}

/** The bytes of an entry in the file, and what they must decode to. */
export interface StoredContent {
  method: number
  /** Where they begin, and how many there are. */
  at: number
  storedLength: number
  /** Stated length; the real one too may be longer by a multiple of 2^32 if `wraps` is set. */
  length: number
  wraps: boolean
  crc: number
}

/** Entries of at most so many bytes, stored and plain, are decoded at once. */
const SMALL_BYTES = 256 * 1024
const PIECE_BYTES = 256 * 1024
/** Deflate does not shrink more than this. */
const MOST_SHRINKING = 1032
const WRAP = 2 ** 32
const EMPTY = Buffer.alloc(0)

/** Why a method can't be read; undefined if it can. */
export function whyNotRead(method: number): string | undefined {
  return [STORED, DEFLATED, DEFLATE64, BZIP2, ZSTD, ZSTD_OLD].includes(method) ? undefined : notRead(method)
}

/**
 * The plain bytes of an entry, checked against their stated length and checksum. Throws `ZipEntryError` for content
 * that is wrong; errors of reading the file pass. Memory: constant. Time: linear in the stored bytes and in those that
 * are yielded.
 */
export async function* readContent(file: RangeReader, content: StoredContent, help: ContentHelp): AsyncGenerator<Uint8Array> {
  let [left, sum] = [content.length, 0]
  try {
    for await (const piece of isSmall(content) ? [await inflateNow(file, content)] : decoded(file, content, help)) {
      left -= piece.length
      if (left < 0 && canBeLonger(content)) {
        left += WRAP
        help.onLonger(WRAP)
      }
      if (left < 0) throw damagedEntry(`it is longer than the ${content.length} bytes that are stated`)
      sum = crc32(piece, sum)
      if (piece.length > 0) yield piece
    }
  } catch (error) {
    throw explained(error, content)
  }
  if (left !== 0) throw damagedEntry(`it is ${left} bytes shorter than stated`)
  if (sum !== content.crc) throw damagedEntry('its checksum is wrong')
}

function isSmall({ method, storedLength, length }: StoredContent): boolean {
  return method === DEFLATED && storedLength <= SMALL_BYTES && length <= SMALL_BYTES
}

function canBeLonger({ wraps, method, storedLength, length }: StoredContent): boolean {
  return wraps && method === DEFLATED && storedLength * MOST_SHRINKING >= length + WRAP
}

function explained(error: unknown, { length }: StoredContent): unknown {
  const code = errnoOf(error)
  if (code === 'ERR_BUFFER_TOO_LARGE') return damagedEntry(`it is longer than the ${length} bytes that are stated`, error)
  if (code === 'Z_BUF_ERROR') return damagedEntry('it is cut off', error)
  if (code?.startsWith('Z_') === true) return damagedEntry(`its compressed bytes are wrong (${messageOf(error)})`, error)
  if (isAppError(error, 'corrupt')) return damagedEntry(error.message, error)
  if (isAppError(error, 'unsupported')) return new ZipEntryError(error.message, false, error)
  return error
}

function decoded(file: RangeReader, { method, at, storedLength }: StoredContent, { zstd }: ContentHelp): AsyncIterable<Uint8Array> {
  const stored = file.pieces(at, at + storedLength)
  if (method === DEFLATED) return inflate(stored)
  if (method === STORED) return stored
  // loaded only where such entries are
  if (method === DEFLATE64) return late(async () => (await import('./inflate64.ts')).inflate64(stored))
  if (method === BZIP2) return late(async () => (await import('./bunzip2.ts')).bunzip2(stored))
  return zstd(stored)
}

async function* late(load: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await load()
}

async function inflateNow(file: RangeReader, { at, storedLength, length }: StoredContent): Promise<Uint8Array> {
  // some programs write nothing where nothing is deflated
  if (storedLength === 0 && length === 0) return EMPTY
  const stored = await file.read(at, at + storedLength)
  // Node takes no limit of 0, and no smaller chunk
  return inflateRawSync(stored, { maxOutputLength: Math.max(1, length), chunkSize: Math.max(64, length) })
}

/** What follows the end of the stream is left. */
async function* inflate(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const inflater = createInflateRaw({ chunkSize: PIECE_BYTES })
  // an error of either ends the loop below
  pipeline(stored, inflater).catch(() => undefined)
  try {
    for await (const piece of inflater) yield piece as Uint8Array
  } finally {
    inflater.destroy()
  }
}
