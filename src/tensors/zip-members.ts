import { pipeline, Readable } from 'node:stream'
import * as zlib from 'node:zlib'
import { readExactly, refuse, refuseKind } from '../chunking/layouts/span.ts'
import { dataOffset, isStored, METHOD_DEFLATED, type ZipMember } from '../chunking/layouts/zip.ts'
import { isAppError } from '../util/errors.ts'
import { type ByteSource, elementSpan, itemOf, type Tensor } from './tensor.ts'

/** Bytes read of a deflated member, and bytes inflated of them: more than the header of an array takes. */
const PREFIX_BYTES = 16 * 1024
const MAX_PREFIX_PLAIN_BYTES = 80 * 1024
/** The smallest buffer that node:zlib allows. */
const MIN_ROOM_BYTES = 64
const WRONG_CRC = 'it is not what its checksum says'
/** Most bytes of a member beside its tensor that are read for its checksum: the header of an array is shorter. */
const MAX_BESIDE_BYTES = 64 * 1024
/** Bytes per read of a deflated member. */
const STEP_BYTES = 1024 * 1024

/** A member as a source of its bytes. Of a deflated one only the start can be read, with the header of its array. */
export async function openMember(member: ZipMember, source: ByteSource): Promise<ByteSource> {
  if (!isStored(member)) return deflatedPrefix(member, source)
  const start = await dataOffset(member, source.size, source.read)
  return { size: member.length, read: (offset, length) => source.read(start + offset, length) }
}

async function deflatedPrefix(member: ZipMember, source: ByteSource): Promise<ByteSource> {
  checkDeflated(member)
  const prefix = await inflateStart(await readStored(member, source, 0, PREFIX_BYTES))
  return { size: member.length, read: (offset, length) => Promise.resolve(prefix.subarray(offset, offset + length)) }
}

/** All bytes of a member. Time and memory: linear in its stated length, whatever the file holds. */
export async function readMember(member: ZipMember, source: ByteSource): Promise<Uint8Array> {
  checkStoredLength(member)
  const stored = await readStored(member, source)
  if (isStored(member)) return member.crc === 0 || zlib.crc32(stored) === member.crc ? stored : refuse(WRONG_CRC)
  const plain = inflate(stored, member)
  if (plain.length !== member.length) refuse('a member does not have its stated length')
  return zlib.crc32(plain) === member.crc ? plain : refuse(WRONG_CRC)
}

/**
 * Reads a deflated member from front to back: each read begins where the one before ended, or behind it. A read that
 * begins earlier inflates it again from its start. One read at a time. Memory: what one read returns, and a few MiB.
 */
export class InflatedMember {
  private readonly member: ZipMember
  private readonly source: ByteSource
  private pieces: AsyncGenerator<Uint8Array> | undefined
  private rest = new Uint8Array(0)
  /** Where `rest` begins. */
  private position = 0

  constructor(member: ZipMember, source: ByteSource) {
    checkDeflated(member)
    checkStoredLength(member)
    this.member = member
    this.source = source
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.pieces === undefined || offset < this.position) await this.restart()
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length;) {
      const skipped = Math.min(this.rest.length, offset + done - this.position)
      this.drop(skipped)
      if (this.rest.length === 0) {
        await this.next()
        continue
      }
      const part = this.rest.subarray(0, length - done)
      bytes.set(part, done)
      done += part.length
      this.drop(part.length)
    }
    if (this.position === this.member.length && (this.rest.length > 0 || !(await this.pieces!.next()).done))
      refuse('a member does not have its stated length')
    return bytes
  }

  private drop(count: number): void {
    this.rest = this.rest.subarray(count)
    this.position += count
  }

  private async next(): Promise<void> {
    const next = await this.pieces!.next()
    this.rest = next.done === true ? refuse('a member does not have its stated length') : Uint8Array.from(next.value)
  }

  private async restart(): Promise<void> {
    await this.pieces?.return(undefined)
    this.pieces = inflated(this.member, this.source)
    this.rest = new Uint8Array(0)
    this.position = 0
  }
}

/**
 * Reads the bytes of a tensor that lie in the file as they are. If the tensor fills a stored member with a checksum,
 * and is read from front to back, the last read checks the member: it throws `corrupt`.
 */
export class StoredBytes {
  private readonly member: ZipMember | undefined
  private readonly source: ByteSource
  /** Offsets in the file: of the member, and of the tensor's first byte and its end. */
  private readonly memberAt: number
  private readonly start: number
  private readonly end: number
  /** The checksum of the member up to this offset. */
  private sum = 0
  private summed: number

