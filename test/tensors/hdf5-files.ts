/** HDF5 files, byte by byte: as old programs write them (symbol tables), and as new ones do (links in headers). */

const UNDEFINED = Buffer.alloc(8, 0xff)

export const u = (value: number, width: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes.subarray(0, width)
}

const address = (value: number | undefined): Buffer => (value === undefined ? UNDEFINED : u(value, 8))
const padded = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
const text = (value: string): Buffer => Buffer.from(value, 'latin1')

/** Datatype messages. */
export const F32 = Buffer.from('11201f000400000000002000170800177f000000', 'hex')
export const F32_BIG = Buffer.from('11211f000400000000002000170800177f000000', 'hex')
export const I16 = Buffer.from('100800000200000000001000', 'hex')
export const TEXT = Buffer.from('1300000005000000', 'hex')

export type Message = readonly [type: number, data: Uint8Array]

export const dataspace = (shape: readonly number[]): Message => [
  1,
  Buffer.concat([Buffer.from([1, shape.length, 0, 0]), u(0, 4), ...shape.map(count => u(count, 8))]),
]
export const datatype = (bytes: Uint8Array): Message => [3, bytes]
export const contiguous = (at: number | undefined, length: number): Message => [
  8,
  Buffer.concat([Buffer.from([3, 1]), address(at), u(length, 8)]),
]
export const compact = (data: Uint8Array): Message => [8, Buffer.concat([Buffer.from([3, 0]), u(data.length, 2), data])]
export const chunked = (tree: number, shape: readonly number[], item: number): Message => [
  8,
  Buffer.concat([Buffer.from([3, 2, shape.length + 1]), address(tree), ...[...shape, item].map(count => u(count, 4))]),
]
/** Chunks that an index lists: 3 for a fixed array, 4 for an extensible one, 5 for a tree. */
export const indexed = (kind: 3 | 4 | 5, index: number, shape: readonly number[], item: number): Message => [
  8,
  Buffer.concat([
    Buffer.from([4, 2, 0, shape.length + 1, 4]),
    ...[...shape, item].map(count => u(count, 4)),
    Buffer.from([kind]),
    Buffer.alloc({ 3: 1, 4: 5, 5: 6 }[kind]),
    address(index),
  ]),
]
/** Filters of a pipeline of version 1, with at most one value. */
export const filters = (...list: [id: number, value?: number][]): Message => [
  11,
  Buffer.concat([
    Buffer.from([1, list.length, 0, 0, 0, 0, 0, 0]),
    ...list.flatMap(([id, value]) => [
      u(id, 2),
      u(0, 2),
      u(1, 2),
      u(value === undefined ? 0 : 1, 2),
      value === undefined ? u(0, 0) : u(value, 8),
    ]),
  ]),
]
export const fill = (value: Uint8Array): Message => [5, Buffer.concat([Buffer.from([2, 2, 2, 1]), u(value.length, 4), value])]

export interface StoredChunk {
  start: readonly number[]
  bytes: Uint8Array
  mask?: number
}

/** Puts parts of a file one after the other. */
export class Hdf5Writer {
  private readonly isNew: boolean
  private readonly parts: Buffer[] = []
  private end: number

  constructor({ isNew = false } = {}) {
    this.isNew = isNew
    this.end = isNew ? 48 : 96
  }

  /** Returns its address. */
  put(bytes: Uint8Array): number {
    const part = padded(bytes)
    this.parts.push(part)
    this.end += part.length
    return this.end - part.length
  }

  object(...messages: Message[]): number {
    if (this.isNew) {
      const content = Buffer.concat(
        messages.map(([type, data]) => Buffer.concat([Buffer.from([type]), u(data.length, 2), Buffer.from([0]), data])),
      )
      return this.put(Buffer.concat([text('OHDR'), Buffer.from([2, 2]), u(content.length, 4), content, u(0, 4)]))
    }
    // the second half of the messages lies in a block that continues the first one
    const bytes = messages.map(([type, data]) => Buffer.concat([u(type, 2), u(padded(data).length, 2), Buffer.alloc(4), padded(data)]))
    const half = Math.ceil(bytes.length / 2)
    const more = Buffer.concat(bytes.slice(half))
    const continuation = Buffer.concat([u(16, 2), u(16, 2), Buffer.alloc(4), address(this.put(more)), u(more.length, 8)])
    const first = Buffer.concat([...bytes.slice(0, half), continuation])
    return this.put(Buffer.concat([Buffer.from([1, 0]), u(messages.length + 1, 2), u(1, 4), u(first.length, 4), u(0, 4), first]))
  }

  chunks(list: readonly StoredChunk[]): number {
    const places = list.map(({ start, bytes, mask = 0 }) => {
      const key = Buffer.concat([u(bytes.length, 4), u(mask, 4), ...[...start, 0].map(count => u(count, 8))])
      return Buffer.concat([key, address(this.put(bytes))])
    })
    const leaf = this.put(Buffer.concat([text('TREE'), Buffer.from([1, 0]), u(list.length, 2), UNDEFINED, UNDEFINED, ...places]))
    const key = places[0]!.subarray(0, -8)
    return this.put(Buffer.concat([text('TREE'), Buffer.from([1, 1]), u(1, 2), UNDEFINED, UNDEFINED, key, address(leaf)]))
  }

