import { type ReadAt, readExactly, refuse } from './span.ts'

const PAGE_BYTES = 4 * 1024
/** Most bytes of pages that are kept: headers take a small part of this. */
const MAX_KEPT_BYTES = 32 * 1024 * 1024
/** Bytes of a file that may be looked at more than once, in times of its size and in bytes. */
const MAX_TIMES = 4
const MIN_ALLOWANCE_BYTES = 64 * 1024
const MAX_ALLOWANCE_BYTES = 256 * 1024 * 1024

/**
 * The bytes of a file whose headers lie anywhere in it. Each page is read once and kept.
 *
 * Memory: at most 32 MiB. Time: what is taken in all is limited to four times the file. So a parser that does constant
 * work per byte it takes is linear, whatever the offsets in a file say, cycles among them.
 */
export class PagedBytes {
  readonly size: number
  private readonly read: ReadAt
  private readonly pages = new Map<number, Buffer>()
  private kept = 0
  private allowance: number

  constructor(size: number, read: ReadAt) {
    this.size = size
    this.read = read
    this.allowance = Math.min(MAX_ALLOWANCE_BYTES, MIN_ALLOWANCE_BYTES + MAX_TIMES * size)
  }

  /** The bytes [offset, offset + length). Refuses those outside of the file. */
  async take(offset: number, length: number): Promise<Buffer> {
    if (offset + length > this.size) refuse('it is shorter than stated')
    return this.takeUpTo(offset, length)
  }

  /** The same, but fewer where the file ends. */
  async takeUpTo(offset: number, most: number): Promise<Buffer> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.size) refuse('an offset lies outside of it')
    const length = Math.min(most, this.size - offset)
    // a number costs at least as much as the shortest piece of a parser
    this.allowance -= Math.max(length, 1)
    if (this.allowance < 0) refuse('its headers refer to each other again and again')
    const first = Math.floor(offset / PAGE_BYTES)
    const last = Math.floor((offset + length - 1) / PAGE_BYTES)
    const start = offset - first * PAGE_BYTES
    if (last <= first) return length === 0 ? Buffer.alloc(0) : (await this.page(first)).subarray(start, start + length)
    const bytes = Buffer.allocUnsafe(length)
    for (let number = first; number <= last; number++) {
      const page = await this.page(number)
      const at = number * PAGE_BYTES - offset
      bytes.set(at < 0 ? page.subarray(-at) : page.subarray(0, length - at), Math.max(0, at))
    }
    return bytes
  }

  private async page(number: number): Promise<Buffer> {
    const known = this.pages.get(number)
    if (known !== undefined) return known
    const offset = number * PAGE_BYTES
    const length = Math.min(PAGE_BYTES, this.size - offset)
    if ((this.kept += length) > MAX_KEPT_BYTES) refuse('its headers are too large')
    // a copy of its own: the reader may reuse its memory, or keep a large block alive
    const page = Buffer.from(await readExactly(this.read, offset, length))
    this.pages.set(number, page)
    return page
  }
}
