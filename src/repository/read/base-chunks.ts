import pLimit, { type LimitFunction } from 'p-limit'
import type { BlockLayout } from '../../compression/block.ts'
import { baseScale } from '../../compression/filters.ts'
import { ByteLru } from '../../util/byte-lru.ts'
import { corrupt } from '../../util/errors.ts'
import { baseBlocks, type PlannedBlock, type ReadPlan, whyNoBase } from './block-order.ts'
import { type BlockSource, chunkMatches } from './block-source.ts'
import { readBase } from './read-copy.ts'

/** Bytes of chunks that are kept as bases of later blocks. Chunks beyond this limit are read again. */
const KEPT_BYTES = 64 * 1024 * 1024

/** Blocks that are decoded side by side, at least, with their bases in memory: up to 8 MiB each. */
const MIN_PARALLEL = 2

/**
 * The chunks that a plan's blocks are predicted from. Each is verified before it is used, and kept from the decoding of
 * its block until its last use.
 */
export class BaseChunks {
  private readonly source: BlockSource
  private readonly uses: Map<number, number>
  /** Blocks with bases that are not decoded yet. */
  private readonly awaited = new Map<number, { promise: Promise<void>; resolve: () => void }>()
  /** By entry number. */
  private readonly kept: ByteLru<number, Uint8Array>
  private readonly limit: LimitFunction

  constructor(source: BlockSource, { uses }: ReadPlan, mayKeep = KEPT_BYTES) {
    this.source = source
    this.kept = new ByteLru(mayKeep)
    this.uses = uses
    this.limit = pLimit(Math.max(MIN_PARALLEL, source.pool.workers))
    for (const entry of uses.keys()) {
      const block = source.index.blockOf(entry)
      if (!this.awaited.has(block)) this.awaited.set(block, deferred())
    }
  }

  get keptBytes(): number {
    return this.kept.bytes
  }

  /**
   * Decodes a block of the plan. The reading of all its bases must have begun. Returns undefined if all its chunks have
   * lost their bases. If only some have, those chunks come out wrong, and their checksums show it. `into`: see
   * `CompressionPool.decode`.
   */
  async decode(planned: PlannedBlock, layout: BlockLayout, stored: Uint8Array, into?: Uint8Array): Promise<Uint8Array | undefined> {
    const { index, pool } = this.source
    if (planned.bases === undefined) return pool.decode(layout, stored, undefined, undefined, into)
    const why = whyNoBase(index, planned)
    if (why !== undefined) throw corrupt('A block', why)
    for (const number of baseBlocks(index, planned)) await this.awaited.get(number)?.promise
    return this.limit(async () => {
      const base = await this.gather(planned)
      return base && pool.decode(layout, stored, base, index.lengthsIn(planned.number), into)
    })
  }

  /** Joins the bases of a block. Lost bases are zeros; the result is undefined if all of them are lost. */
  private async gather({ number, bases }: PlannedBlock): Promise<Uint8Array | undefined> {
    const { index } = this.source
    const { filter, plainLength, firstChunk, chunkCount } = index.blocks[number]!
    const scale = baseScale(filter)
    const base = new Uint8Array(scale * plainLength)
    let found = 0
    let first = 0
    let end = 0
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
      const { ids, depth } = index.basesAt(chunk)!
      let at = end
      end += scale * index.length(chunk)
      for (const [i, id] of ids.entries()) {
        const piece = this.take(bases![first + i]!) ?? (await this.readAgain(id, depth))
        // a copy whose length the plan could not know may be too long
        if (!piece || at + piece.length > end) break
        base.set(piece, at)
        at += piece.length
      }
      first += ids.length
      if (at === end) found++
    }
    return found === 0 ? undefined : base
  }

  private async readAgain(id: Uint8Array, depth: number): Promise<Uint8Array | undefined> {
    const read = await readBase(this.source, id, depth)
    return read.kind === 'read' ? read.bytes : undefined
  }

  private take(entry: number): Uint8Array | undefined {
    const left = (this.uses.get(entry) ?? 1) - 1
    const bytes = this.kept.get(entry)
    this.uses.set(entry, left)
    if (left <= 0) this.kept.delete(entry)
    return bytes
  }

  /** Call it once for each block of the plan, with its plain bytes, or with undefined if it could not be read. */
  settle(number: number, plain: Uint8Array | undefined): void {
    const awaited = this.awaited.get(number)
    if (awaited === undefined) return
    this.awaited.delete(number)
    if (plain) this.keep(number, plain)
    awaited.resolve()
  }

  private keep(number: number, plain: Uint8Array): void {
    const { index } = this.source
    const { firstChunk, chunkCount } = index.blocks[number]!
    for (let entry = firstChunk; entry < firstChunk + chunkCount; entry++) {
      if ((this.uses.get(entry) ?? 0) === 0) continue
      const { offset, length } = index.location(entry)
      const bytes = plain.slice(offset, offset + length)
      if (!chunkMatches(index, index.id(entry), bytes)) continue
      this.kept.set(entry, bytes, length)
    }
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>(settle => (resolve = settle))
  return { promise, resolve }
}
