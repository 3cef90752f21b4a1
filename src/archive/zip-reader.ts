import { closeSync, fstatSync, openSync } from 'node:fs'
import { readAtSync } from '../local/read-at.ts'
import { fsPath } from '../util/paths.ts'
import type { ByteStream } from './byte-stream.ts'
import { DamagedEntryError, RefusedEntryError } from './entry-errors.ts'
import { NO_CONTENT, type ArchiveEntry } from './entry.ts'
import type { ContentHelp } from './zip/content.ts'
import { ZipEntryError } from './zip/entry-error.ts'
import type { RangeSource } from './zip/range-reader.ts'
import { isZip, readEntries } from './zip/read-zip.ts'

/** A local path, or a source that can read any range. */
export type ZipInput = string | RangeSource

/** Bytes per read of a local file. */
const LOCAL_BLOCK_BYTES = 128 * 1024

/** Whether there is a zip, whatever stands before and after it, such as a program that extracts it. */
export async function hasZip(place: ZipInput): Promise<boolean> {
  const { source, close } = opened(place)
  try {
    return await isZip(source)
  } finally {
    close()
  }
}

/**
 * The entries of a zip file, in the order of its directory. Each content is checked against its length and checksum.
 * Entries that can't be read are handed out with an error. What concerns the whole archive
 * throws as in `readEntries`. Time and memory: as there.
 */
export async function* readZip(place: ZipInput, help: ContentHelp): AsyncGenerator<ArchiveEntry> {
  const { source, close } = opened(place)
  try {
    for await (const found of readEntries(source, help)) {
      const { path, type, length, mode, mtime, target, error, contradiction, content } = found
      yield {
        path,
        type,
        size: length,
        mode,
        mtime,
        target,
        content: content === undefined ? NO_CONTENT : contentOf(content),
        error: error === undefined ? undefined : entryError(error),
        doubt: contradiction === undefined ? undefined : `the directory and the header of it contradict each other: ${contradiction}`,
      }
    }
  } finally {
    close()
  }
}

async function* contentOf(content: ByteStream): AsyncGenerator<Uint8Array> {
  try {
    yield* content
  } catch (error) {
    throw error instanceof ZipEntryError ? entryError(error) : error
  }
}

function entryError(error: ZipEntryError): Error {
  return new (error.isDamaged ? DamagedEntryError : RefusedEntryError)(error.message, { cause: error })
}

function opened(place: ZipInput): { source: RangeSource; close: () => void } {
  if (typeof place !== 'string') return { source: place, close: () => undefined }
  const fd = openSync(fsPath(place), 'r')
  const range = (start: number, end: number): Promise<Uint8Array> => Promise.resolve(readAtSync(fd, start, end - start))
  return { source: { size: fstatSync(fd).size, range, blockBytes: LOCAL_BLOCK_BYTES }, close: () => closeSync(fd) }
}
