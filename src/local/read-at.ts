import { constants, readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

/*
 * One read may return fewer bytes than requested, even in the middle of a file: FUSE file systems and network mounts do
 * that. These functions continue until they have every byte or reach the end of the file.
 */

/** Opens a file that a listing has found. If a link has taken its place, this fails; a fifo does not make it wait. */
export const AS_LISTED = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

type Reader = Pick<FileHandle, 'read'>

/** Maximum bytes of one read: Node ends the process when it is asked for 2 GiB or more. */
const MAX_READ_BYTES = 1024 * 1024 * 1024

/**
 * Fills `buffer` with the bytes from `offset` on. Returns the number of bytes read, which is less than the buffer's
 * length only at the end of the file.
 */
export async function readInto(file: Reader, buffer: Uint8Array, offset: number): Promise<number> {
  let count = 0
  while (count < buffer.length) {
    const { bytesRead } = await file.read(buffer, count, Math.min(buffer.length - count, MAX_READ_BYTES), offset + count)
    if (bytesRead === 0) break
    count += bytesRead
  }
  return count
}

/** The bytes [offset, offset + length) of a file; fewer only at its end. */
export async function readAt(file: Reader, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  return buffer.subarray(0, await readInto(file, buffer, offset))
}

/** `readInto` for a file descriptor. */
export function readIntoSync(fd: number, buffer: Uint8Array, offset: number): number {
  let count = 0
  while (count < buffer.length) {
    const bytesRead = readSync(fd, buffer, count, Math.min(buffer.length - count, MAX_READ_BYTES), offset + count)
    if (bytesRead === 0) break
    count += bytesRead
  }
  return count
}

/** `readAt` for a file descriptor. */
export function readAtSync(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(length)
  return buffer.subarray(0, readIntoSync(fd, buffer, offset))
}
