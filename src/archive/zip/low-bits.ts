import type { ByteFeed } from './byte-feed.ts'
import { damagedEntry } from './entry-error.ts'

/** Reads bits as Deflate packs them: the lowest bit of a byte comes first. Throws `ZipEntryError` at the end. */
export class LowBits {
  private readonly feed: ByteFeed
  /** Bits that were read ahead, and how many. */
  private hold = 0
  private count = 0

  constructor(feed: ByteFeed) {
    this.feed = feed
  }

  /** The next `count` bits, at most 16, as a number. */
  take(count: number): number {
    const value = this.peek(count)
    this.drop(count)
    return value
  }

  /** The same without taking them. Zeros follow the end of input. */
  peek(count: number): number {
    const { feed } = this
    while (this.count < count && feed.at < feed.bytes.length) {
      this.hold |= feed.bytes[feed.at++]! << this.count
      this.count += 8
    }
    return this.hold & ((1 << count) - 1)
  }

  drop(count: number): void {
    if (count > this.count) throw damagedEntry('it is cut off')
    this.hold >>>= count
    this.count -= count
  }

  /** Goes on at the next whole byte. */
  align(): void {
    this.drop(this.count & 7)
  }
}
