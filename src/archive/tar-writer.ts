import type { ArchiveEncoder, EntryHead } from './archive-encoder.ts'
import type { ByteStream } from './byte-stream.ts'
import { TAR_BLOCK_BYTES } from './tar-header.ts'

const TYPES = { file: '0', hardlink: '1', symlink: '2', directory: '5' }
const [MAX_NAME_BYTES, MAX_PREFIX_BYTES] = [100, 155]
const SLASH = 0x2f
/** The largest octal size. Longer ones are binary numbers, as GNU tar writes them. */
const MAX_OCTAL_SIZE = 0o77777777777
/** The largest time that every reader accepts. */
const MAX_SECONDS = 2 ** 31 - 1
const EMPTY = Buffer.alloc(0)

/**
 * Writes tar: headers of ustar (POSIX.1-1988), and before them, for what does not fit, pax headers (POSIX.1-2001).
 * Names that are not UTF-8 can't be in those: they stay bytes, and if they are too long for ustar, they are in headers
 * of GNU tar. Entries belong to nobody.
 */
export class TarEncoder implements ArchiveEncoder {
  small(head: EntryHead, content: Buffer): Uint8Array[] {
    return [...headersOf(head, content.length), content, paddingOf(content.length)]
  }

  async *large(head: EntryHead, size: number, content: ByteStream): AsyncGenerator<Uint8Array> {
    yield* headersOf(head, size)
    yield* content
    yield paddingOf(size)
  }

  end(): Uint8Array[] {
    return [Buffer.alloc(2 * TAR_BLOCK_BYTES)]
  }
}

/** All headers of an entry. */
function headersOf(head: EntryHead, size: number): Buffer[] {
  const { name, target, seconds } = head
  const split = splitName(name)
  const fits = { name: split !== undefined && isPlain(name), target: target.length <= MAX_NAME_BYTES && isPlain(target) }
  const pax: Buffer[] = []
  const before: Buffer[] = []
  const extend = (key: 'path' | 'linkpath', value: Buffer, isShort: boolean): void => {
    if (isUtf8(value)) pax.push(paxRecord(key, value))
    else if (!isShort) before.push(...extension('././@LongLink', key === 'path' ? 'L' : 'K', Buffer.concat([value, Buffer.of(0)])))
  }
  if (!fits.name) extend('path', name, split !== undefined)
  if (!fits.target) extend('linkpath', target, target.length <= MAX_NAME_BYTES)
  if (seconds < 0 || seconds > MAX_SECONDS) pax.push(paxRecord('mtime', Buffer.from(String(seconds))))
  if (pax.length > 0) before.push(...extension('PaxHeader', 'x', Buffer.concat(pax)))
  const [prefix, last] = split ?? [EMPTY, name.subarray(0, MAX_NAME_BYTES)]
  return [...before, block({ ...head, prefix, name: last, type: TYPES[head.type] }, size)]
}

function extension(name: string, type: string, content: Buffer): Buffer[] {
  const head = { name: Buffer.from(name), prefix: EMPTY, type, target: EMPTY, mode: 0o644, seconds: 0 }
  return [block(head, content.length), content, paddingOf(content.length)]
}

/** The prefix and the rest of a name; undefined if it does not fit. */
function splitName(name: Buffer): [prefix: Buffer, rest: Buffer] | undefined {
  if (name.length <= MAX_NAME_BYTES) return [EMPTY, name]
  // the slash between them is not stored; a trailing one belongs to the rest
  const slash = name.indexOf(SLASH, name.length - MAX_NAME_BYTES - 1)
  return slash <= 0 || slash > MAX_PREFIX_BYTES || slash === name.length - 1
    ? undefined
    : [name.subarray(0, slash), name.subarray(slash + 1)]
}

/** Whether a name means the same in every encoding. */
function isPlain(name: Buffer): boolean {
  return name.every(byte => byte < 0x80)
}

function isUtf8(name: Buffer): boolean {
  return Buffer.from(name.toString()).equals(name)
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  let length = rest.length + 1
  while (String(length).length + rest.length > length) length++
  return Buffer.concat([Buffer.from(String(length)), rest])
}

function block(head: Omit<EntryHead, 'type'> & { prefix: Buffer; type: string }, size: number): Buffer {
  const bytes = Buffer.alloc(TAR_BLOCK_BYTES)
  const octal = (value: number, at: number, digits: number): void => void bytes.write(`${value.toString(8).padStart(digits, '0')}\0`, at)
  head.name.copy(bytes, 0)
  octal(head.mode & 0o7777, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  if (size <= MAX_OCTAL_SIZE) octal(size, 124, 11)
  else {
    bytes[124] = 0x80
    bytes.writeBigUInt64BE(BigInt(size), 128)
  }
  octal(Math.min(Math.max(head.seconds, 0), MAX_SECONDS), 136, 11)
  bytes.fill(' ', 148, 156)
  bytes.write(head.type, 156)
  head.target.copy(bytes, 157, 0, MAX_NAME_BYTES)
  bytes.write('ustar\x0000', 257)
  octal(0, 329, 7)
  octal(0, 337, 7)
  head.prefix.copy(bytes, 345)
  let sum = 0
  for (const byte of bytes) sum += byte
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0`, 148)
  return bytes
}

function paddingOf(size: number): Buffer {
  return ZEROS.subarray(0, -size & (TAR_BLOCK_BYTES - 1))
}

const ZEROS = Buffer.alloc(TAR_BLOCK_BYTES)
