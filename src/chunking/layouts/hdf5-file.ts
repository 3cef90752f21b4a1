import { ByteReader } from '../../util/bytes.ts'
import { PagedBytes } from './paged-bytes.ts'
import { asCount, type ReadAt, refuse, refuseKind } from './span.ts'

/*
 * HDF5 as its file format specification (versions 1.1 to 3.0) describes it. "Address" is the word for an offset from
 * the base address.
 */

const SIGNATURE_BYTES = 8
const SIGNATURE = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')
const MAX_SUPERBLOCK_BYTES = 128
/** The shortest block of another program before the superblock. Longer ones have twice, four times ... as many. */
const USER_BLOCK_BYTES = 512
const MAX_USER_BLOCK_BYTES = 1024 * 1024
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
    const base = (await superblockAt(pages)) ?? refuse('it has no superblock')
    const start = await pages.takeUpTo(base, MAX_SUPERBLOCK_BYTES)
    const version = start[SIGNATURE_BYTES] ?? refuse('it is shorter than stated')
    if (version > 3) refuseKind(`its version is ${version}`)
    const isOld = version < 2
    const [offsetBytes = 0, lengthBytes = 0] = start.subarray(isOld ? 13 : 9)
    if (!WIDTHS.includes(offsetBytes) || !WIDTHS.includes(lengthBytes)) refuse('its addresses have an absurd width')
    // version 0 has 24 bytes before the base address, version 1 has 28, later ones 12
    const fields = new Fields(start, { offsetBytes, lengthBytes }, isOld ? (version === 0 ? 24 : 28) : 12)
    // base address, free space or extension, and the end of the file: addresses count from where the superblock is
    fields.take(3 * offsetBytes)
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

/** True for a file of HDF5 that begins with a block of another program. */
export async function isHdf5Behind(size: number, read: ReadAt): Promise<boolean> {
  return (await superblockAt(new PagedBytes(size, read))) !== undefined
}

/** Where the superblock begins: MATLAB, for one, has 512 bytes of its own before it. */
async function superblockAt(pages: PagedBytes): Promise<number | undefined> {
  for (let at = 0; at <= MAX_USER_BLOCK_BYTES && at < pages.size; at = at === 0 ? USER_BLOCK_BYTES : 2 * at)
    if (SIGNATURE.equals(await pages.takeUpTo(at, SIGNATURE.length))) return at
  return undefined
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
    return this.unlessOnes(this.widths.offsetBytes)
  }

  /** A length; undefined where there is no limit. */
  lengthOrNone(): number | undefined {
    return this.unlessOnes(this.widths.lengthBytes)
  }

  private unlessOnes(width: number): number | undefined {
    const bytes = this.take(width)
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
