import { toHex } from '../../util/hash.ts'
import { everyId } from '../format/chunk-ids.ts'
import { IdTable } from '../index/id-table.ts'
import type { RepositoryView } from '../open/view.ts'
import type { BlockContent } from '../write/block-builder.ts'
import type { PackWriter } from '../write/pack-writer.ts'
import type { Presence } from './presence.ts'

/** Writes each chunk of one attempt that is not present, once. */
export class ChunkWriter {
  readonly packs: PackWriter
  readonly presence: Presence
  private readonly added = new IdTable()
  /** Depths of added chunks with bases, by id. The depth becomes less if the base does not help after all. */
  private readonly depths = new Map<string, number>()

  constructor(packs: PackWriter, presence: Presence) {
    this.packs = packs
    this.presence = presence
  }

  /** True if the chunk need not be written: it was added, or it is present. Its packs then count as used. */
  has(ids: Uint8Array, offset = 0): boolean {
    return this.added.has(ids, offset) || this.presence.use(ids, offset)
  }

  hasAll(ids: Uint8Array): boolean {
    return everyId(ids, offset => this.has(ids, offset))
  }

  /** Whether one of the added chunks is present, by a view that was not there when they were added. */
  addedInVain({ index }: RepositoryView): boolean {
    for (let entry = 0; entry < this.added.size; entry++) if (index.present.find(this.added.id(entry)) >= 0) return true
    return false
  }

  /** The depth of a copy that may serve as a base, less than `below`; -1 if there is none. */
  depthBelow(id: Uint8Array, below: number): number {
    if (!this.added.has(id)) return this.presence.useBelow(id, below)
    const depth = this.depths.get(toHex(id)) ?? 0
    return depth < below ? depth : -1
  }

  /** Writes a chunk for which `has` is false. `bytes` may be reused when this resolves. */
  add(id: Uint8Array, bytes: Uint8Array, content: BlockContent): Promise<void> {
    this.added.add(id)
    const base = content.tensor?.base
    if (base) this.depths.set(toHex(id), base.depth)
    return this.packs.add(id, bytes, content)
  }
}
