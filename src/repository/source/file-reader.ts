import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Chunker } from '../../chunking/chunker.ts'
import { type CutChunk, cutTensors, type TensorPlace } from '../../chunking/cut-tensors.ts'
import { findTensors, mayHaveTensors, SNIFFED_BYTES } from '../../chunking/tensor-layout.ts'
import { fingerprintOf, sameFingerprint, type Fingerprint } from '../../local/fingerprint.ts'
import { readAtSync } from '../../local/read-at.ts'
import { errnoOf } from '../../util/errors.ts'
import { sha256 } from '../../util/hash.ts'
import { fsPath } from '../../util/paths.ts'

/** A file that was written to, replaced or cut while it was being read. */
export class FileChangedError extends Error {}

export type OnChunk = (id: Buffer, bytes: Uint8Array, place: TensorPlace | undefined) => Promise<void> | void

/**
 * Reads a file once, front to back, and gives `onChunk` each chunk with its id, and its place where it is part of a tensor; the bytes are valid until the
 * promise that it returns resolves. Resolves with the ids (32 bytes each). Throws `FileChangedError` when the file is not the one of `expected` before or after
 * the reading. Without `tensors` it is cut by its content alone, whatever it is.
 */
export async function readFileChunks(
  localPath: string,
  expected: Fingerprint,
  chunker: Chunker,
  onChunk: OnChunk,
  tensors = true,
): Promise<Buffer> {
  const small = expected.size <= SMALL_FILE_BYTES
  const file = small ? openNow(localPath) : await openFile(localPath)
  try {
    // of a small one it is enough to look when it has been read: what it is then it was since before the first byte
    if (!small) checkUnchanged(await file.fingerprint(), expected)
    const ids: Buffer[] = []
    let total = 0
    for await (const { bytes, place } of chunksOf(file, expected.size, chunker, tensors)) {
      total += bytes.length
      const id = sha256(bytes)
      ids.push(id)
      await onChunk(id, bytes, place)
    }
    if (total !== expected.size) throw new FileChangedError(`it has ${total} bytes, not the ${expected.size} it had when it was listed`)
    checkUnchanged(await file.fingerprint(), expected)
    return Buffer.concat(ids)
  } catch (error) {
    // what can't be read may be something else by now, such as a pipe
    if (errnoOf(error) !== undefined) checkUnchanged(await file.fingerprint(), expected)
    throw error
  } finally {
    await file.close()
  }
}

/** Files with tensors are cut around those, all others by their content. */
async function* chunksOf(file: OpenFile, size: number, chunker: Chunker, tensors: boolean): AsyncGenerator<CutChunk> {
  chunker.reset()
  let position = 0
  const readOn = async (buffer: Uint8Array): Promise<number> => {
    const count = await file.read(buffer, position)
    position += count
    return count
  }
  const buffer = chunker.buffer()
  let count = await readOn(buffer)
  const start = count < SNIFFED_BYTES ? file.readAt(0, Math.min(size, SNIFFED_BYTES)) : buffer.subarray(0, SNIFFED_BYTES)
  const spans =
    tensors && mayHaveTensors(start, size) ? await findTensors(size, async (offset, length) => file.readAt(offset, length)) : undefined
  if (spans !== undefined) {
    position = 0
    yield* cutTensors(spans, size, readOn, chunker)
    return
  }
  for (let final = false; !final;) {
    // a file that has all its bytes is not asked for more: that it did not grow shows in the second look at its fingerprint
    final = count === 0 || position >= size
    for (const bytes of chunker.filled(count, final)) yield { bytes, place: undefined }
    if (!final) count = await readOn(chunker.buffer())
  }
}

function checkUnchanged(found: Fingerprint, expected: Fingerprint): void {
  if (!sameFingerprint(found, expected)) throw new FileChangedError('it changed while it was being read')
}

/** Up to this size a file is read with synchronous calls: on a local disk they take a tenth of the time, and block for well under a millisecond. */
const SMALL_FILE_BYTES = 256 * 1024
/** A symlink or a pipe that has taken the place of a file since the listing is neither followed nor waited for. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

interface OpenFile {
  fingerprint(): Fingerprint | Promise<Fingerprint>
  read(buffer: Uint8Array, position: number): number | Promise<number>
  /** For headers: a few bytes here and there, which synchronous calls read in a tenth of the time. Fewer bytes where the file ends before. */
  readAt(offset: number, length: number): Uint8Array
  close(): void | Promise<void>
}

function openNow(localPath: string): OpenFile {
  const fd = openSync(fsPath(localPath), FLAGS)
  return {
    fingerprint: () => fingerprintOf(fstatSync(fd, { bigint: true })),
    read: (buffer, position) => readSync(fd, buffer, 0, buffer.length, position),
    readAt: (offset, length) => readAtSync(fd, offset, length),
    close: () => closeSync(fd),
  }
}

async function openFile(localPath: string): Promise<OpenFile> {
  const file = await open(fsPath(localPath), FLAGS)
  return {
    fingerprint: async () => fingerprintOf(await file.stat({ bigint: true })),
    read: async (buffer, position) => (await file.read(buffer, 0, buffer.length, position)).bytesRead,
    readAt: (offset, length) => readAtSync(file.fd, offset, length),
    close: () => file.close(),
  }
}
