import type { Fields, Hdf5File } from './hdf5-file.ts'
import { asCount, MAX_TENSORS, refuse, refuseKind } from './span.ts'

/*
 * The indexes of chunks that HDF5 has since version 1.10: arrays of entries, in the order of the chunks' numbers.
 */

/** A chunk that was written. */
export interface IndexEntry {
  /** Its place among all chunks. */
  number: number
  address: number
  /** Bytes in the file. */
  length: number
  /** Bit i is set if filter i was left out. */
  mask: number
}

const SIGNATURE_BYTES = 4
const CHECKSUM_BYTES = 4
const MASK_BYTES = 4
const MAX_WIDTH = 8
const FILTERED = 1
const MAX_BITS = 52

/** Numbers of entries. */
interface Range {
  first: number
  count: number
}

/** Entries of an array, and what their lengths are if they don't state them. */
class Entries {
  readonly list: IndexEntry[] = []
  readonly entryBytes: number
  private readonly file: Hdf5File
  private readonly isFiltered: boolean
  private readonly chunkBytes: number

  /** `kind` and `entryBytes` are as the head of the index states them. */
  constructor(file: Hdf5File, kind: number, entryBytes: number, chunkBytes: number) {
    const lengthBytes = entryBytes - file.offsetBytes - (kind === FILTERED ? MASK_BYTES : 0)
    if (kind > FILTERED || lengthBytes < (kind === FILTERED ? 1 : 0) || lengthBytes > (kind === FILTERED ? MAX_WIDTH : 0))
      refuse('an index of chunks has absurd entries')
    this.file = file
    this.isFiltered = kind === FILTERED
    this.entryBytes = entryBytes
    this.chunkBytes = chunkBytes
  }

  /** Reads `count` entries, of which the first belongs to the chunk with this number. */
  add(fields: Fields, first: number, count: number): void {
    for (let number = first; number < first + count; number++) {
      const entry = readEntry(fields, this.isFiltered ? this.entryBytes - this.file.offsetBytes - MASK_BYTES : 0, this.chunkBytes)
      if (entry === undefined) continue
      if (this.list.length === MAX_TENSORS) refuseKind('it has too many chunks')
      this.list.push({ number, ...entry })
    }
  }

  /** Reads the written ones of the pages that lie one behind the other, each with a checksum. */
  async addPages(address: number, { first, count }: Range, pageBits: number, isWritten: (page: number) => boolean): Promise<void> {
    const end = first + count
    for (let page = 0; first < end; page++) {
      const inPage = Math.min(2 ** pageBits, end - first)
      if (isWritten(page)) this.add(await this.file.at(address, asCount(inPage * this.entryBytes)), first, inPage)
      address += inPage * this.entryBytes + CHECKSUM_BYTES
      first += inPage
    }
  }
}

/** An entry without a length is of a chunk of `chunkBytes` bytes. Undefined for a chunk that was not written. */
export function readEntry(fields: Fields, lengthBytes: number, chunkBytes: number): Omit<IndexEntry, 'number'> | undefined {
  const address = fields.address()
  const [length, mask] = lengthBytes === 0 ? [chunkBytes, 0] : [fields.uint(lengthBytes), fields.uint(MASK_BYTES)]
  return address === undefined ? undefined : { address, length, mask }
}

/** Page `page` of a bitmap, whose first bit is the highest one of the first byte. */
function isSet(bitmap: Uint8Array, page: number): boolean {
  return (bitmap[page >> 3]! & (0x80 >> (page & 7))) !== 0
}

/** All entries of a fixed array. */
export async function readFixedArray(file: Hdf5File, address: number, chunkBytes: number): Promise<IndexEntry[]> {
  const head = (await file.at(address, 8 + file.lengthBytes + file.offsetBytes)).signature('FAHD').skip(1)
  const entries = new Entries(file, head.byte(), head.byte(), chunkBytes)
  const pageBits = head.byte()
  const count = head.length()
  const block = head.address()
  if (block === undefined) return []
  const prefixBytes = SIGNATURE_BYTES + 2 + file.offsetBytes
  if (count <= 2 ** pageBits) {
    const fields = (await file.at(block, asCount(prefixBytes + count * entries.entryBytes))).signature('FADB')
    entries.add(fields.skip(prefixBytes - SIGNATURE_BYTES), 0, count)
    return entries.list
  }
  const bitmapBytes = Math.ceil(count / 2 ** pageBits / 8)
  const fields = (await file.at(block, asCount(prefixBytes + bitmapBytes))).signature('FADB').skip(prefixBytes - SIGNATURE_BYTES)
  const bitmap = fields.take(bitmapBytes)
  await entries.addPages(block + prefixBytes + bitmapBytes + CHECKSUM_BYTES, { first: 0, count }, pageBits, page => isSet(bitmap, page))
  return entries.list
}

