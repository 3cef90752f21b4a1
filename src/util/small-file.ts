import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync, statSync, type Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { realFileSystem } from './file-system.ts'
import { decodeFileName, fsPath } from './paths.ts'

interface SmallFileOptions {
  /** A larger file is unfit. */
  maxBytes: number
  /** Whether the file must belong to this user or to root, and no other user may be able to change it. */
  mustBeOwn?: boolean
}

/** A file that is there and must not be read. The message says why and completes "<path> is not used: ". */
export class UnfitFile extends Error {
  override readonly name = 'UnfitFile'
  readonly isFolder: boolean

  constructor(message: string, isFolder = false) {
    super(message)
    this.isFolder = isFolder
  }
}

// opening a fifo or a device must not wait, and a terminal must not become this process's
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

/**
 * The content of a file that is read because of its name: settings, git's state, lists of what to ignore, caches. Such
 * a file may have come with somebody else's data. Links are followed. Errors: `UnfitFile` if it is no regular file, is
 * too large, or is not this user's own; else the system's errors.
 */
export function readSmallFile(path: string, { maxBytes, mustBeOwn = false }: SmallFileOptions): Buffer {
  // opening a device can have effects of its own
  refuseUnfit(statSync(fsPath(path)), false)
  const fd = openSync(fsPath(path), FLAGS)
  try {
    const stats = fstatSync(fd)
    refuseUnfit(stats, mustBeOwn)
    const replacer = mustBeOwn ? howStrangersReplace(path) : undefined
    if (replacer !== undefined) throw new UnfitFile(replacer)
    // the size is only a claim: the file may grow, and files in /proc have size 0
    const bytes = Buffer.alloc(stats.size > 0 ? Math.min(stats.size, maxBytes) + 1 : maxBytes + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) read = readSync(fd, bytes, length, bytes.length - length, null)
    if (length > maxBytes) throw new UnfitFile(`it is larger than ${maxBytes} bytes`)
    return bytes.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}

/** Like `readSmallFile`, for a text that a person has written: see `decodeText`. */
export function readSmallText(path: string, options: SmallFileOptions): string {
  return decodeText(readSmallFile(path, options))
}

const UTF_16 = new Map([
  [0xfffe, 'utf-16le'],
  [0xfeff, 'utf-16be'],
])
const utf16Of = (bytes: Buffer): string | undefined => (bytes.length < 2 ? undefined : UTF_16.get(bytes.readUInt16BE(0)))

/** Whether a text begins with the byte order mark of UTF-16, as editors and PowerShell of Windows write it. */
export const isUtf16 = (bytes: Buffer): boolean => utf16Of(bytes) !== undefined

/**
 * A text in UTF-8, or in UTF-16 with its byte order mark. Bytes that are not UTF-8 are decoded as those of file names.
 * Errors: `UnfitFile` for what is no text.
 */
export function decodeText(bytes: Buffer): string {
  const encoding = utf16Of(bytes)
  const text = encoding === undefined ? decodeFileName(bytes) : new TextDecoder(encoding).decode(bytes)
  if (text.includes('\0')) throw new UnfitFile('it is no text in UTF-8')
  return text.replace(/^\uFEFF/, '')
}

/**
 * Opens a file of the program's own: it is no link, and no other user could have made or changed it. Errors:
 * `UnfitFile`, else the system's errors.
 */
export async function openOwnFile(path: string, { promises } = realFileSystem): Promise<FileHandle> {
  refuseUnfit(await promises.lstat(path), true)
  const file = await promises.open(path, FLAGS | (constants.O_NOFOLLOW ?? 0))
  try {
    refuseUnfit(await file.stat(), true)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

function refuseUnfit(stats: Stats, mustBeOwn: boolean): void {
  if (stats.isDirectory()) throw new UnfitFile('it is a folder', true)
  if (!stats.isFile()) throw new UnfitFile('it is not a regular file')
  const stranger = mustBeOwn ? howStrangersReach(stats) : undefined
  if (stranger !== undefined) throw new UnfitFile(stranger)
}

/**
 * How other users could put another file, or a link to one, in the place of a file; undefined if only this user and
 * root could. Throws the system's errors.
 */
function howStrangersReplace(path: string): string | undefined {
  const me = process.geteuid?.()
  if (me === undefined) return undefined
  for (const each of [path, decodeFileName(realpathSync.native(fsPath(path), 'buffer'))]) {
    const folder = decodeFileName(realpathSync.native(fsPath(dirname(each)), 'buffer'))
    if (![me, 0].includes(lstatSync(fsPath(each)).uid)) return 'the link to it belongs to another user'
    if (![me, 0].includes(statSync(fsPath(folder)).uid)) return `${folder} belongs to another user`
    const open = openAncestor(join(folder, '_'))
    if (open !== undefined) return `other users can replace what is in ${open}`
  }
  return undefined
}

/** The nearest folder above a path in which others can exchange what is not theirs. */
function openAncestor(path: string): string | undefined {
  for (let at = path; at !== dirname(at);) {
    at = dirname(at)
    // where others are let in by their group, they can't make a folder that belongs to this user
    if ((statSync(fsPath(at)).mode & 0o1002) === 0o002) return at
  }
  return undefined
}

/**
 * How other users could put files into a folder, or another folder in its place; undefined if only this user and root
 * could. What is in the folder must be looked at by itself. Throws the system's errors.
 */
export function howStrangersReachFolder(folder: string): string | undefined {
  const path = decodeFileName(realpathSync.native(fsPath(folder), 'buffer'))
  const stats = statSync(fsPath(path))
  if (!stats.isDirectory()) return 'it is not a folder'
  const open = process.geteuid === undefined ? undefined : openAncestor(path)
  return open === undefined ? howStrangersReach(stats) : `other users can replace what is in ${open}`
}

/**
 * How other users could have made or changed what these stats describe; undefined if only this user and root could. On
 * Windows modes mean nothing, and the user's folder protects the file.
 */
export function howStrangersReach(stats: { uid: number; mode: number }): string | undefined {
  const me = process.geteuid?.()
  if (me === undefined) return undefined
  if (stats.uid !== me && stats.uid !== 0) return 'it belongs to another user'
  return (stats.mode & 0o022) === 0 ? undefined : 'other users can change it'
}