  /** An entry of an index of chunks with filters. Without a chunk: it was not written. */
  private entry(chunk: Uint8Array | undefined): Buffer {
    if (chunk === undefined) return Buffer.concat([UNDEFINED, u(0, 8)])
    return Buffer.concat([address(this.put(chunk)), u(chunk.length, 4), u(0, 4)])
  }

  /** With pages of four entries. */
  fixedArray(chunks: readonly (Uint8Array | undefined)[]): number {
    const head = this.put(Buffer.alloc(28))
    const entries = chunks.map(chunk => this.entry(chunk))
    const pages = Array.from({ length: Math.ceil(entries.length / 4) }, (_, page) => Buffer.concat(entries.slice(4 * page, 4 * page + 4)))
    const prefix = Buffer.concat([text('FADB'), Buffer.from([0, 1]), address(head)])
    const paged = pages.length === 1 ? pages : [Buffer.from([0xff]), u(0, 4), ...pages.map(page => Buffer.concat([page, u(0, 4)]))]
    const block = this.put(Buffer.concat([prefix, ...paged]))
    return this.put(Buffer.concat([text('FAHD'), Buffer.from([0, 1, 16, 2]), u(chunks.length, 8), address(block), u(0, 4)]))
  }

  /** With one entry in the index block, data blocks of two entries or more, and pages of two entries. */
  extensibleArray(chunks: readonly (Uint8Array | undefined)[]): number {
    const entries = chunks.map(chunk => this.entry(chunk))
    const empty = this.entry(undefined)
    const take = (count: number): Buffer[] => Array.from({ length: count }, () => entries.shift() ?? empty)
    const prefix = (name: string): Buffer => Buffer.concat([text(name), Buffer.from([0, 1]), u(0, 8)])
    const inIndex = take(1)
    const data = this.put(Buffer.concat([prefix('EADB'), u(0, 1), ...take(2)]))
    const more = this.put(Buffer.concat([prefix('EADB'), u(0, 1), ...take(4)]))
    // two data blocks of four entries, in two pages each
    const paged = [0, 1].map(() => {
      const pages = [0, 1].map(() => Buffer.concat([...take(2), u(0, 4)]))
      return address(this.put(Buffer.concat([prefix('EADB'), u(0, 1), u(0, 4), ...pages])))
    })
    const super2 = this.put(Buffer.concat([prefix('EASB'), u(0, 1), Buffer.alloc(2, 0xf0), ...paged]))
    const index = this.put(Buffer.concat([prefix('EAIB'), ...inIndex, address(data), address(more), address(super2), UNDEFINED]))
    const head = Buffer.from([0, 1, 16, 4, 1, 2, 2, 1])
    return this.put(Buffer.concat([text('EAHD'), head, Buffer.alloc(48), address(index), u(0, 4)]))
  }

  /** A tree of one leaf. */
  chunkTree(list: readonly StoredChunk[], shape: readonly number[]): number {
    const records = list.map(({ start, bytes }) => Buffer.concat([this.entry(bytes), ...start.map((first, i) => u(first / shape[i]!, 8))]))
    const leaf = this.put(Buffer.concat([text('BTLF'), Buffer.from([0, 11]), ...records]))
    const head = Buffer.concat([Buffer.from([0, 11]), u(2048, 4), u(records[0]!.length, 2), u(0, 2), Buffer.from([98, 40])])
    return this.put(Buffer.concat([text('BTHD'), head, address(leaf), u(records.length, 2), u(records.length, 8), u(0, 4)]))
  }

  group(members: Readonly<Record<string, number>>): number {
    const links = Object.entries(members)
    if (this.isNew)
      return this.object(
        ...links.map(([name, at]): Message => [6, Buffer.concat([Buffer.from([1, 0, name.length]), text(name), address(at)])]),
      )
    let names = Buffer.alloc(8)
    const symbols = links.map(([name, at]) => {
      const nameAt = names.length
      names = Buffer.concat([names, padded(text(`${name}\0`))])
      return Buffer.concat([u(nameAt, 8), address(at), Buffer.alloc(24)])
    })
    const heap = this.put(Buffer.concat([text('HEAP'), u(0, 4), u(names.length, 8), u(1, 8), address(this.put(names))]))
    const node = this.put(Buffer.concat([text('SNOD'), Buffer.from([1, 0]), u(symbols.length, 2), ...symbols]))
    const tree = this.put(
      Buffer.concat([text('TREE'), Buffer.from([0, 0]), u(1, 2), UNDEFINED, UNDEFINED, u(0, 8), address(node), u(0, 8)]),
    )
    return this.object([17, Buffer.concat([address(tree), address(heap)])])
  }

  file(root: number): Buffer {
    const signature = text('\x89HDF\r\n\x1a\n')
    const sizes = this.isNew ? Buffer.from([2, 8, 8, 0]) : Buffer.from([0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0])
    const rest = this.isNew
      ? [u(0, 8), UNDEFINED, u(this.end, 8), address(root), u(0, 4)]
      : [u(0, 8), UNDEFINED, u(this.end, 8), UNDEFINED, u(0, 8), address(root), Buffer.alloc(24)]
    return Buffer.concat([signature, sizes, ...rest, ...this.parts])
  }
}
