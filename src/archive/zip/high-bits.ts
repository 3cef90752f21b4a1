import type { ByteFeed } from './byte-feed.ts'
import { damagedEntry } from './entry-error.ts'

/** Reads bits as bzip2 packs them: the highest bit of a byte comes first. Throws `ZipEntryError` at the end. */
export class HighBits {
  private readonly feed: ByteFeed
  /** The lowest `count` bits were read ahead. */
  private hold = 0
  private count = 0

  constructor(feed: ByteFeed) {
    this.feed = feed
  }

  /** Bits that were read ahead. */
  get buffered(): number {
    return this.count
  }

  /** The next `count` bits, at most 24, as a number. */
  take(count: number): number {
    const value = this.peek(count)
    this.drop(count)
    return value
  }

  /** The same without taking them. Zeros follow the end of input. */
  peek(count: number): number {
    const { feed } = this
    while (this.count < count && feed.at < feed.bytes.length) {
      this.hold = ((this.hold << 8) | feed.bytes[feed.at++]!) & 0xffffffff
      this.count += 8
    }
    const ahead = this.count >= count ? this.hold >>> (this.count - count) : this.hold << (count - this.count)
    return ahead & ((1 << count) - 1)
  }

  drop(count: number): void {
    if (count > this.count) throw damagedEntry('it is cut off')
    this.count -= count
  }

  /** Goes on at the next whole byte. */
  align(): void {
    this.drop(this.count & 7)
  }
}
