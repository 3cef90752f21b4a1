import { isUtf8 } from 'node:buffer'
import { corrupt } from '../../util/errors.ts'
import { HASH_BYTES, isHashHex } from '../../util/hash.ts'
import { Fields, parseJsonText } from '../../util/json-fields.ts'
import { comparePaths, decodeFileName, encodePath } from '../../util/paths.ts'
import { idCount, idsFromHex } from './chunk-ids.ts'
import { CHUNKS_PER_ROW } from './limits.ts'

interface EntryBase {
  /** Relative to the pushed folder, joined by `/`; the name of a single pushed file. Escaped as in util/paths.ts. */
  path: string
  /** Permission bits, 0 to 0o7777. */
  mode: number
  /**
   * ns since 1970 (may be negative), in whole microseconds. A pull can restore those exactly, so pushing a pulled copy
   * gives the same rows.
   */
  mtime: bigint
}

export interface FileEntry extends EntryBase {
  type: 'file'
  /** Bytes. */
  size: number
  /** The ids of its chunks (chunk-ids.ts), in the order of the file. */
  chunks: Buffer
}

export interface DirectoryEntry extends EntryBase {
  type: 'directory'
}

export interface SymlinkEntry extends EntryBase {
  type: 'symlink'
  target: string
}

export type Entry = FileEntry | DirectoryEntry | SymlinkEntry

/** A path or a target in JSON. If it is not UTF-8, it is base64 of its bytes, in a field with the suffix `64`. */
const textField = (field: string, value: string): string =>
  value.isWellFormed() ? `"${field}":${JSON.stringify(value)}` : `"${field}64":"${encodePath(value).toString('base64')}"`

/**
 * Encodes an entry as rows, each with its line feed. A file of more than 1,024 chunks continues in part rows. This
 * takes half the time of JSON.stringify.
 */
export function* encodeRows(entry: Entry): Generator<string> {
  const path = textField('path', entry.path)
  const head = `{${path},"type":"${entry.type}","mode":"${entry.mode.toString(8)}","mtime":"${entry.mtime}"`
  if (entry.type === 'directory') yield `${head}}\n`
  else if (entry.type === 'symlink') yield `${head},${textField('target', entry.target)}}\n`
  else {
    yield `${head},"size":${entry.size},"chunks":${hexChunks(entry.chunks, 0)}}\n`
    const rows = Math.ceil(idCount(entry.chunks) / CHUNKS_PER_ROW)
    for (let part = 1; part < rows; part++) yield `{${path},"part":${part},"chunks":${hexChunks(entry.chunks, part)}}\n`
  }
}

/** Encodes the ids of one row as a list in JSON. `part` is the number of the row in its entry. */
function hexChunks(chunks: Buffer, part: number): string {
  const start = part * CHUNKS_PER_ROW * HASH_BYTES
  if (chunks.length <= start) return '[]'
  const end = Math.min(chunks.length, start + CHUNKS_PER_ROW * HASH_BYTES)
  let ids = `["${chunks.toString('hex', start, start + HASH_BYTES)}`
  for (let i = start + HASH_BYTES; i < end; i += HASH_BYTES) ids += `","${chunks.toString('hex', i, i + HASH_BYTES)}`
  return `${ids}"]`
}

const MAX_LINE = 4 * 1024 * 1024

/**
 * Decodes a manifest piece by piece. Throws `corrupt` for rows that are out of order, paths that are absolute or lead
 * upwards, entries whose parent is not a directory of this manifest, and part rows without their file. So no path leads
 * through a symlink, and users of the entries may rely on that.
 *
 * Time: linear in the bytes. Memory: linear in the paths of the directories, and in the longest entry.
 */
export class ManifestDecoder {
  private readonly what: string
  /** The pieces of a row whose end has not come yet. */
  private rest: Uint8Array[] = []
  private restBytes = 0
  private open: { entry: Entry; parts: Buffer[] } | undefined
  private last: string | undefined
  private readonly directories = new Set<string>()
  private readonly ready: Entry[] = []

  constructor(what: string) {
    this.what = `The manifest of ${what}`
  }

