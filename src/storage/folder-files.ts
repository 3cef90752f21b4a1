import { randomBytes } from 'node:crypto'
import { constants, mkdir, open, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { throwIfAborted } from '../util/errors.ts'
import { isSystemError } from './folder-errors.ts'

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
export async function writeDurably(path: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  const file = await open(path, 'wx')
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

export async function openForReading(path: string): Promise<FileHandle> {
  return open(path, READ_ONLY)
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

const NO_FOLDER_SYNC = ['EINVAL', 'EPERM', 'EISDIR', 'ENOTSUP']

/** Makes creations, renames and deletions in `folder` durable, if the platform supports that. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!isSystemError(error, NO_FOLDER_SYNC)) throw error
  }
}

/**
 * Durable `mkdir -p`: syncs each folder before it creates another in it. Node's recursive `mkdir` fails with ENOENT on
 * a read-only disk.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (!isSystemError(error, ['EEXIST', 'ENOENT']) || folder === dirname(folder)) throw error
    if (isSystemError(error, ['ENOENT'])) {
      await makeFolder(dirname(folder))
      await mkdir(folder).catch((again: unknown) => {
        if (!isSystemError(again, ['EEXIST'])) throw again
      })
    }
  }
  await syncFolder(dirname(folder))
}

/** The file system's own clock in ms, read from an empty file that is created and removed at once. */
export async function readClock(folder: string): Promise<number> {
  const path = join(folder, temporaryName('clock-'))
  const file = await open(path, 'wx')
  try {
    return Math.floor((await file.stat()).ctimeMs)
  } finally {
    await file.close()
    await removeQuietly(path)
  }
}

/** For our own temporary files: one that can't be removed now counts as stale a day later. */
export async function removeQuietly(path: string): Promise<void> {
  await unlink(path).catch(() => undefined)
}
