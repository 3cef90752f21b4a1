import { usesBase } from '../../compression/filters.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import type { FileEntry } from '../format/manifest.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'
import { Copies } from '../index/copies.ts'
import { describeCopy, lacksBase, shortId } from '../read/block-source.ts'

/** Collects the copies of chunks that can't be read, and says for which files that matters, and why. */
export class Blame {
  private readonly index: ChunkIndex
  /** A flag per entry: this copy can't be read. */
  private readonly damaged: Uint8Array
  private readonly readable: Copies

  constructor(index: ChunkIndex) {
    this.index = index
    this.damaged = new Uint8Array(index.size)
    this.readable = new Copies(index, entry => this.damaged[entry] !== 1 && !this.lacksBases(entry))
  }

  /**
   * Notes that the copies [first, end) can't be read. All damage has to be noted before the first question about a
   * file.
   */
  markDamaged(first: number, end: number): void {
    this.damaged.fill(1, first, end)
  }

  /** Why a file can't be restored; undefined if it can, as far as is known. */
  whyLost({ chunks, size }: FileEntry): string | undefined {
    const { index } = this
    let found = 0
    for (let i = 0; i < chunks.length; i += HASH_BYTES) {
      const first = index.find(chunks, i)
      if (first < 0) return `chunk ${shortId(chunks.subarray(i, i + HASH_BYTES))} is in no pack`
      if (this.readable.find(chunks, i) < 0) return `${describeCopy(index, first)} ${this.whyUnreadable(first)}`
      found += index.length(first)
    }
    return found === size ? undefined : `its chunks have ${found} bytes instead of ${size}`
  }

  /** Whether the filter of a copy's block needs bases, and the copy has none. */
  private lacksBases(entry: number): boolean {
    return !this.index.basesAt(entry) && usesBase(this.index.blocks[this.index.blockOf(entry)]!.filter)
  }

  /** What is wrong with a copy that can't be read. If its bases can't be read, what is wrong with them. */
  private whyUnreadable(entry: number): string {
    const { index } = this
    const id = this.readable.missingBase(entry)
    if (id === undefined) return this.damaged[entry] === 1 ? 'is damaged' : 'has no base where its filter needs one'
    const base = index.findBase(id, index.basesAt(entry)!.depth)
    return base < 0 ? lacksBase(id) : `is predicted from ${describeCopy(index, base)}, which ${this.whyUnreadable(base)}`
  }
}
