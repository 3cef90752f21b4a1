/*
 * Reads zip files: where the directory is, what its records say, the encodings of names, the methods of compression. It
 * knows nothing of what is written where.
 */

import { decodeFileName } from '../../util/paths.ts'
import type { CodePage } from './code-pages.ts'
import { readContent, whyNotRead, type ContentHelp } from './content.ts'
import { readRecords } from './directory.ts'
import { findDirectory } from './end-record.ts'
import { damagedEntry, ZipEntryError } from './entry-error.ts'
import { kindOf, type Kind } from './kind.ts'
import { contradictionOf, readLocalHeader, type LocalHeader } from './local-header.ts'
import { findLost } from './lost-directory.ts'
import { AES, STORED } from './methods.ts'
import { pathOf } from './names.ts'
import { isLocalHeader, Neighbours, surveyOf } from './positions.ts'
import { RangeReader, type RangeSource } from './range-reader.ts'
import { FLAG_ENCRYPTED, FLAG_PATCH, LOCAL_BYTES, type ZipRecord } from './record.ts'
import { timeOf } from './times.ts'

/** No system allows longer targets of symlinks. */
const MAX_TARGET_BYTES = 64 * 1024

/** An entry of a zip. */
export interface ZipEntry extends Kind {
  /** Parts are separated by `/`. Bytes that are not UTF-8 are as `decodeFileName` represents them. */
  path: string
  /** Length of the content in bytes, as stated; 0 for all but files. */
  length: number
  /** ns since 1970; undefined where the archive has no plausible time. */
  mtime: bigint | undefined
  /** Target of a symlink; else empty. */
  target: string
  /** Why it can't be read. */
  error: ZipEntryError | undefined
  /** What its header in the archive says otherwise than the directory, which counts. */
  contradiction: string | undefined
  /** The content of a file, which may be read at most once. Throws `ZipEntryError` for content that is wrong. */
  content: AsyncIterable<Uint8Array> | undefined
}

/** Whether there is a zip, whatever stands before and after it. Throws `unsupported` for a part of one in several. */
export async function isZip(source: RangeSource): Promise<boolean> {
  return (await findDirectory(new RangeReader(source))) !== undefined
}

/**
 * The entries of a zip, in the order of its directory; without one, those of which the headers are found. Throws
 * `unsupported` for a part of an archive in several; a plain `Error` after the last entry if the directory is missing
 * or damaged, or if entries share bytes: those are left out. Time: linear in the length of the file and of the contents
 * that are read, n log n in the number of entries. Memory: that of a few blocks of the file, and of all names.
 */
export async function* readEntries(source: RangeSource, help: ContentHelp): AsyncGenerator<ZipEntry> {
  const file = new RangeReader(source)
  const place = await findDirectory(file)
  if (place === undefined) return yield* readLost(file, help)
  const { starts, page } = await surveyOf(file, place)
  const reader = new EntryReader(file, new Neighbours(file, starts, place.start), help)
  let number = 0
  const sharing: string[] = []
  for await (const record of readRecords(file, place)) {
    const path = pathOf(record, page)
    const entry = await reader.read(record, starts[number++]!, path, page)
    if (entry.error === SHARES) sharing.push(path)
    else yield entry
  }
  if (sharing.length > 0) throw new Error(`entries share bytes, as they do only in archives that are made to fill a disk: ${sharing[0]}`)
  if ((place.base > 0 || starts.length === 0) && (await isLocalHeader(file, 0)))
    throw new Error('it begins with entries that no directory in it lists: it is cut off, or several archives in a row')
}

async function* readLost(file: RangeReader, help: ContentHelp): AsyncGenerator<ZipEntry, void> {
  const lost = await findLost(file)
  const reader = new EntryReader(file, new Neighbours(file, new Float64Array(0), file.size), help)
  for await (const record of lost.records) yield await reader.read(record, record.headerAt, pathOf(record, undefined), undefined)
  const gaps = lost.hasGaps ? ', and bytes in its middle belong to no entry' : ''
  const unlisted =
    lost.unlisted === 0
      ? ''
      : `. ${lost.unlisted} of the entries that are left were found without it: they have no permissions, and symlinks are files`
  throw new Error(`it is cut off: the directory is missing that every zip ends with${gaps}${unlisted}`)
}

