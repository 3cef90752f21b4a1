import { asCount, refuse } from './span.ts'
import type { Fields, Hdf5File } from './hdf5-file.ts'

const MAX_HEADER_BYTES = 256
const MAX_DEPTH = 16
/** Bits 4 and 5 of an object's id: it lies in a block of the heap. */
const KIND_BITS = 0x30

/** A heap of objects in blocks of growing size. Its blocks have no filters: those of groups never do. */
export class FractalHeap {
  private readonly file: Hdf5File
  private readonly offsetBytes: number
  private readonly lengthBytes: number
  private readonly width: number
  private readonly firstBytes: number
  /** Rows of an indirect block whose blocks hold objects; further rows have indirect blocks. */
  private readonly directRows: number
  private readonly root: number | undefined
  private readonly rootRows: number

  private constructor(file: Hdf5File, head: Fields) {
    const { lengthBytes: length, offsetBytes: offset } = file
    head.signature('FRHP').skip(1)
    head.skip(2) // bytes of an id
    if (head.uint(2) !== 0) refuse('a heap of names is compressed')
    head.skip(1)
    const mostBytes = head.uint(4)
    // huge objects, free space, and how many bytes and objects there are
    head.skip(length + offset + length + offset + 8 * length)
    this.file = file
    this.width = head.uint(2)
    this.firstBytes = head.length()
    const largestBytes = head.length()
    this.offsetBytes = Math.ceil(head.uint(2) / 8)
    this.lengthBytes = Math.floor(Math.log2(Math.max(1, Math.min(largestBytes, mostBytes))) / 8) + 1
    this.directRows = Math.log2(largestBytes / this.firstBytes) + 2
    head.skip(2)
    this.root = head.address()
    this.rootRows = head.uint(2)
    if (this.width === 0 || this.offsetBytes > 8 || !Number.isInteger(this.directRows) || this.directRows < 2)
      refuse('a heap has absurd blocks')
  }

  static async open(file: Hdf5File, address: number): Promise<FractalHeap> {
    return new FractalHeap(file, await file.upTo(address, MAX_HEADER_BYTES))
  }

  /** The object with this id. */
  async object(id: Fields): Promise<Fields> {
    if ((id.byte() & KIND_BITS) !== 0) refuse('an object is not in its heap')
    const offset = id.uint(this.offsetBytes)
    const length = id.uint(this.lengthBytes)
    if (this.root === undefined) refuse('a heap is empty')
    return this.file.at(await this.addressOf(offset, this.root, this.rootRows), length)
  }

  /** The address of the byte at this offset of the heap. `block` has so many rows of blocks; none: it holds objects. */
  private async addressOf(offset: number, block: number, rows: number): Promise<number> {
    for (let depth = 0; rows > 0; depth++) {
      if (depth > MAX_DEPTH) refuse('a heap is too deep')
      const { row, column, rest, bytes } = this.placeOf(offset)
      if (row >= rows) refuse('an object lies outside of its heap')
      // blocks without filters have addresses alone
      const entry = 4 + 1 + this.file.offsetBytes + this.offsetBytes + (row * this.width + column) * this.file.offsetBytes
      block = (await this.file.at(asCount(block + entry), this.file.offsetBytes)).address() ?? refuse('a block of a heap is missing')
      offset = rest
      rows = row < this.directRows ? 0 : Math.log2(bytes / (this.firstBytes * this.width)) + 1
      if (!Number.isInteger(rows)) refuse('a heap has absurd blocks')
    }
    return asCount(block + offset)
  }

  /** Rows 0 and 1 have blocks of the first size, each further row has blocks of twice the size. */
  private placeOf(offset: number): { row: number; column: number; rest: number; bytes: number } {
    const rowBytes = this.width * this.firstBytes
    const row = offset < rowBytes ? 0 : Math.floor(Math.log2(offset / rowBytes)) + 1
    const bytes = row === 0 ? this.firstBytes : this.firstBytes * 2 ** (row - 1)
    const inRow = row === 0 ? offset : offset - rowBytes * 2 ** (row - 1)
    return { row, column: Math.floor(inRow / bytes), rest: inRow % bytes, bytes }
  }
}