  /** Takes the next bytes and returns the entries that are complete. */
  push(bytes: Uint8Array): Entry[] {
    const whole = bytes.lastIndexOf(10) + 1
    if (whole > 0) this.rows(Buffer.concat([...this.rest.splice(0), bytes.subarray(0, whole)]))
    this.restBytes = (whole > 0 ? 0 : this.restBytes) + bytes.length - whole
    if (this.restBytes > MAX_LINE) throw corrupt(this.what, 'a row is too long')
    this.rest.push(new Uint8Array(bytes.subarray(whole)))
    return this.ready.splice(0)
  }

  finish(): Entry[] {
    if (this.restBytes > 0) throw corrupt(this.what, 'its last row is incomplete')
    this.close()
    return this.ready.splice(0)
  }

  private close(): void {
    if (!this.open) return
    const { entry, parts } = this.open
    if (entry.type === 'file') entry.chunks = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    this.ready.push(entry)
    this.open = undefined
  }

  private rows(data: Buffer): void {
    if (!isUtf8(data)) throw corrupt(this.what, 'it is not UTF-8')
    let start = 0
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      if (end - start > MAX_LINE) throw corrupt(this.what, 'a row is too long')
      this.row(data.toString('utf8', start, end))
      start = end + 1
    }
  }

  private row(line: string): void {
    const row = new Fields(parseJsonText(line, this.what), this.what)
    const path = readText(row, 'path')
    if (row.has('part')) {
      if (this.open?.entry.type !== 'file' || this.open.entry.path !== path || row.integer('part') !== this.open.parts.length)
        throw corrupt(this.what, 'a part row is out of place')
      this.open.parts.push(readChunks(row))
      return
    }
    this.close()
    if (!isSafePath(path)) throw corrupt(this.what, `the path ${JSON.stringify(path)} is not allowed`)
    if (this.last !== undefined && comparePaths(this.last, path) >= 0) throw corrupt(this.what, 'its rows are not in order')
    this.last = path
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    if (parent !== '' && !this.directories.has(parent))
      throw corrupt(this.what, `${JSON.stringify(path)} is in something that is not a folder`)
    const base = { path, mode: readMode(row), mtime: readMtime(row) }
    const type = row.string('type')
    if (type === 'directory') {
      this.directories.add(path)
      this.open = { entry: { ...base, type }, parts: [] }
    } else if (type === 'symlink') this.open = { entry: { ...base, type, target: readTarget(row) }, parts: [] }
    else if (type === 'file')
      this.open = { entry: { ...base, type, size: row.integer('size'), chunks: Buffer.alloc(0) }, parts: [readChunks(row)] }
    else throw corrupt(this.what, `an entry is of unknown type ${JSON.stringify(type)}`)
  }
}

function readText(row: Fields, field: string): string {
  if (!row.has(`${field}64`)) {
    const text = row.string(field)
    return text.isWellFormed() ? text : row.fail(field, 'is not Unicode')
  }
  const encoded = row.string(`${field}64`)
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.toString('base64') !== encoded) row.fail(`${field}64`, 'is not base64')
  return decodeFileName(bytes)
}

function readTarget(row: Fields): string {
  const target = readText(row, 'target')
  return target === '' || target.includes('\0') ? row.fail('target', 'is not a path') : target
}

export function readMode(row: Fields): number {
  const text = row.string('mode', 4)
  return /^[0-7]{1,4}$/.test(text) ? parseInt(text, 8) : row.fail('mode', 'is not a file mode')
}

export function readMtime(row: Fields): bigint {
  const text = row.string('mtime', 28)
  return /^-?\d{1,27}$/.test(text) ? BigInt(text) : row.fail('mtime', 'is not a time')
}

function readChunks(row: Fields): Buffer {
  const ids = row.list('chunks', value => (isHashHex(value) ? value : undefined))
  if (ids.length > CHUNKS_PER_ROW) row.fail('chunks', 'are too many for one row')
  return idsFromHex(ids)
}

/** True for a path that can't lead out of its folder: relative, without an empty part, `.`, `..` and NUL. */
export function isSafePath(path: string): boolean {
  if (path.length === 0 || path.includes('\0')) return false
  return path.split('/').every(part => part !== '' && part !== '.' && part !== '..')
}
