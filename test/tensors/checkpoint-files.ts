import { field, message, varint } from './onnx-files.ts'

export interface Variable {
  name: string
  dataType: number
  shape: readonly number[]
  offset: number
  length: number
  shard?: number
}

/** A block of a table: each key without what it shares with the key before it. */
function block(entries: readonly (readonly [key: string, value: Uint8Array])[], compression = 0): Buffer {
  let last = ''
  const parts = entries.map(([key, value]) => {
    const shared = [...key].findIndex((letter, i) => letter !== last[i])
    const common = shared < 0 ? key.length : shared
    last = key
    return Buffer.concat([varint(common), varint(key.length - common), varint(value.length), Buffer.from(key.slice(common)), value])
  })
  // one restart, at the beginning
  const plain = Buffer.concat([...parts, Buffer.from([0, 0, 0, 0, 1, 0, 0, 0])])
  return Buffer.concat([compression === 1 ? snappy(plain) : plain, Buffer.from([compression, 0, 0, 0, 0])])
}

/** One literal, as Snappy writes what does not repeat. */
function snappy(plain: Buffer): Buffer {
  return Buffer.concat([varint(plain.length), Buffer.from([61 << 2, (plain.length - 1) & 0xff, (plain.length - 1) >> 8]), plain])
}

/** The index of a TensorFlow checkpoint: variables in ascending order of their names. */
export function checkpointIndex(variables: readonly Variable[], { shards = 1, bigEndian = 0, compression = 0, first = '' } = {}): Buffer {
  const entries = variables.map(({ name, dataType, shape, offset, length, shard = 0 }) => {
    const dimensions = field(2, message(...shape.map(size => field(2, field(1, size)))))
    const fields = [field(1, dataType), dimensions, field(3, shard), field(4, offset), field(5, length), Buffer.from([0x35, 1, 2, 3, 4])]
    return [name, message(...fields)] as const
  })
  const data = block([[first, message(field(1, shards), field(2, bigEndian))], ...entries], compression)
  const handle = (at: number, length: number): Buffer => Buffer.concat([varint(at), varint(length - 5)])
  const index = block([['~', handle(0, data.length)]])
  const filters = block([])
  const footer = Buffer.concat([handle(data.length + index.length, filters.length), handle(data.length, index.length), Buffer.alloc(40)])
  return Buffer.concat([data, index, filters, footer.subarray(0, 40), Buffer.from('57fb808b247547db', 'hex')])
}
