/** TensorFlow Lite models, byte by byte: FlatBuffers with 8 bytes for each field. */

type Value = undefined | number | Uint8Array | Int32Array | readonly Table[]
/** The values of its fields: a number, or a list of bytes, of numbers or of tables. */
export interface Table {
  fields: readonly Value[]
}

export const table = (...fields: Value[]): Table => ({ fields })

class FlatWriter {
  private bytes = Buffer.alloc(0)

  /** Returns the place of the bytes. */
  private put(bytes: Uint8Array): number {
    const at = this.bytes.length
    this.bytes = Buffer.concat([this.bytes, bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
    return at
  }

  private link(place: number, target: number): void {
    this.bytes.writeUInt32LE(target - place, place)
  }

  private table({ fields }: Table): number {
    const vtable = Buffer.alloc(4 + 2 * fields.length)
    vtable.writeUInt16LE(vtable.length, 0)
    vtable.writeUInt16LE(8 + 8 * fields.length, 2)
    fields.forEach((value, i) => vtable.writeUInt16LE(value === undefined ? 0 : 8 + 8 * i, 4 + 2 * i))
    const vtableAt = this.put(vtable)
    const at = this.put(Buffer.alloc(8 + 8 * fields.length))
    this.bytes.writeInt32LE(at - vtableAt, at)
    for (const [i, value] of fields.entries()) {
      const place = at + 8 + 8 * i
      if (typeof value === 'number') this.bytes.writeBigUInt64LE(BigInt(value), place)
      else if (value instanceof Uint8Array) this.link(place, this.list(value, 1))
      else if (value instanceof Int32Array) this.link(place, this.list(new Uint8Array(value.buffer), 4))
      else if (value !== undefined) this.link(place, this.tables(value))
    }
    return at
  }

  private list(bytes: Uint8Array, itemBytes: number): number {
    const count = Buffer.alloc(4)
    count.writeUInt32LE(bytes.length / itemBytes)
    return this.put(Buffer.concat([count, bytes]))
  }

  private tables(tables: readonly Table[]): number {
    const at = this.list(Buffer.alloc(4 * tables.length), 4)
    for (const [i, one] of tables.entries()) this.link(at + 4 + 4 * i, this.table(one))
    return at
  }

  file(root: Table, identifier: string): Buffer {
    this.put(Buffer.concat([Buffer.alloc(4), Buffer.from(identifier)]))
    this.link(0, this.table(root))
    return this.bytes
  }
}

export function tensor(name: string, type: number, shape: readonly number[], buffer: number, ...more: Value[]): Table {
  return table(Int32Array.from(shape), type, buffer, Buffer.from(name), ...more)
}

export function tflite(tensors: readonly Table[], buffers: readonly Table[], more: Uint8Array = Buffer.alloc(0)): Buffer {
  const model = table(3, undefined, [table(tensors)], Buffer.from('made by hand'), buffers)
  return Buffer.concat([new FlatWriter().file(model, 'TFL3'), more])
}