  /** `start` is the offset of the tensor in the file. */
  constructor({ offset, bytes, member }: Pick<Tensor, 'offset' | 'bytes' | 'member'>, start: number, source: ByteSource) {
    this.source = source
    this.memberAt = start - offset
    this.start = start
    this.end = start + bytes
    this.summed = start
    // PyTorch can leave the checksum out
    this.member = member !== undefined && member.crc !== 0 && fills({ bytes, member }) ? member : undefined
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await readExactly(this.source.read, offset, length)
    if (this.member !== undefined && offset === this.summed) await this.add(this.member, bytes)
    return bytes
  }

  private async add({ length, crc }: ZipMember, bytes: Uint8Array): Promise<void> {
    const { memberAt, start, end, summed: offset } = this
    this.summed = NaN // until all is added
    if (offset === start) this.sum = zlib.crc32(await readExactly(this.source.read, memberAt, start - memberAt))
    this.sum = zlib.crc32(bytes, this.sum)
    const to = offset + bytes.length
    if (to === end) {
      this.sum = zlib.crc32(await readExactly(this.source.read, end, memberAt + length - end), this.sum)
      if (this.sum !== crc) refuse(WRONG_CRC)
    }
    this.summed = to
  }
}

function fills({ bytes, member }: Pick<Tensor, 'bytes' | 'member'>): boolean {
  return member !== undefined && member.length - bytes <= MAX_BESIDE_BYTES
}

/** True for a tensor whose reader compares the checksum of its member, for it reads all of it. */
export function checksItself(tensor: Tensor): boolean {
  const { shape, strides, bytes, gather, member } = tensor
  if (!isStored(member!)) return true
  const reach = strides === undefined ? bytes : elementSpan(shape, strides) * itemOf(tensor)
  return gather === undefined && fills({ bytes: reach, member: member! })
}

async function* inflated(member: ZipMember, source: ByteSource): AsyncGenerator<Uint8Array> {
  const inflater = zlib.createInflateRaw({ chunkSize: STEP_BYTES })
  // the error of either stream is thrown by the loop
  pipeline(Readable.from(storedPieces(member, source)), inflater, () => undefined)
  let sum = 0
  try {
    for await (const piece of inflater as AsyncIterable<Uint8Array>) {
      sum = zlib.crc32(piece, sum)
      yield piece
    }
  } catch (error) {
    if (isAppError(error)) throw error
    refuse('a deflated member is damaged')
  }
  if (sum !== member.crc) refuse(WRONG_CRC)
}

async function* storedPieces(member: ZipMember, source: ByteSource): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < member.storedLength; done += STEP_BYTES) yield await readStored(member, source, done, STEP_BYTES)
}

async function readStored(member: ZipMember, { size, read }: ByteSource, from = 0, most = Infinity): Promise<Uint8Array> {
  return readExactly(read, (await dataOffset(member, size, read)) + from, Math.min(member.storedLength - from, most))
}

/** Even a poor encoder does not deflate `length` bytes to more than this. */
function checkStoredLength({ length, storedLength }: ZipMember): void {
  if (storedLength > length + Math.ceil(length / 8) + 64) refuse('a member is longer than what it unpacks to')
}

function inflate(bytes: Uint8Array, member: ZipMember): Uint8Array {
  checkDeflated(member)
  try {
    // one buffer with room for all bytes; Z_SYNC_FLUSH: returns the available output if the end is missing
    const room = Math.max(MIN_ROOM_BYTES, member.length + 1)
    return zlib.inflateRawSync(bytes, { chunkSize: room, maxOutputLength: room, finishFlush: zlib.constants.Z_SYNC_FLUSH })
  } catch {
    return refuse('a deflated member is damaged')
  }
}

/** The first plain bytes. A few kilobytes may inflate to megabytes, which nobody needs here. */
async function inflateStart(bytes: Uint8Array): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let length = 0
  try {
    const inflater = zlib.createInflateRaw({ finishFlush: zlib.constants.Z_SYNC_FLUSH })
    inflater.end(bytes)
    for await (const piece of inflater as AsyncIterable<Uint8Array>) {
      pieces.push(piece)
      length += piece.length
      if (length >= MAX_PREFIX_PLAIN_BYTES) break
    }
  } catch {
    refuse('a deflated member is damaged')
  }
  return Buffer.concat(pieces)
}

/** Names of the methods that other programs use. */
const METHODS: Readonly<Record<number, string>> = { 9: 'Deflate64', 12: 'bzip2', 14: 'LZMA', 93: 'zstd', 95: 'xz' }

function checkDeflated({ method }: ZipMember): void {
  if (method !== METHOD_DEFLATED) refuseKind(`a member of the archive is compressed by ${METHODS[method] ?? `method ${method}`}`)
}
