import type { FileHandle } from 'node:fs/promises'
import type { TensorPlace } from '../../chunking/cut-tensors.ts'
import { TENSOR_CHUNK_BYTES } from '../../chunking/layouts/cuts.ts'
import type { TensorSpan } from '../../chunking/tensor-layout.ts'
import { readAt, readInto } from '../../local/read-at.ts'
import { equalBytes } from '../../util/bytes.ts'
import type { FileSystem } from '../../util/file-system.ts'
import { HASH_BYTES, sha256 } from '../../util/hash.ts'
import { openOwnFile } from '../../util/small-file.ts'
import { chunkLength, type BaseFile } from './base-tensor.ts'

/*
 * tensors ... | table: JSON | footer: length of the table (u32), SHA-256 of the table, magic
 */
const MAGIC = Buffer.from('CET1')
const FOOTER_BYTES = 4 + HASH_BYTES + MAGIC.length
const MAX_TABLE_BYTES = 128 * 1024 * 1024
const BUFFER_BYTES = 1024 * 1024

/** An entry of the table. */
export interface CachedTensor extends Pick<TensorSpan, 'name' | 'width' | 'kind' | 'dtype' | 'length'> {
  offset: number
  /** base64 of the ids of its chunks. */
  ids: string
}

/** Writes tensors chunk by chunk. A tensor that does not fit as a whole is left out. */
export class CachedFileWriter {
  readonly path: string
  private readonly capacity: number
  private readonly fileSystem: FileSystem
  private fd: number | undefined
  private readonly buffer = Buffer.alloc(BUFFER_BYTES)
  private buffered = 0
  private written = 0
  private readonly table: CachedTensor[] = []
  private tensor: { span: TensorSpan; offset: number; ids: Buffer[] } | undefined

  constructor(path: string, capacity: number, fileSystem: FileSystem) {
    this.path = path
    this.capacity = capacity
    this.fileSystem = fileSystem
    this.fd = fileSystem.openSync(path, 'wx', 0o600)
  }

  /** Adds the next chunk of a tensor. The chunks of a tensor must come one after the other. */
  add(id: Uint8Array, bytes: Uint8Array, { tensor, offset }: TensorPlace): void {
    if (offset === 0) {
      this.endTensor()
      if (this.written + tensor.length <= this.capacity) this.tensor = { span: tensor, offset: this.written, ids: [] }
    }
    if (this.tensor?.span !== tensor) return
    this.tensor.ids.push(Buffer.from(id))
    this.write(bytes)
  }

  /** Ends the file. Returns false if it holds no tensor. */
  finish(): boolean {
    this.endTensor()
    const table = Buffer.from(JSON.stringify(this.table))
    const footer = Buffer.concat([Buffer.alloc(4), sha256(table), MAGIC])
    footer.writeUInt32LE(table.length)
    this.write(table)
    this.write(footer)
    this.flush()
    this.close()
    return this.table.length > 0
  }

  close(): void {
    const { fd } = this
    this.fd = undefined
    if (fd !== undefined) this.fileSystem.closeSync(fd)
  }

  private endTensor(): void {
    if (this.tensor) {
      const { span, offset, ids } = this.tensor
      const { name, width, kind, dtype, length } = span
      const whole = ids.length === Math.ceil(length / TENSOR_CHUNK_BYTES)
      if (whole)
        this.table.push({
          name,
          width,
          kind,
          ...(dtype === undefined ? {} : { dtype }),
          length,
          offset,
          ids: Buffer.concat(ids).toString('base64'),
        })
    }
    this.tensor = undefined
  }

  private write(bytes: Uint8Array): void {
    this.written += bytes.length
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(bytes.length - at, BUFFER_BYTES - this.buffered)
      this.buffer.set(bytes.subarray(at, at + count), this.buffered)
      this.buffered += count
      at += count
      if (this.buffered === BUFFER_BYTES) this.flush()
    }
  }

  private flush(): void {
    for (let at = 0; at < this.buffered;) at += this.fileSystem.writeSync(this.fd!, this.buffer, at, this.buffered - at)
    this.buffered = 0
  }
}

/** Opens a cached file. Throws if it is damaged or missing, or other users could have made it. */
export async function openCachedFile(path: string, fileSystem: FileSystem): Promise<BaseFile> {
  const file = await openOwnFile(path, fileSystem)
  try {
    const { size } = await file.stat()
    const tensors = (await readTable(file, size)).map(({ ids, offset, ...tensor }) => ({
      ...tensor,
      ids: Buffer.from(ids, 'base64'),
      read: async (chunk: number, buffer: Uint8Array) => {
        const bytes = buffer.subarray(0, chunkLength(tensor, chunk))
        return bytes.subarray(0, await readInto(file, bytes, offset + chunk * TENSOR_CHUNK_BYTES))
      },
    }))
    return { tensors, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readTable(file: FileHandle, size: number): Promise<CachedTensor[]> {
  const footer = await readAt(file, Math.max(0, size - FOOTER_BYTES), FOOTER_BYTES)
  const length = footer.length < FOOTER_BYTES ? Infinity : footer.readUInt32LE()
  if (length > Math.min(MAX_TABLE_BYTES, size - FOOTER_BYTES) || !MAGIC.equals(footer.subarray(36))) throw new Error('it is incomplete')
  const table = await readAt(file, size - FOOTER_BYTES - length, length)
  if (!equalBytes(sha256(table), footer.subarray(4, 36))) throw new Error('its checksum does not match')
  return JSON.parse(table.toString()) as CachedTensor[]
}
