import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { AppError } from '../util/errors.ts'
import { formatBytes } from '../util/format-bytes.ts'
import { ByteQueue, type ByteStream } from './byte-stream.ts'
import { passOver, type Container } from './container.ts'
import { newCheck } from './xz-checks.ts'

const MAGIC = Buffer.from('\xfd7zXZ\0', 'latin1')
const END_MAGIC = 'YZ'
/** Of a header of a stream, and of its footer. */
const FRAME_BYTES = 12
const MAX_NUMBER_BYTES = 9
const LZMA2 = 0x21
const FILTERS: Readonly<Record<number, string>> = {
  3: 'delta',
  4: 'BCJ for x86',
  5: 'BCJ for PowerPC',
  6: 'BCJ for Itanium',
  7: 'BCJ for ARM',
  8: 'BCJ for ARM Thumb',
  9: 'BCJ for SPARC',
  10: 'BCJ for ARM64',
  11: 'BCJ for RISC-V',
}
const [HAS_STORED_SIZE, HAS_PLAIN_SIZE, RESERVED_FLAGS, FILTER_COUNT] = [0x40, 0x80, 0x3c, 3]

export function isXz(head: Uint8Array): boolean {
  return MAGIC.equals(head.subarray(0, MAGIC.length))
}

/**
 * The plain bytes of an .xz file (The .xz File Format 1.2.1) of any number of streams and blocks, with the filter LZMA2
 * alone. What follows the last stream is passed over, and `container` told. The last bytes of a block come when its
 * checksum was verified. Malformed files throw a plain `Error`; other filters, and dictionaries of more than 64 MiB,
 * `unsupported`. Time: linear in the stored and the plain bytes. Memory: the dictionary, and a chunk of 2 MiB.
 */
export async function* decompressXz(bytes: ByteStream, container: Container): AsyncGenerator<Uint8Array> {
  const { Lzma2Decoder, MAX_DICTIONARY_BYTES } = await import('./lzma2-decoder.ts')
  const input = new ByteQueue(bytes)

  /** The bytes of a header. They stay valid. */
  async function take(count: number): Promise<Buffer> {
    if (!(await input.fill(count))) throw cutOff()
    return Buffer.from(input.take(count))
  }

  async function* readStream(): AsyncGenerator<Uint8Array> {
    const header = await take(FRAME_BYTES)
    const flags = header.subarray(MAGIC.length, MAGIC.length + 2)
    if (!isXz(header) || crc32(flags) !== header.readUInt32LE(8)) throw new Error('the header of it is damaged')
    if (flags[0] !== 0 || flags[1]! > 15) throw notRead('it has a newer form of xz')
    const listed = new SizeList()
    for (;;) {
      const [size] = await take(1)
      if (size === 0) break
      yield* readBlock(await take(4 * size! + 3), size!, flags[1]!, listed)
    }
    const indexBytes = await readIndex(listed)
    const footer = await take(FRAME_BYTES)
    const isRight =
      crc32(footer.subarray(4, 10)) === footer.readUInt32LE(0) &&
      footer.toString('latin1', 10) === END_MAGIC &&
      footer.subarray(8, 10).equals(flags) &&
      (footer.readUInt32LE(4) + 1) * 4 === indexBytes
    if (!isRight) throw new Error('the end of it is damaged')
  }

  async function* readBlock(header: Buffer, size: number, checkId: number, listed: SizeList): AsyncGenerator<Uint8Array> {
    const { dictionaryBytes, storedSize, plainSize } = parseBlockHeader(header, size)
    if (dictionaryBytes > MAX_DICTIONARY_BYTES)
      throw notRead(`it needs a dictionary of ${formatBytes(dictionaryBytes)}, more than ${formatBytes(MAX_DICTIONARY_BYTES)}`)
    const check = newCheck(checkId)
    if (check === undefined) throw notRead(`it has checksums of an unknown kind (${checkId})`)
    const sizes = { stored: 0, plain: 0 }
    let held: Uint8Array | undefined
    for await (const piece of readChunks(new Lzma2Decoder(dictionaryBytes), sizes)) {
      check.add(piece)
      if (held !== undefined) yield held
      held = piece
    }
    if ((storedSize ?? sizes.stored) !== sizes.stored || (plainSize ?? sizes.plain) !== sizes.plain)
      throw new Error('a block in it has another length than it states')
    const padding = await take((4 - (sizes.stored % 4)) % 4)
    if (padding.some(byte => byte !== 0)) throw new Error('a block in it is damaged')
    if (!(await take(check.length)).equals(check.digest())) throw new Error('a checksum in it is wrong')
    listed.add(4 * (size + 1) + sizes.stored + check.length, sizes.plain)
    if (held !== undefined) yield held
  }

  async function* readChunks(
    decoder: InstanceType<typeof Lzma2Decoder>,
    sizes: { stored: number; plain: number },
  ): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (!(await input.fill(1))) throw cutOff()
      const header = await take(Lzma2Decoder.headerBytes(input.peek(1)[0]!))
      sizes.stored += header.length
      if (header[0] === 0) return
      decoder.begin(header)
      const { stored, plain } = Lzma2Decoder.sizesOf(header)
      const isWhole = await input.fill(stored)
      // a copy, because pieces are handed out while it is read
      const chunk = Buffer.from(input.take(stored))
      try {
        for (const piece of header[0]! < 0x80 ? decoder.copied(chunk) : decoder.decoded(chunk, plain)) yield piece
      } catch (error) {
        throw isWhole ? error : cutOff()
      }
      if (!isWhole) throw cutOff()
      sizes.stored += stored
      sizes.plain += plain
    }
  }

  /** Compares the list of blocks with those that were read. Gives its length in bytes. */
  async function readIndex(listed: SizeList): Promise<number> {
    let length = 1
    let sum = crc32(Buffer.of(0))
    const number = async (): Promise<number> => {
      await input.fill(MAX_NUMBER_BYTES)
      const number = numberAt(input.peek(MAX_NUMBER_BYTES), 0)
      sum = crc32(input.take(number.length), sum)
      length += number.length
      return number.value
    }
    const stated = new SizeList()
    const count = await number()
    if (count !== listed.count) throw new Error('the list of its blocks is damaged')
    for (let i = 0; i < count; i++) stated.add(await number(), await number())
    const padding = await take((4 - (length % 4)) % 4)
    const checksum = (await take(4)).readUInt32LE()
    if (padding.some(byte => byte !== 0) || crc32(padding, sum) !== checksum || !stated.equals(listed))
      throw new Error('the list of its blocks is damaged')
    return length + padding.length + 4
  }

  try {
    for (let zeros = 0; await input.fill(1);) {
      await input.fill(MAGIC.length)
      const head = input.peek(MAGIC.length)
      if (container.frames > 0 && head.subarray(0, 4).every(byte => byte === 0)) {
        zeros += input.take(4).length
        continue
      }
      if (container.frames > 0 && (!isXz(head) || zeros % 4 !== 0)) return await passOver(input, container)
      yield* readStream()
      container.frames++
    }
  } finally {
    await input.close()
  }
}

