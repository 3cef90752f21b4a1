/*
 * FlatBuffers (https://flatbuffers.dev/internals/): tables whose fields lie anywhere in the file.
 */

import type { PagedBytes } from './paged-bytes.ts'
import { asCount, refuse } from './span.ts'

const MIN_VTABLE_BYTES = 4

/** A list of items of a fixed length. */
export interface Vector {
  /** Offset of the first item in the file. */
  offset: number
  count: number
}

export class FlatTable {
  readonly file: PagedBytes
  private readonly offset: number
  private readonly vtable: Buffer

  private constructor(file: PagedBytes, offset: number, vtable: Buffer) {
    this.file = file
    this.offset = offset
    this.vtable = vtable
  }

  /** The table that the offset at this place leads to. */
  static async follow(file: PagedBytes, at: number): Promise<FlatTable> {
    const offset = asCount(at + (await file.take(at, 4)).readUInt32LE())
    const vtableAt = asCount(offset - (await file.take(offset, 4)).readInt32LE())
    const length = (await file.take(vtableAt, MIN_VTABLE_BYTES)).readUInt16LE()
    if (length < MIN_VTABLE_BYTES) refuse('a table has no fields')
    return new FlatTable(file, offset, await file.take(vtableAt, length))
  }

  /** Where a field lies; undefined for one that is not there. */
  place(field: number): number | undefined {
    const at = MIN_VTABLE_BYTES + 2 * field
    const distance = at + 2 <= this.vtable.length ? this.vtable.readUInt16LE(at) : 0
    return distance === 0 ? undefined : this.offset + distance
  }

  async uint(field: number, width: 1 | 4 | 8): Promise<number> {
    const at = this.place(field)
    if (at === undefined) return 0
    const bytes = await this.file.take(at, width)
    return asCount(width === 8 ? Number(bytes.readBigUInt64LE()) : bytes.readUIntLE(0, width))
  }

  /** A list of items of so many bytes; empty if it is not there. */
  async vector(field: number, itemBytes: number): Promise<Vector> {
    const at = this.place(field)
    if (at === undefined) return { offset: 0, count: 0 }
    const offset = asCount(at + (await this.file.take(at, 4)).readUInt32LE())
    const count = (await this.file.take(offset, 4)).readUInt32LE()
    if (offset + 4 + count * itemBytes > this.file.size) refuse('a list is longer than the file')
    return { offset: offset + 4, count }
  }

  async text(field: number, most: number): Promise<string> {
    const { offset, count } = await this.vector(field, 1)
    if (count > most) refuse('a text is absurdly long')
    return (await this.file.take(offset, count)).toString('utf8')
  }

  /** The tables of a list. */
  async *tables(field: number): AsyncGenerator<FlatTable, void> {
    const { offset, count } = await this.vector(field, 4)
    for (let i = 0; i < count; i++) yield FlatTable.follow(this.file, offset + 4 * i)
  }
}
