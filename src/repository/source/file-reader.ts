import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Chunker } from '../../chunking/chunker.ts'
import { type CutChunk, cutTensors, type ReadNext } from '../../chunking/cut-tensors.ts'
import { findTensors, mayHaveTensors, SNIFFED_BYTES } from '../../chunking/tensor-layout.ts'
import { fingerprintOf, sameFingerprint, type Fingerprint } from '../../local/fingerprint.ts'
import { HoleReader } from '../../local/hole-reader.ts'
import { AS_LISTED, readAtSync } from '../../local/read-at.ts'
import { readSmallFile } from '../../local/small-file.ts'
import { errnoOf } from '../../util/errors.ts'
import { fsPath } from '../../util/paths.ts'
import { formatCount, plural } from '../../util/words.ts'

/** A file was written to, replaced or truncated while it was being read. */
export class FileChangedError extends Error {}

/**
 * A file was only appended to while it was being read, as far as its size and inode tell: all of the bytes that it had
 * before have been yielded.
 */
export class FileGrewError extends FileChangedError {}

export interface FileChunk extends CutChunk {
  id: Buffer
  /** Offset of the chunk in the file. */
  offset: number
}

export interface ReadingRules {
  /**
   * True: the bytes that a growing file has in the state `expected` are yielded, and no byte after them. Throws
   * `FileGrewError` at their end if the file has more by then. Whether they stayed as they were is not known.
   */
  mayGrow?: boolean
}

/**
 * Reads a file once, front to back, and yields its chunks. Throws `FileChangedError` if the file is not in the state
 * `expected` before or after the reading.
 */
export async function* readFileChunks(
  localPath: string,
  expected: Fingerprint,
  chunker: Chunker,
  { mayGrow = false }: ReadingRules = {},
): AsyncGenerator<FileChunk, void> {
  const isSmall = expected.size <= SMALL_FILE_BYTES
  const file = isSmall ? openSynchronous(localPath) : await openAsynchronous(localPath)
  const hasGrown = (found: Fingerprint): boolean => mayGrow && isGrown(found, expected)
  try {
    // for a small file the check afterwards is enough: it covers the time since the first byte was read
    const before = isSmall ? expected : await file.fingerprint()
    if (!hasGrown(before)) checkUnchanged(before, expected)
    let offset = 0
    const read = mayGrow ? upTo(expected.size, file) : file
    for await (const { bytes, place } of cutFile(read, localPath, expected.size, chunker)) {
      yield { id: chunker.idOf(bytes), bytes, offset, place }
      offset += bytes.length
    }
    const after = await file.fingerprint()
    if (hasGrown(after) && offset === expected.size) throw new FileGrewError(changedText(after, expected))
    checkUnchanged(after, expected)
    // such as a file of the kernel, which makes its content when it is read
    if (offset !== expected.size)
      throw new FileChangedError(`${plural(offset, 'byte was', 'bytes were')} read, but its size is ${formatCount(expected.size)}`)
  } catch (error) {
    // a file that can't be read may have become something else, such as a pipe
    if (errnoOf(error) !== undefined) checkUnchanged(await file.fingerprint(), expected)
    throw error
  } finally {
    await file.close()
  }
}

/** Cuts a file around its tensors, or by its content if it has none. */
async function* cutFile(file: OpenFile, path: string, size: number, chunker: Chunker): AsyncGenerator<CutChunk, void> {
  chunker.reset()
  const buffer = chunker.buffer()
  let count = await file.read(buffer, 0)
  const sniffed = Math.min(size, SNIFFED_BYTES)
  const start = count < sniffed ? file.readAt(0, sniffed) : buffer.subarray(0, sniffed)
  const place = { path, readBeside: readSmallFile }
  const spans = mayHaveTensors(start, size, place)
    ? await findTensors(size, async (offset, length) => file.readAt(offset, length), place)
    : undefined
  if (spans !== undefined) {
    yield* cutTensors(spans, size, sequentialRead(file), chunker)
    return
  }
  for (let position = count, final = false; !final; position += count) {
    // no read behind the expected end: the fingerprint shows whether the file has grown
    final = count === 0 || position >= size
    for (const bytes of chunker.filled(count, final)) yield { bytes, place: undefined }
    count = final ? 0 : await file.read(chunker.buffer(), position)
  }
}

function sequentialRead(file: OpenFile): ReadNext {
  let position = 0
  return async buffer => {
    const count = await file.read(buffer, position)
    position += count
    return count
  }
}

function checkUnchanged(found: Fingerprint, expected: Fingerprint): void {
  if (!sameFingerprint(found, expected)) throw new FileChangedError(changedText(found, expected))
}

function changedText(found: Fingerprint, expected: Fingerprint): string {
  const sizes = found.size === expected.size ? '' : `: it had ${plural(expected.size, 'byte')} and now has ${formatCount(found.size)}`
  return `it changed while it was being read${sizes}`
}

/** Whether a file may be the one that was expected, with something appended. */
function isGrown(found: Fingerprint, expected: Fingerprint): boolean {
  return found.inode === expected.inode && found.device === expected.device && found.size > expected.size
}

/** A file that ends at `size`, whatever it has there. */
function upTo(size: number, file: OpenFile): OpenFile {
  return {
    ...file,
    read: (buffer, position) => file.read(buffer.subarray(0, Math.max(0, size - position)), position),
  }
}

/**
 * Files up to this size are read with synchronous calls. On a local disk they take a tenth of the time, and they block
 * for well under a millisecond.
 */
const SMALL_FILE_BYTES = 256 * 1024

interface OpenFile {
  fingerprint(): Fingerprint | Promise<Fingerprint>
  read(buffer: Uint8Array, position: number): number | Promise<number>
  /** Reads headers synchronously, which is the fastest for a few bytes. Returns fewer bytes at the end of the file. */
  readAt(offset: number, length: number): Uint8Array
  close(): void | Promise<void>
}

function openSynchronous(localPath: string): OpenFile {
  const fd = openSync(fsPath(localPath), AS_LISTED)
  return {
    fingerprint: () => fingerprintOf(fstatSync(fd, { bigint: true })),
    read: (buffer, position) => readSync(fd, buffer, 0, buffer.length, position),
    readAt: (offset, length) => readAtSync(fd, offset, length),
    close: () => closeSync(fd),
  }
}

async function openAsynchronous(localPath: string): Promise<OpenFile> {
  const file = await open(fsPath(localPath), AS_LISTED)
  const read = async (buffer: Uint8Array, position: number): Promise<number> =>
    (await file.read(buffer, 0, buffer.length, position)).bytesRead
  const holes = HoleReader.open(file.fd, read)
  return {
    fingerprint: async () => fingerprintOf(await file.stat({ bigint: true })),
    read: holes ? (buffer, position) => holes.read(buffer, position) : read,
    readAt: (offset, length) => readAtSync(file.fd, offset, length),
    close: () => {
      holes?.close()
      return file.close()
    },
  }
}