/** The sizes of many blocks, in constant memory. */
class SizeList {
  count = 0
  private readonly hash: Hash = createHash('sha256')

  add(unpadded: number, plain: number): void {
    this.count++
    this.hash.update(`${unpadded} ${plain} `)
  }

  /** Once. */
  equals(other: SizeList): boolean {
    return this.hash.digest().equals(other.hash.digest())
  }
}

function parseBlockHeader(rest: Buffer, size: number): { dictionaryBytes: number; storedSize?: number; plainSize?: number } {
  const header = Buffer.concat([Buffer.of(size), rest])
  const end = header.length - 4
  const damaged = (): Error => new Error('the header of a block in it is damaged')
  if (crc32(header.subarray(0, end)) !== header.readUInt32LE(end)) throw damaged()
  const flags = header[1]!
  if ((flags & RESERVED_FLAGS) !== 0) throw notRead('it has a newer form of xz')
  let at = 2
  const number = (): number => {
    const { value, length } = numberAt(header.subarray(0, end), at)
    at += length
    return value
  }
  const storedSize = (flags & HAS_STORED_SIZE) !== 0 ? number() : undefined
  const plainSize = (flags & HAS_PLAIN_SIZE) !== 0 ? number() : undefined
  const filter = number()
  if (filter !== LZMA2 || (flags & FILTER_COUNT) !== 0)
    throw notRead(`it was made with the filter ${FILTERS[filter] ?? `0x${filter.toString(16)}`}`)
  if (number() !== 1 || at >= end) throw damaged()
  const bits = header[at++]!
  if (bits > 40 || header.subarray(at, end).some(byte => byte !== 0)) throw damaged()
  const dictionaryBytes = bits === 40 ? 2 ** 32 - 1 : (2 + (bits & 1)) * 2 ** ((bits >> 1) + 11)
  return { dictionaryBytes, ...(storedSize === undefined ? {} : { storedSize }), ...(plainSize === undefined ? {} : { plainSize }) }
}

/** A number of 7 bits a byte, lowest first, in its shortest form. */
function numberAt(bytes: Uint8Array, at: number): { value: number; length: number } {
  let value = 0
  for (let i = 0; i < MAX_NUMBER_BYTES && at + i < bytes.length; i++) {
    const byte = bytes[at + i]!
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte >= 0x80) continue
    if ((byte === 0 && i > 0) || !Number.isSafeInteger(value)) break
    return { value, length: i + 1 }
  }
  throw at + MAX_NUMBER_BYTES > bytes.length ? cutOff() : new Error('a number in it is damaged')
}

function notRead(why: string): AppError {
  return new AppError('unsupported', `The archive can't be read: ${why}.`, { hint: 'Use: xz -dc FILE > PLAIN, then extract PLAIN.' })
}

function cutOff(): Error {
  return new Error('it is cut off')
}
