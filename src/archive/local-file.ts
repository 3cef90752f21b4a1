import { closeSync, constants, fchmodSync, fstatSync, futimesSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { readAtSync } from '../local/read-at.ts'
import { utimesSeconds } from '../local/times.ts'
import { throwIfAborted } from '../util/errors.ts'
import { Breather } from '../util/event-loop.ts'
import { fsPath } from '../util/paths.ts'
import { perEntry } from './entry-errors.ts'
import type { ArchiveEntry } from './entry.ts'
import { unfinishedName } from './sink.ts'

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY } = constants
const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0
const PIECE_BYTES = 256 * 1024

/** Leaves out the set-user-id bit and the like. */
export const permissions = (mode: number): number => mode & 0o777

/**
 * Writes a file under a temporary name and renames it when it is complete. Removes it if reading the content fails.
 * Writes are synchronous, which is faster on a local disk.
 */
export async function writeFile(path: string, entry: ArchiveEntry, signal: AbortSignal, onWritten: (bytes: number) => void): Promise<void> {
  const unfinished = unfinishedName(path)
  const turns = new Breather()
  // if the archive states no mode, the system's default applies; else only the user may read the file until it is set
  const fd = perEntry(path, () => {
    rmSync(fsPath(unfinished), { force: true })
    return openSync(fsPath(unfinished), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode === undefined ? 0o666 : 0o600)
  })
  let isOpen = true
  try {
    for await (const bytes of entry.content) {
      if (turns.isDue()) await turns.breathe()
      throwIfAborted(signal)
      perEntry(path, () => {
        for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done)
      })
      onWritten(bytes.length)
    }
    perEntry(path, () => {
      if (entry.mode !== undefined) fchmodSync(fd, permissions(entry.mode))
      if (entry.mtime !== undefined) futimesSync(fd, Number(fstatSync(fd).atimeMs) / 1000, utimesSeconds(entry.mtime))
      isOpen = false
      closeSync(fd)
      renameSync(fsPath(unfinished), fsPath(path))
    })
  } catch (error) {
    if (isOpen) closeSync(fd)
    rmSync(fsPath(unfinished), { force: true })
    throw error
  }
}

/**
 * True when the file at `path`, which is known to have the same size, has the content of `entry`. Stops reading at the
 * first difference.
 */
export async function hasContent(path: string, entry: ArchiveEntry, signal: AbortSignal): Promise<boolean> {
  const fd = perEntry(path, () => openSync(fsPath(path), O_RDONLY | O_NOFOLLOW))
  try {
    let position = 0
    for await (const bytes of entry.content) {
      throwIfAborted(signal)
      const there = perEntry(path, () => readAtSync(fd, position, bytes.length))
      if (!there.equals(bytes)) return false
      position += bytes.length
    }
    return true
  } finally {
    closeSync(fd)
  }
}

/** The content of a local file, in the form of an archive entry's content. */
export async function* readLocal(path: string): AsyncGenerator<Uint8Array> {
  const fd = perEntry(path, () => openSync(fsPath(path), O_RDONLY | O_NOFOLLOW))
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

/** A temporary name in the destination, for an archive that must be saved while it is read. */
export function spoolName(destination: string): string {
  return unfinishedName(join(destination, `spooled-${process.pid}`))
}
