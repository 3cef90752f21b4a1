/*
 * Cuts streams into chunks by their content, and around tensors. It neither stores nor compresses chunks.
 */

import { findCut, MAX_CHUNK, type FastCdcKernel } from '../kernels/fastcdc.ts'
import { loadFastCdc } from '../kernels/load-fastcdc.ts'
import type { ChunkKeys } from '../util/chunk-keys.ts'

/** The least free space that `buffer` returns, in bytes. */
const MIN_FREE = 1024 * 1024
const ZEROS = Buffer.alloc(MAX_CHUNK)

/**
 * Cuts streams of bytes into content-defined chunks of 16 to 256 KiB; the last one may be shorter. It copies nothing:
 * file data is read straight into the kernel's window. The cuts depend on the bytes and the keys alone, never on how
 * the bytes arrive. One instance serves any number of files of one repository, one after the other.
 *
 *     do {
 *       read = await file.read(chunker.buffer())
 *       for (const chunk of chunker.filled(read, read === 0)) ...
 *     } while (read > 0)
 */
export class Chunker {
  private readonly keys: ChunkKeys
  private readonly kernel: FastCdcKernel
  private idOfZeros: Buffer | undefined
  /** Whether the longest chunk of zeros is one that the kernel would cut. There are gear tables for which it is not. */
  private cutsZerosLast: boolean | undefined
  /** The window's bytes [start, end) are not in any chunk yet. */
  private start = 0
  private end = 0
  private ahead = new Uint8Array(0)

  constructor(keys: ChunkKeys, kernel = loadFastCdc(keys.gear)) {
    this.keys = keys
    this.kernel = kernel
  }

  /** The id of a chunk. A hole is read as longest chunks of zeros; to compare one takes a twentieth of the time. */
  idOf(bytes: Uint8Array): Buffer {
    if (bytes[0] !== 0 || bytes.length !== MAX_CHUNK || Buffer.compare(bytes, ZEROS) !== 0) return this.keys.idOf(bytes)
    return (this.idOfZeros ??= this.keys.idOf(ZEROS))
  }

  /** At least 1 MiB of memory for the next bytes of the file. Chunks returned before are no longer valid. */
  buffer(): Uint8Array {
    const { window } = this.kernel
    if (this.start === this.end) this.reset()
    if (window.length - this.end < MIN_FREE) {
      window.copyWithin(0, this.start, this.end)
      this.end -= this.start
      this.start = 0
    }
    return this.end === 0 ? window : window.subarray(this.end)
  }

  /**
   * The chunks that are complete after `count` bytes were read to the front of `buffer()`. They are views in file
   * order, valid until the next call of `buffer`. Copy a chunk before posting it to another thread: posting a view
   * transfers the whole window. `final` says that these bytes (perhaps none) are the last of the file; the next bytes
   * begin another file. An empty file has no chunks.
   */
  filled(count: number, final: boolean): Uint8Array[] {
    const { kernel } = this
    if (count < 0 || count > kernel.window.length - this.end)
      throw new RangeError(`${count} bytes can't be in a buffer of ${kernel.window.length - this.end}`)
    this.end += count
    const chunks = this.zeros()
    const cuts = kernel.findCuts(this.start, this.end, final)
    for (let i = 0; i < cuts; i++) {
      const cut = kernel.cuts[i]!
      chunks.push(kernel.window.subarray(this.start, cut))
      this.start = cut
    }
    return chunks
  }

  /** The longest chunks of zeros at the front, as the kernel would cut them, in a tenth of its time. */
  private zeros(): Uint8Array[] {
    const chunks: Uint8Array[] = []
    for (let cut = this.start + MAX_CHUNK; cut <= this.end; cut += MAX_CHUNK) {
      const chunk = this.kernel.window.subarray(this.start, cut)
      if (chunk[0] !== 0 || Buffer.compare(chunk, ZEROS) !== 0) break
      this.cutsZerosLast ??= findCut(ZEROS, 0, MAX_CHUNK, true, this.keys.gear) === MAX_CHUNK
      if (!this.cutsZerosLast) break
      chunks.push(chunk)
      this.start = cut
    }
    return chunks
  }

  /** A buffer of `bytes` bytes, separate from the window, to read ahead in a file. All files share it. */
  aheadBuffer(bytes: number): Uint8Array {
    if (this.ahead.length < bytes) this.ahead = new Uint8Array(bytes)
    return this.ahead.subarray(0, bytes)
  }

  /** Discards the bytes of a file that could not be read to its end. */
  reset(): void {
    this.start = this.end = 0
  }
}
