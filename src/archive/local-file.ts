import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  readSync,
  renameSync,
  writeSync,
  type Stats,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { isSame, replaced, type HeldFolders } from '../local/held-folders.ts'
import { partName } from '../local/part-names.ts'
import { readAtSync } from '../local/read-at.ts'
import { unpackedMode } from '../local/restored-mode.ts'
import { utimesSeconds } from '../local/times.ts'
import { errnoOf, throwIfAborted } from '../util/errors.ts'
import { Breather } from '../util/event-loop.ts'
import { removeFile as removePath } from '../util/file-system.ts'
import { isHole } from './byte-stream.ts'
import { perEntry } from './entry-errors.ts'
import type { ArchiveEntry } from './entry.ts'
import { unfinishedName } from './sink.ts'

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY } = constants
const PIECE_BYTES = 256 * 1024

export interface WriteListener {
  onWritten: (bytes: number) => void
  /** Takes an unfinished file that can't be removed. */
  onLeft: (unfinished: string, error: unknown) => void
}

/**
 * Writes a file under a temporary name and renames it when it is complete. Removes it if reading the content fails.
 * Writes are synchronous, which is faster on a local disk.
 */
export async function writeFile(
  folders: HeldFolders,
  path: string,
  entry: ArchiveEntry,
  signal: AbortSignal,
  { onWritten, onLeft }: WriteListener,
): Promise<void> {
  const unfinished = unfinishedName(path)
  const turns = new Breather()
  // if the archive states no mode, the system's default applies; else only the user may read the file until it is set
  const fd = perEntry(path, () => openNew(folders, unfinished, entry.mode === undefined ? 0o664 : 0o600))
  let isOpen = true
  let [position, written] = [0, 0]
  try {
    for await (const bytes of entry.content) {
      if (turns.isDue()) await turns.breathe()
      throwIfAborted(signal)
      if (!isHole(bytes)) {
        perEntry(path, () => {
          for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position + done)
        })
        onWritten(bytes.length)
        written = position + bytes.length
      }
      position += bytes.length
    }
    perEntry(path, () => {
      if (written < position) ftruncateSync(fd, position)
      if (entry.mode !== undefined) fchmodSync(fd, unpackedMode(entry.mode))
      if (entry.mtime !== undefined) futimesSync(fd, Date.now() / 1000, utimesSeconds(entry.mtime))
      const own = folders.isShared(dirname(path)) ? fstatSync(fd) : undefined
      isOpen = false
      closeSync(fd)
      renameFile(folders, unfinished, path, own)
    })
  } catch (error) {
    if (isOpen) closeSync(fd)
    try {
      removeFile(folders, unfinished)
    } catch (failure) {
      onLeft(unfinished, failure)
    }
    throw error
  }
}

/** Opens a new file. What an interrupted extraction left in its place is removed. */
function openNew(folders: HeldFolders, path: string, mode: number): number {
  const open = (): number => folders.open(path, O_WRONLY | O_CREAT | O_EXCL, mode)
  try {
    return open()
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    removeFile(folders, path)
    return open()
  }
}

/** Removes a file or a link, if there is one. */
export function removeFile(folders: HeldFolders, path: string): void {
  folders.at(path, there => removePath(there))
}

/** `own`: the file that was written, if others may have put another in its place. */
function renameFile(folders: HeldFolders, unfinished: string, path: string, own: Stats | undefined): void {
  folders.at(unfinished, from => {
    if (own !== undefined && !isSame(lstatSync(from), own)) throw replaced(unfinished)
    folders.at(path, to => renameSync(from, to))
  })
}

/**
 * True when the file at `path` has the content of `entry`. Stops reading at the first difference.
 */
export async function hasContent(folders: HeldFolders, path: string, entry: ArchiveEntry, signal: AbortSignal): Promise<boolean> {
  const fd = perEntry(path, () => folders.open(path, O_RDONLY))
  try {
    let position = 0
    for await (const bytes of entry.content) {
      throwIfAborted(signal)
      const there = perEntry(path, () => readAtSync(fd, position, bytes.length))
      if (!there.equals(bytes)) return false
      position += bytes.length
    }
    return perEntry(path, () => fstatSync(fd).size) === position
  } finally {
    closeSync(fd)
  }
}

/** The content of a local file, in the form of an archive entry's content. */
export async function* readLocal(folders: HeldFolders, path: string): AsyncGenerator<Uint8Array> {
  const fd = perEntry(path, () => folders.open(path, O_RDONLY))
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(PIECE_BYTES)
      const read = perEntry(path, () => readSync(fd, buffer, 0, buffer.length, null))
      if (read === 0) return
      yield buffer.subarray(0, read)
    }
  } finally {
    closeSync(fd)
  }
}

/** A new temporary name in the destination, for an archive that must be saved while it is read. */
export function spoolName(destination: string): string {
  return join(destination, partName('spooled', randomBytes(16)))
}
