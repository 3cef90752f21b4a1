import { usesBase } from '../../compression/filters.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { formatCount, plural } from '../../util/words.ts'
import type { FileEntry } from '../format/manifest.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'
import { Copies } from '../index/copies.ts'
import { describeCopy, lacksBase, shortId } from '../read/block-source.ts'

/** Collects the copies of chunks that can't be read, and explains which files can't be restored because of them. */
export class Blame {
  private readonly index: ChunkIndex
  /** A flag by entry number: this copy can't be read. */
  private readonly damaged: Uint8Array
  private readonly readable: Copies

  constructor(index: ChunkIndex) {
    this.index = index
    this.damaged = new Uint8Array(index.size)
    this.readable = new Copies(index, entry => this.damaged[entry] !== 1 && !this.lacksBases(entry))
  }

  /** Notes that the copies [first, end) can't be read. Note all damage before you call `whyLost`. */
  markDamaged(first: number, end: number): void {
    this.damaged.fill(1, first, end)
  }

  /** Why a file can't be restored, by the damage that was noted; undefined if it can. */
  whyLost({ chunks, size }: FileEntry): string | undefined {
    const { index } = this
    let found = 0
    for (let i = 0; i < chunks.length; i += HASH_BYTES) {
      const first = index.find(chunks, i)
      if (first < 0) return `chunk ${shortId(chunks.subarray(i, i + HASH_BYTES))} is in no pack`
      if (this.readable.find(chunks, i) < 0) return `${describeCopy(index, first)} ${this.whyUnreadable(first)}`
      found += index.length(first)
    }
    return found === size ? undefined : `its chunks have ${plural(found, 'byte')} instead of ${formatCount(size)}`
  }

  /** Whether the filter of a copy's block needs bases, and the copy has none. */
  private lacksBases(entry: number): boolean {
    return !this.index.basesAt(entry) && usesBase(this.index.blocks[this.index.blockOf(entry)]!.filter)
  }

  /** Why a copy can't be read. If its bases can't be read, names the base and the reason. */
  private whyUnreadable(entry: number): string {
    const { index } = this
    const id = this.readable.missingBase(entry)
    if (id === undefined) return this.damaged[entry] === 1 ? 'is damaged' : 'has no base where its filter needs one'
    const base = index.findBase(id, index.basesAt(entry)!.depth)
    return base < 0 ? lacksBase(id) : `is predicted from ${describeCopy(index, base)}, which ${this.whyUnreadable(base)}`
  }
}
