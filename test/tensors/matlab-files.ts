import { deflateSync } from 'node:zlib'

/** A MAT-file of version 5, as its specification describes it. */
export class MatlabWriter {
  private readonly bigEndian: boolean

  constructor({ bigEndian = false } = {}) {
    this.bigEndian = bigEndian
  }

  file(...variables: readonly Buffer[]): Buffer {
    const header = Buffer.alloc(128, ' ')
    header.write('MATLAB 5.0 MAT-file, Platform: none')
    header.fill(0, 116, 124)
    header.set(this.numbers(2, 0x0100), 124)
    header.write(this.bigEndian ? 'MI' : 'IM', 126)
    return Buffer.concat([header, ...variables])
  }

  numbers(width: number, ...values: readonly number[]): Buffer {
    return Buffer.concat(
      values.map(value => {
        const bytes = Buffer.alloc(width)
        if (this.bigEndian) bytes.writeUIntBE(value, 0, width)
        else bytes.writeUIntLE(value, 0, width)
        return bytes
      }),
    )
  }

  /** An element of up to 4 bytes lies in its tag. */
  element(type: number, data: Uint8Array): Buffer {
    if (data.length > 0 && data.length <= 4) {
      const tag = this.numbers(4, data.length * 65536 + type)
      return Buffer.concat([tag, data, Buffer.alloc(4 - data.length)])
    }
    return Buffer.concat([this.numbers(4, type, data.length), data, Buffer.alloc((8 - (data.length % 8)) % 8)])
  }

  /** An array of a class. `parts` are the elements behind its name. */
  array(kind: number, name: string, shape: readonly number[], parts: readonly Buffer[], flags = 0): Buffer {
    const head = [this.element(6, this.numbers(4, kind + 256 * flags, 0)), this.element(5, this.numbers(4, ...shape))]
    return this.element(14, Buffer.concat([...head, this.element(1, Buffer.from(name)), ...parts]))
  }

  /** One struct with these fields, which are arrays without names. */
  struct(name: string, fields: Readonly<Record<string, Buffer>>): Buffer {
    const names = Buffer.concat(Object.keys(fields).map(field => Buffer.from(field.padEnd(8, '\0'))))
    return this.array(2, name, [1, 1], [this.element(5, this.numbers(4, 8)), this.element(1, names), ...Object.values(fields)])
  }

  compressed(variable: Uint8Array): Buffer {
    const bytes = deflateSync(variable)
    return Buffer.concat([this.numbers(4, 15, bytes.length), bytes])
  }
}
