import type { IndexedPack } from '../format/index-object.ts'
import { PACK_POLICY } from '../format/limits.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { RepositoryView } from '../open/view.ts'
import { IndexWriter } from '../write/index-writer.ts'
import type { PackWriter } from '../write/pack-writer.ts'

/**
 * Indexes the packs of one attempt, at its end and also while it runs, so that the next push can continue it if it is
 * interrupted.
 */
export class PushIndexes {
  private readonly context: RepositoryContext
  private readonly writer: IndexWriter
  /** How many of the acknowledged packs an index names. */
  private indexedPacks = 0
  private indexedAt: number
  private readonly writes: Promise<void>[] = []

  constructor(context: RepositoryContext, view: RepositoryView) {
    this.context = context
    this.writer = new IndexWriter(context.storage, view, context.surroundings)
    this.indexedAt = context.surroundings.monotonic()
  }

  /** Indexes the acknowledged packs if they have many bytes or the last index is old. */
  writeIfDue({ acknowledged }: PackWriter): void {
    const { surroundings, packPolicy = PACK_POLICY } = this.context
    const packs = acknowledged.slice(this.indexedPacks)
    const bytes = packs.reduce((sum, { size }) => sum + size, 0)
    if (bytes < packPolicy.indexEveryBytes && surroundings.monotonic() - this.indexedAt < packPolicy.indexEveryMs) return
    this.indexedPacks += packs.length
    this.indexedAt = surroundings.monotonic()
    this.write(packs)
  }

  /**
   * Indexes `unindexed` and all packs of the attempt that no index names yet, also packs that the store has not
   * acknowledged. Settles when all indexes are acknowledged or have failed.
   */
  async writeRest({ acknowledged, begun }: PackWriter, unindexed: readonly IndexedPack[]): Promise<void> {
    const indexed = new Set(acknowledged.slice(0, this.indexedPacks).map(pack => pack.id))
    const rest = [...unindexed, ...begun.filter(pack => !indexed.has(pack.id))]
    this.indexedPacks = Infinity
    if (rest.length > 0) this.write(rest)
    await Promise.allSettled(this.writes)
    await Promise.all(this.writes)
  }

  /** The indexes that were written and that no later one supersedes. */
  get own(): { id: string; size: number }[] {
    return this.writer.own
  }

  private write(packs: readonly IndexedPack[]): void {
    const write = this.writer.write(packs, this.context.signal)
    write.catch(() => undefined) // awaited in writeRest
    this.writes.push(write)
  }
}