/** How an extensible array grows: super block n has 2^(n/2) data blocks, each of 2^((n+1)/2) times `least` entries. */
interface Growth {
  /** Entries that stand in the index block. */
  inIndex: number
  /** Entries of the smallest data block. */
  least: number
  pageBits: number
  /** Bytes of a number of an entry. */
  numberBytes: number
}

/** All entries of an extensible array. */
export async function readExtensibleArray(file: Hdf5File, address: number, chunkBytes: number): Promise<IndexEntry[]> {
  const head = (await file.at(address, 12 + 6 * file.lengthBytes + file.offsetBytes)).signature('EAHD').skip(1)
  const entries = new Entries(file, head.byte(), head.byte(), chunkBytes)
  const [maxBits, inIndex, least, leastPointers, pageBits] = [head.byte(), head.byte(), head.byte(), head.byte(), head.byte()]
  const superBlocks = 1 + maxBits - Math.log2(least)
  const superInIndex = 2 * Math.log2(leastPointers)
  if (!Number.isInteger(superBlocks) || !Number.isInteger(superInIndex) || superBlocks < superInIndex || pageBits > MAX_BITS)
    refuse('an index of chunks has absurd blocks')
  const index = head.skip(6 * file.lengthBytes).address()
  if (index === undefined) return []
  const growth = { inIndex, least, pageBits, numberBytes: Math.ceil(maxBits / 8) }
  const dataInIndex = 2 * (leastPointers - 1)
  const addressesBytes = (dataInIndex + superBlocks - superInIndex) * file.offsetBytes
  const prefixBytes = SIGNATURE_BYTES + 2 + file.offsetBytes
  const fields = (await file.at(index, prefixBytes + inIndex * entries.entryBytes + addressesBytes)).signature('EAIB')
  entries.add(fields.skip(prefixBytes - SIGNATURE_BYTES), 0, inIndex)
  for (let number = 0; number < superInIndex; number++) {
    const { first, blocks, count } = superBlockOf(number, growth)
    for (let block = 0; block < blocks; block++)
      await readDataBlock(file, fields.address(), entries, growth, { first: first + block * count, count })
  }
  for (let number = superInIndex; number < superBlocks; number++) await readSuperBlock(file, fields.address(), entries, growth, number)
  return entries.list
}

/** The number of the first entry, the data blocks, and the entries of each. */
function superBlockOf(number: number, { inIndex, least }: Growth): { first: number; blocks: number; count: number } {
  return {
    first: inIndex + (2 ** number - 1) * least,
    blocks: 2 ** Math.floor(number / 2),
    count: 2 ** Math.floor((number + 1) / 2) * least,
  }
}

async function readSuperBlock(
  file: Hdf5File,
  address: number | undefined,
  entries: Entries,
  growth: Growth,
  number: number,
): Promise<void> {
  if (address === undefined) return
  const { first, blocks, count } = superBlockOf(number, growth)
  const pages = count > 2 ** growth.pageBits ? count / 2 ** growth.pageBits : 0
  const bitmapBytes = blocks * Math.ceil(pages / 8)
  const prefixBytes = 2 + file.offsetBytes + growth.numberBytes
  const fields = (await file.at(address, asCount(SIGNATURE_BYTES + prefixBytes + bitmapBytes + blocks * file.offsetBytes))).signature(
    'EASB',
  )
  const bitmap = fields.skip(prefixBytes).take(bitmapBytes)
  for (let block = 0; block < blocks; block++) {
    const isWritten = (page: number): boolean => isSet(bitmap, block * pages + page)
    await readDataBlock(file, fields.address(), entries, growth, { first: first + block * count, count }, isWritten)
  }
}

/** With `isWritten` a block may have pages. */
async function readDataBlock(
  file: Hdf5File,
  address: number | undefined,
  entries: Entries,
  { pageBits, numberBytes }: Growth,
  { first, count }: Range,
  isWritten?: (page: number) => boolean,
): Promise<void> {
  if (address === undefined) return
  const prefixBytes = SIGNATURE_BYTES + 2 + file.offsetBytes + numberBytes
  if (isWritten !== undefined && count > 2 ** pageBits) {
    ;(await file.at(address, prefixBytes)).signature('EADB')
    return entries.addPages(address + prefixBytes + CHECKSUM_BYTES, { first, count }, pageBits, isWritten)
  }
  const fields = (await file.at(address, asCount(prefixBytes + count * entries.entryBytes))).signature('EADB')
  entries.add(fields.skip(prefixBytes - SIGNATURE_BYTES), first, count)
}
