import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { describeChangedType } from '../local/changed-type.ts'
import { fingerprintOf, sameFingerprint } from '../local/fingerprint.ts'
import { readAtSync } from '../local/read-at.ts'
import type { WalkedEntry } from '../local/walk.ts'
import { errnoOf, messageOf, throwIfAborted } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'

/** If a symlink or a pipe has replaced a file since the walk, it is neither followed nor waited for. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
/** A file up to this size is read whole before any of it is in the archive. */
export const SMALL_FILE_BYTES = 256 * 1024
const PIECE_BYTES = 512 * 1024

/** Where the contents of an archive come from. Both may throw `UnreadableFileError`: the file is then left out. */
export interface Contents {
  /** The whole content of a file of at most `SMALL_FILE_BYTES`, as it was listed. */
  small(entry: WalkedEntry): Buffer | Promise<Buffer>
  large(entry: WalkedEntry): Promise<FixedLengthFile>
}

/** The reason why a file can't be archived, for messages. */
export class UnreadableFileError extends Error {}

/** A large file whose beginning is in the archive turns out to be damaged: that archive can't be finished. */
export class LostContentError extends Error {}

function unreadable(error: unknown, localPath: string): UnreadableFileError {
  if (error instanceof UnreadableFileError) return error
  if (errnoOf(error) === 'ENOENT') return new UnreadableFileError('it vanished after the folder was listed')
  return new UnreadableFileError(describeChangedType(localPath) ?? messageOf(error))
}

/**
 * The whole content of a small file. Tries twice. Throws `UnreadableFileError` when the file can't be read, or changes
 * while it is read.
 */
function readSmallFile(entry: WalkedEntry): Buffer {
  return readWhole(entry) ?? readWhole(entry) ?? fail('it changed while it was being read')
}

function fail(why: string): never {
  throw new UnreadableFileError(why)
}

function readWhole(entry: WalkedEntry): Buffer | undefined {
  let fd: number | undefined
  try {
    fd = openSync(fsPath(entry.localPath), FLAGS)
    const before = fstatSync(fd, { bigint: true })
    if (!before.isFile()) throw new UnreadableFileError('it is not a file any more')
    // one more byte than expected shows whether the file grew
    const bytes = readAtSync(fd, 0, Number(before.size) + 1)
    const after = fstatSync(fd, { bigint: true })
    const unchanged = sameFingerprint(fingerprintOf(before), fingerprintOf(after)) && bytes.length === Number(after.size)
    return unchanged ? bytes : undefined
  } catch (error) {
    throw unreadable(error, entry.localPath)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** An open file whose length is already stated in the archive. */
export interface FixedLengthFile {
  size: number
  /**
   * Yields exactly `size` bytes, once, and closes the file. Replaces bytes that can't be read any more by zeros, as tar
   * does. Calls `onTrouble` when that happens, and when the file changed meanwhile, with words that follow its path.
   * May throw `LostContentError`.
   */
  read(onTrouble: (why: string) => void, signal: AbortSignal): AsyncGenerator<Buffer>
  close(): Promise<void>
}

/** Throws `UnreadableFileError`. */
async function openLargeFile(entry: WalkedEntry): Promise<FixedLengthFile> {
  let file: FileHandle | undefined
  try {
    file = await open(fsPath(entry.localPath), FLAGS)
    const stats = await file.stat({ bigint: true })
    if (!stats.isFile()) throw new UnreadableFileError('it is not a file any more')
    const opened = file
    const size = Number(stats.size)
    return {
      size,
      read: (onTrouble, signal) => readExactly(opened, size, onTrouble, signal),
      close: () => opened.close().catch(() => undefined),
    }
  } catch (error) {
    await file?.close()
    throw unreadable(error, entry.localPath)
  }
}

async function* readExactly(file: FileHandle, size: number, onTrouble: (why: string) => void, signal: AbortSignal): AsyncGenerator<Buffer> {
  let trouble: string | undefined
  const before = fingerprintOf(await file.stat({ bigint: true }))
  for (let position = 0; position < size;) {
    throwIfAborted(signal)
    const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, size - position))
    let bytesRead = 0
    try {
      if (trouble === undefined) ({ bytesRead } = await file.read(buffer, 0, buffer.length, position))
      if (bytesRead === 0) trouble ??= `it shrank to ${position} bytes`
    } catch (error) {
      trouble = messageOf(error)
    }
    const piece = bytesRead === 0 ? buffer.fill(0) : buffer.subarray(0, bytesRead)
    yield piece
    position += piece.length
  }
  if (trouble === undefined && !sameFingerprint(before, fingerprintOf(await file.stat({ bigint: true })))) trouble = 'it was written to'
  if (trouble !== undefined) onTrouble(`changed while it was being read (${trouble})`)
}

/** The files of this machine. */
export const LOCAL_CONTENTS: Contents = { small: readSmallFile, large: openLargeFile }
