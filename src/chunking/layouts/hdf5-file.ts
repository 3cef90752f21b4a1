import { ByteReader } from '../../util/bytes.ts'
import { PagedBytes } from './paged-bytes.ts'
import { asCount, type ReadAt, refuse, refuseKind } from './span.ts'

/*
 * HDF5 as its file format specification (versions 1.1 to 3.0) describes it. "Address" is the word for an offset from
 * the base address.
 */

const SIGNATURE_BYTES = 8
const MAX_SUPERBLOCK_BYTES = 128
const WIDTHS = [2, 4, 8]

/** The bytes of an HDF5 file, and how wide its addresses and lengths are. */
export class Hdf5File {
  readonly offsetBytes: number
  readonly lengthBytes: number
  /** The address of the root group's object header. */
  readonly root: number
  private readonly base: number
  private readonly pages: PagedBytes

  private constructor(pages: PagedBytes, fields: { base: number; root: number; offsetBytes: number; lengthBytes: number }) {
    this.pages = pages
    this.base = fields.base
    this.root = fields.root
    this.offsetBytes = fields.offsetBytes
    this.lengthBytes = fields.lengthBytes
  }

  /** Reads the superblock, of version 0 to 3. */
  static async open(size: number, read: ReadAt): Promise<Hdf5File> {
    const pages = new PagedBytes(size, read)
    const start = await pages.takeUpTo(0, MAX_SUPERBLOCK_BYTES)
    const version = start[SIGNATURE_BYTES] ?? refuse('it is shorter than stated')
    if (version > 3) refuseKind(`its version is ${version}`)
    const isOld = version < 2
    const [offsetBytes = 0, lengthBytes = 0] = start.subarray(isOld ? 13 : 9)
    if (!WIDTHS.includes(offsetBytes) || !WIDTHS.includes(lengthBytes)) refuse('its addresses have an absurd width')
    // version 0 has 24 bytes before the base address, version 1 has 28, later ones 12
    const fields = new Fields(start, { offsetBytes, lengthBytes }, isOld ? (version === 0 ? 24 : 28) : 12)
    const base = fields.address() ?? refuse('it has no base address')
    fields.take(2 * offsetBytes) // free space or extension, and the end of the file
    if (isOld) fields.take(2 * offsetBytes) // driver information, and the root group's name
    const root = fields.address() ?? refuse('it has no root group')
    return new Hdf5File(pages, { base, root, offsetBytes, lengthBytes })
  }

  /** The bytes at an address. */
  async at(address: number, length: number): Promise<Fields> {
    return new Fields(await this.pages.take(this.offsetOf(address), asCount(length)), this)
  }

  /** As many of these bytes as the file has. */
  async upTo(address: number, most: number): Promise<Fields> {
    return new Fields(await this.pages.takeUpTo(this.offsetOf(address), most), this)
  }

  /** The fields in bytes that were read already. */
  fields(bytes: Uint8Array): Fields {
    return new Fields(bytes, this)
  }

  offsetOf(address: number): number {
    return asCount(this.base + address)
  }
}

/** Fields of little-endian numbers. */
export class Fields extends ByteReader {
  private readonly widths: { offsetBytes: number; lengthBytes: number }

  constructor(bytes: Uint8Array, widths: { offsetBytes: number; lengthBytes: number }, start = 0) {
    super(bytes, 'An HDF5 file', start)
    this.widths = widths
  }

  /** Refuses numbers beyond 2^53. */
  uint(width: number): number {
    let value = 0
    for (const [i, byte] of this.take(width).entries()) value += byte * 256 ** i
    return asCount(value)
  }

  /** An address; undefined where there is none: all its bits are set. */
  address(): number | undefined {
    const bytes = this.take(this.widths.offsetBytes)
    if (bytes.every(byte => byte === 0xff)) return undefined
    return this.inside(bytes).uint(bytes.length)
  }

  length(): number {
    return this.uint(this.widths.lengthBytes)
  }

  skip(count: number): this {
    this.take(count)
    return this
  }

  /** The fields in some of these bytes. */
  inside(bytes: Uint8Array): Fields {
    return new Fields(bytes, this.widths)
  }

  signature(expected: string): this {
    if (Buffer.from(this.take(4)).toString('latin1') !== expected) refuse(`it has no ${expected} where one is stated`)
    return this
  }
}
