import type { ReadAt } from '../../../src/chunking/tensor-layout.ts'

/** A reader of bytes in memory that counts what it was asked for. */
export function reading(bytes: Uint8Array): { read: ReadAt; asked: () => number } {
  let asked = 0
  return {
    asked: () => asked,
    read: async (offset, length) => {
      if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0)
        throw new RangeError('a senseless read')
      asked += length
      return bytes.subarray(offset, offset + length)
    },
  }
}

export interface Entry {
  name: string
  dtype: string
  shape: number[]
  data: Uint8Array
}

export function safetensors(entries: readonly Entry[]): Buffer {
  let end = 0
  const header = entries.map(({ name, dtype, shape, data }) => [name, { dtype, shape, data_offsets: [end, (end += data.length)] }] as const)
  const metadata = ['__metadata__', { format: 'pt', 'a "quoted" [{key': 'value' }] as const
  return rawSafetensors(JSON.stringify(Object.fromEntries<unknown>([metadata, ...header])), Buffer.concat(entries.map(({ data }) => data)))
}

export function rawSafetensors(header: string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const text = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8))
  return Buffer.concat([u64(text.length), text, data])
}

export function npy(header: string, data: Uint8Array, version = 1): Buffer {
  const text = Buffer.from(`${header}\n`, 'latin1')
  const length = version === 1 ? u16(text.length) : u32(text.length)
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.from([version, 0]), length, text, data])
}

export function npyHeader(descr: string, shape: string): string {
  return `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`
}

export interface Member {
  name: string
  data: Uint8Array
  method?: number
  flags?: number
  /** Bytes of padding in the local header alone, as PyTorch aligns. */
  padding?: number
  /** Sizes and offset stand in the ZIP64 extra field. */
  wide?: boolean
}

export function zip(members: readonly Member[], { wide = false, comment = '' } = {}): Buffer {
  const parts: Buffer[] = []
  const central: Buffer[] = []
  let position = 0
  const add = (...more: Buffer[]) => {
    for (const part of more) position += part.length
    parts.push(...more)
  }
  for (const { name, data, method = 0, flags = 0x808, padding = 0, wide: wideMember = false } of members) {
    const at = position
    const text = Buffer.from(name)
    const size = wideMember ? 0xffffffff : data.length
    const common = [u16(20), u16(flags), u16(method), Buffer.alloc(8)]
    const extra = wideMember
      ? Buffer.concat([u16(0x7075), u16(1), u16(1).subarray(1), u16(1), u16(24), u64(data.length), u64(data.length), u64(at)])
      : Buffer.alloc(0)
    add(
      Buffer.from('PK\x03\x04', 'latin1'),
      ...common,
      u32(0),
      u32(0),
      u16(text.length),
      u16(padding),
      text,
      Buffer.alloc(padding, 'Z'),
      Buffer.from(data),
    )
    // the data descriptor that follows streamed members
    if ((flags & 8) !== 0) add(Buffer.from('PK\x07\x08', 'latin1'), Buffer.alloc(12))
    central.push(Buffer.from('PK\x01\x02', 'latin1'), u16(20), ...common, u32(size), u32(size), u16(text.length), u16(extra.length))
    central.push(Buffer.alloc(10), u32(wideMember ? 0xffffffff : at), text, extra)
  }
  const directory = Buffer.concat(central)
  const directoryAt = position
  add(directory)
  if (wide) {
    const endAt = position
    add(
      Buffer.from('PK\x06\x06', 'latin1'),
      u64(44),
      Buffer.alloc(12),
      u64(members.length),
      u64(members.length),
      u64(directory.length),
      u64(directoryAt),
    )
    add(Buffer.from('PK\x06\x07', 'latin1'), u32(0), u64(endAt), u32(1))
  }
  const count = u16(wide ? 0xffff : members.length)
  const [length, offset] = wide ? [0xffffffff, 0xffffffff] : [directory.length, directoryAt]
  add(Buffer.from('PK\x05\x06', 'latin1'), u32(0), count, count, u32(length), u32(offset), u16(comment.length), Buffer.from(comment))
  return Buffer.concat(parts)
}

export interface GgufTensor {
  name: string
  shape: number[]
  type: number
  data: Uint8Array
}

export function gguf(tensors: readonly GgufTensor[], { version = 3, alignment = 32, vocabulary = 3 } = {}): Buffer {
  const values = [
    Buffer.concat([text('general.name'), u32(8), text('tiny')]),
    Buffer.concat([text('general.alignment'), u32(4), u32(alignment)]),
    Buffer.concat([text('scores'), u32(9), u32(6), u64(3), Buffer.alloc(12)]),
    Buffer.concat([text('tokens'), u32(9), u32(8), u64(vocabulary), ...Array.from({ length: vocabulary }, (_, i) => text(`token ${i}`))]),
    Buffer.concat([text('nested'), u32(9), u32(9), u64(1), u32(0), u64(2), Buffer.alloc(2)]),
    Buffer.concat([text('flag'), u32(7), Buffer.of(1)]),
  ]
  let offset = 0
  const data: Buffer[] = []
  const infos = tensors.map(tensor => {
    // the dimension whose elements lie side by side comes first
    const info = [text(tensor.name), u32(tensor.shape.length), ...tensor.shape.toReversed().map(u64), u32(tensor.type), u64(offset)]
    data.push(padded(Buffer.from(tensor.data), alignment))
    offset += data.at(-1)!.length
    return Buffer.concat(info)
  })
  const header = Buffer.concat([Buffer.from('GGUF'), u32(version), u64(tensors.length), u64(values.length), ...values, ...infos])
  return Buffer.concat([padded(header, alignment), ...data])
}

function padded(bytes: Buffer, alignment: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
