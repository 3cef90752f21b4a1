import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { throwIfAborted } from '../util/errors.ts'
import { isSystemError } from './folder-errors.ts'
import { makeFolder, syncFolder, type FileSystem } from '../util/file-system.ts'

/** Reads and writes have at most this many bytes each, so that an abort is noticed between them. */
const PIECE_BYTES = 4 * 1024 * 1024

const TEMPORARY = /^\.tmp-(?:clock-)?[0-9]+-[0-9a-f]{16}$/

/** Matches only names made by `temporaryName`. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name)
}

export function temporaryName(kind: '' | 'clock-' = ''): string {
  return `.tmp-${kind}${process.pid}-${randomBytes(8).toString('hex')}`
}

/** Creates `path`, which must not exist. Resolves when `bytes` are synced to the disk. */
export async function writeDurably(
  path: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
  fileSystem: FileSystem,
): Promise<void> {
  const file = await fileSystem.promises.open(path, 'wx')
  try {
    for (let position = 0; position < bytes.length;) {
      throwIfAborted(signal)
      const { bytesWritten } = await file.write(bytes, position, Math.min(PIECE_BYTES, bytes.length - position), position)
      position += bytesWritten
    }
    throwIfAborted(signal)
    await file.sync()
  } finally {
    await file.close()
  }
}

// a symbolic link or a pipe with an object's name is no object: do not follow it or wait for it (Windows has neither
// flag)
const { O_NOFOLLOW, O_NONBLOCK } = constants as Partial<typeof constants>
const READ_ONLY = constants.O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)

export async function openForReading(path: string, fileSystem: FileSystem): Promise<FileHandle> {
  return fileSystem.promises.open(path, READ_ONLY)
}

/** The bytes from `start` to `end`; fewer at the end of the file. */
export async function readBetween(file: FileHandle, start: number, end: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(end - start).buffer)
  let filled = 0
  while (filled < bytes.length) {
    throwIfAborted(signal)
    const { bytesRead } = await file.read(bytes, filled, Math.min(PIECE_BYTES, bytes.length - filled), start + filled)
    if (bytesRead === 0) return bytes.subarray(0, filled)
    filled += bytesRead
  }
  return bytes
}

/**
 * `name` of an entry that is no regular file, and `name/...` for what lies in it if it is a folder. A folder that has a
 * config.json is a repository of its own. Empty for an entry that vanished.
 */
export async function namesBelow(path: string, name: string, fileSystem: FileSystem): Promise<string[]> {
  try {
    const entries = await fileSystem.promises.readdir(path)
    return entries.includes('config.json') ? [name] : [name, ...entries.map(entry => `${name}/${entry}`)]
  } catch (error) {
    if (!isSystemError(error, ['ENOENT'])) return [name]
    // a link whose target is gone is still there
    return fileSystem.promises.lstat(path).then(
      () => [name],
      () => [],
    )
  }
}

/** Makes `folder` and its missing parents, durably. */
export async function makeFolderDurably(folder: string, fileSystem: FileSystem): Promise<void> {
  const changed = makeFolder(folder, { fileSystem })
  // also if another process made it, which may not have synced it yet
  for (const parent of new Set([...changed, dirname(folder)])) await syncFolder(parent, fileSystem)
}

/** The file system's own clock in ms, read from an empty file that is created and removed at once. */
export async function readClock(folder: string, fileSystem: FileSystem): Promise<number> {
  const path = join(folder, temporaryName('clock-'))
  const file = await fileSystem.promises.open(path, 'wx')
  try {
    return Math.floor((await file.stat()).ctimeMs)
  } finally {
    await file.close()
    await removeQuietly(path, fileSystem)
  }
}

/** For our own temporary files: one that can't be removed now counts as stale a day later. */
export async function removeQuietly(path: string, fileSystem: FileSystem): Promise<void> {
  await fileSystem.promises.unlink(path).catch(() => undefined)
}
