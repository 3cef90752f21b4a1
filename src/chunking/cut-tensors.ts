import type { Chunker } from './chunker.ts'
import { TENSOR_CHUNK_BYTES, tensorCuts } from './layouts/cuts.ts'
import type { TensorSpan } from './layouts/span.ts'

/** Reads the next bytes of a file to the front of `buffer`. Returns how many; 0 at the end of the file. */
export type ReadNext = (buffer: Uint8Array) => number | Promise<number>

/** The position of a chunk in a tensor. */
export interface TensorPlace {
  tensor: TensorSpan
  /** Bytes from the tensor's beginning: a multiple of `TENSOR_CHUNK_BYTES`. */
  offset: number
}

export interface CutChunk {
  /** Valid until the next chunk is requested. */
  bytes: Uint8Array
  /** Undefined for bytes between tensors. */
  place: TensorPlace | undefined
}

/** The size of the read-ahead buffer. */
const AHEAD_BYTES = 2 * TENSOR_CHUNK_BYTES

/**
 * Reads a file of `size` bytes with these tensors from front to back and cuts it: tensors as `tensorCuts` says, the
 * bytes between them by content. Ends early if the file does.
 */
export async function* cutTensors(
  spans: readonly TensorSpan[],
  size: number,
  readOn: ReadNext,
  chunker: Chunker,
): AsyncGenerator<CutChunk> {
  const ahead = new ReadAhead(chunker.aheadBuffer(AHEAD_BYTES), size, readOn)
  for (const { kind, length, ...segment } of tensorCuts(spans, size)) {
    if (kind === 'tensor') {
      const { tensor, offset } = segment as { tensor: TensorSpan; offset: number }
      const bytes = await ahead.take(length)
      if (bytes.length < length) return
      yield { bytes, place: { tensor, offset: offset - tensor.offset } }
      continue
    }
    chunker.reset()
    for (let left = length; left > 0;) {
      const bytes = await ahead.take(Math.min(left, TENSOR_CHUNK_BYTES))
      if (bytes.length === 0) return
      chunker.buffer().set(bytes)
      left -= bytes.length
      for (const chunk of chunker.filled(bytes.length, left === 0)) yield { bytes: chunk, place: undefined }
    }
  }
}

/** Reads a file in large pieces and returns small ones: a file may have a hundred thousand tensors. */
class ReadAhead {
  private readonly buffer: Uint8Array
  private readonly readOn: ReadNext
  private start = 0
  private end = 0

  constructor(memory: Uint8Array, size: number, readOn: ReadNext) {
    this.buffer = memory.subarray(0, size)
    this.readOn = readOn
  }

  /** The next `length` bytes; fewer at the end of the file. Valid until the next call. */
  async take(length: number): Promise<Uint8Array> {
    if (this.end - this.start < length) {
      this.buffer.copyWithin(0, this.start, this.end)
      this.end -= this.start
      this.start = 0
    }
    while (this.end - this.start < length) {
      const count = await this.readOn(this.buffer.subarray(this.end))
      if (count === 0) break
      this.end += count
    }
    const bytes = this.buffer.subarray(this.start, Math.min(this.end, this.start + length))
    this.start += bytes.length
    return bytes
  }
}
