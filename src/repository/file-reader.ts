import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Chunker } from '../chunking/chunker.ts'
import { sha256 } from '../util/hash.ts'
import { fsPath } from '../util/paths.ts'
import { fingerprintOf, sameFingerprint, type Fingerprint } from './walk.ts'

/** A file that was written to, replaced or cut while it was being read. */
export class FileChangedError extends Error {}

/**
 * Reads a file once, front to back, and gives `onChunk` each chunk with its id; the bytes are valid until the promise that it returns resolves. Resolves
 * with the ids (32 bytes each). Throws `FileChangedError` when the file is not the one of `expected` before or after the reading.
 */
export async function readFileChunks(
  localPath: string,
  expected: Fingerprint,
  chunker: Chunker,
  onChunk: (id: Buffer, bytes: Uint8Array) => Promise<void> | void,
): Promise<Buffer> {
  const small = expected.size <= SMALL_FILE_BYTES
  const file = small ? openNow(localPath) : await openFile(localPath)
  try {
    checkUnchanged(await file.fingerprint(), expected)
    const ids: Buffer[] = []
    let total = 0
    chunker.reset()
    for (let final = false; !final;) {
      const room = chunker.buffer()
      const bytesRead = await file.read(room)
      total += bytesRead
      // a file that has all its bytes is not asked for more: that it did not grow shows in the second look at its fingerprint
      final = bytesRead === 0 || total >= expected.size
      for (const bytes of chunker.filled(bytesRead, final)) {
        const id = sha256(bytes)
        ids.push(id)
        await onChunk(id, bytes)
      }
    }
    if (total !== expected.size) throw new FileChangedError(`it has ${total} bytes, not the ${expected.size} it had when it was listed`)
    checkUnchanged(await file.fingerprint(), expected)
    return Buffer.concat(ids)
  } finally {
    await file.close()
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
  read(room: Uint8Array): number | Promise<number>
  close(): void | Promise<void>
}

function openNow(localPath: string): OpenFile {
  const fd = openSync(fsPath(localPath), FLAGS)
  return {
    fingerprint: () => fingerprintOf(fstatSync(fd, { bigint: true })),
    read: room => readSync(fd, room, 0, room.length, null),
    close: () => closeSync(fd),
  }
}

async function openFile(localPath: string): Promise<OpenFile> {
  const file = await open(fsPath(localPath), FLAGS)
  return {
    fingerprint: async () => fingerprintOf(await file.stat({ bigint: true })),
    read: async room => (await file.read(room, 0, room.length, null)).bytesRead,
    close: () => file.close(),
  }
}