/** The raw names of the paths that were read: no two names may become one. */
class Names {
  private readonly raw = new Map<string, string>()

  /** False if another name has become this path before. */
  claim(path: string, rawName: Buffer): boolean {
    const key = /^\.?\/|\/\.?\/|(?:^|\/)\.$/.test(path)
      ? path
          .split('/')
          .filter(part => part !== '' && part !== '.')
          .join('/')
      : path
    const raw = rawName.toString('latin1')
    const known = this.raw.get(key)
    // one string for both takes half the memory
    if (known === undefined) this.raw.set(key, raw === key ? key : raw)
    return known === undefined || known === raw
  }
}

class EntryReader {
  private readonly file: RangeReader
  private readonly neighbours: Neighbours
  private readonly help: ContentHelp
  private readonly names = new Names()

  constructor(file: RangeReader, neighbours: Neighbours, help: ContentHelp) {
    this.file = file
    this.neighbours = neighbours
    this.help = help
  }

  async read(record: ZipRecord, start: number, path: string, page: CodePage | undefined): Promise<ZipEntry> {
    const { type, mode } = kindOf(record, path)
    const entry: ZipEntry = {
      path,
      type,
      mode,
      length: 0,
      mtime: timeOf(record, EMPTY),
      target: '',
      error: undefined,
      contradiction: undefined,
      content: undefined,
    }
    try {
      const why = entry.type === 'file' || entry.type === 'symlink' ? this.whyNot(record, path) : undefined
      if (why !== undefined) throw why
      const local = await this.localHeader(start)
      entry.contradiction = contradictionOf(record, local, () => [
        path,
        pathOf({ ...local, host: record.host, version: record.version }, page),
      ])
      if (entry.type === 'file' || entry.type === 'symlink') await this.open(entry, record, local)
    } catch (error) {
      if (!(error instanceof ZipEntryError)) throw error
      entry.error = error
    }
    return entry
  }

  private whyNot({ flags, method, rawName }: ZipRecord, path: string): ZipEntryError | undefined {
    const refused = (why: string): ZipEntryError => new ZipEntryError(why, false)
    if (!this.names.claim(path, rawName)) return refused("its name can't be told from that of another entry")
    if ((flags & FLAG_ENCRYPTED) !== 0 || method === AES) return refused('it is encrypted: use 7z x, which asks for the password')
    if ((flags & FLAG_PATCH) !== 0) return refused('it holds only changes of another file')
    const why = whyNotRead(method)
    return why === undefined ? undefined : refused(why)
  }

  private async open(entry: ZipEntry, record: ZipRecord, local: LocalHeader): Promise<void> {
    const { method, crc } = record
    const { headerAt: start, contentAt: at } = local
    entry.mtime = timeOf(record, local.extra)
    if (await this.neighbours.shares(start, record.storedLength)) throw SHARES
    const wraps = !record.hasZip64
    const storedLength = wraps ? this.neighbours.unwrapped(start, at, record.storedLength) : record.storedLength
    const length = method === STORED && wraps && record.length === record.storedLength ? storedLength : record.length
    if (!(at + storedLength <= this.file.size)) throw damagedEntry('it is cut off')
    if (!Number.isSafeInteger(length)) throw damagedEntry('its stated length is absurd')
    const content = readContent(this.file, { method, at, storedLength, length, wraps, crc }, this.help)
    if (entry.type === 'symlink') entry.target = await readTarget(content, length)
    else Object.assign(entry, { length, content })
  }

  private async localHeader(start: number): Promise<LocalHeader> {
    const header = await readLocalHeader(this.file, start)
    if (header !== undefined) return header
    if (!(start >= 0 && start + LOCAL_BYTES <= this.file.size)) throw damagedEntry('it lies outside of the file')
    throw damagedEntry((await isLocalHeader(this.file, start)) ? 'it is cut off' : 'there is no entry where the directory says')
  }
}

const EMPTY = Buffer.alloc(0)
const SHARES = damagedEntry('it shares bytes with another entry')

async function readTarget(content: AsyncIterable<Uint8Array>, length: number): Promise<string> {
  if (length > MAX_TARGET_BYTES) throw damagedEntry('the target of a symlink is impossibly long')
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return decodeFileName(Buffer.concat(pieces))
}
