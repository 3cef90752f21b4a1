import { type AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { MAX_BLOCK_BYTES } from '../../compression/limits.ts'
import { SharedBuffers } from '../../util/memory/shared-buffers.ts'
import { freeUnusedBuffers } from '../../util/memory/unused-memory.ts'
import { BaseChunks } from './base-chunks.ts'
import { type PlannedBlock, planReading } from './block-order.ts'
import { type BlockSource, readPackRange } from './block-source.ts'
import { mayBegin, planRanges, type Range } from './pack-ranges.ts'

/**
 * A block's plain bytes, or the error that kept it from being read. Neither is set if all its bases are lost. Chunks
 * are not verified yet, and a chunk whose bases are lost comes out wrong: `readOtherCopy` finds out why.
 */
export interface FetchedBlock {
  number: number
  plain: Uint8Array | undefined
  error: AppError | undefined
}

export interface FetchOptions {
  /** The plain bytes of a block are overwritten once the next block is asked for. */
  reuse?: boolean
}

/** More blocks than these have memory of their own, and so have small blocks. */
const REUSED_BUFFERS = 16
const REUSED_FROM_BYTES = MAX_BLOCK_BYTES / 4

/**
 * Fetches and decodes each block once, a few ranges ahead of the consumer. Keeps the given order (ascending numbers),
 * but puts bases before the blocks that are predicted from them. Damage and missing packs come as an `error` of the
 * blocks concerned. Anything else (network, abort) throws.
 *
 * Time: linear in the stored and plain bytes of the blocks and of those that they are predicted from, and in the number
 * of their bases. Memory: bounded, but for a few bytes a block.
 */
export async function* fetchBlocks(
  source: BlockSource,
  blocks: readonly number[],
  { reuse = false }: FetchOptions = {},
): AsyncGenerator<FetchedBlock> {
  const fetcher = new BlockFetcher(source, blocks, reuse)
  const ahead: { range: Range; fetched: Promise<FetchedBlock[]> }[] = []
  const { ranges } = fetcher
  let next = 0
  try {
    while (next < ranges.length || ahead.length > 0) {
      throwIfAborted(source.signal)
      for (; next < ranges.length; next++) {
        const range = ranges[next]!
        const underWay = ahead.map(({ range }) => range)
        if (!mayBegin(range, underWay)) break
        const fetched = fetcher.range(range)
        fetched.catch(() => undefined) // it is awaited in its turn; until then a failure must not count as unhandled
        ahead.push({ range, fetched })
      }
      // taken from the end of the list, so that each block can be freed, however many there are
      const { range, fetched } = ahead.shift()!
      const decoded = (await fetched).reverse()
      let unused = range.length
      for (let block = decoded.pop(); block; block = decoded.pop()) {
        if (fetcher.isWanted(block)) yield block
        if (!fetcher.giveBack(block)) unused += block.plain?.length ?? 0
      }
      freeUnusedBuffers(unused)
    }
  } finally {
    await Promise.allSettled(ahead.map(({ fetched }) => fetched))
  }
}

class BlockFetcher {
  readonly ranges: Range[]
  private readonly source: BlockSource
  private readonly planned: Map<number, PlannedBlock>
  private readonly bases: BaseChunks
  /**
   * Undefined if the consumer keeps plain bytes. V8 counts no shared memory, and starts a collection for every 64 MB of
   * other buffers.
   */
  private readonly buffers: SharedBuffers | undefined
  private readonly lent = new Map<number, Uint8Array>()

  constructor(source: BlockSource, blocks: readonly number[], reuse: boolean) {
    const plan = planReading(source.index, blocks)
    this.source = source
    this.planned = new Map(plan.blocks.map(block => [block.number, block]))
    this.ranges = planRanges(source.index, [...this.planned.keys()])
    this.bases = new BaseChunks(source, plan)
    this.buffers = reuse && source.pool.workers > 0 ? new SharedBuffers(MAX_BLOCK_BYTES) : undefined
  }

  isWanted({ number }: FetchedBlock): boolean {
    return this.planned.get(number)!.wanted
  }

  /** Takes back the memory of a block that nobody needs any more. False if it had memory of its own. */
  giveBack({ number }: FetchedBlock): boolean {
    const buffer = this.lent.get(number)
    if (buffer === undefined) return false
    this.lent.delete(number)
    this.buffers!.give(buffer)
    return true
  }

  private lend(number: number): Uint8Array | undefined {
    const { plainLength } = this.source.index.blocks[number]!
    if (!this.buffers || plainLength < REUSED_FROM_BYTES || this.lent.size >= REUSED_BUFFERS) return undefined
    const buffer = this.buffers.take()
    this.lent.set(number, buffer)
    return buffer
  }

  /**
   * Reads the blocks of a range. Call it for the ranges in their order: a block may wait for bases in earlier ranges.
   */
  async range(range: Range): Promise<FetchedBlock[]> {
    try {
      const read = await readPackRange(this.source, range.pack, range)
      if (read.kind === 'read') return await Promise.all(range.blocks.map(number => this.decode(number, read.bytes, range.offset)))
      // the blocks before a cut are whole
      if (read.tooShort && range.blocks.length > 1) return await this.apart(range.blocks)
      return range.blocks.map(number => ({ number, plain: undefined, error: read.error }))
    } finally {
      // no block may wait for one that failed
      for (const number of range.blocks) this.bases.settle(number, undefined)
    }
  }

  private async apart(blocks: readonly number[]): Promise<FetchedBlock[]> {
    const fetched: FetchedBlock[] = []
    for (const number of blocks)
      for (const range of planRanges(this.source.index, [number])) for (const block of await this.range(range)) fetched.push(block)
    return fetched
  }

  private async decode(number: number, bytes: Uint8Array, from: number): Promise<FetchedBlock> {
    const block = this.source.index.blocks[number]!
    const start = block.offset - from
    let plain: Uint8Array | undefined
    try {
      plain = await this.bases.decode(this.planned.get(number)!, block, bytes.slice(start, start + block.storedLength), this.lend(number))
      return { number, plain, error: undefined }
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      return { number, plain: undefined, error }
    } finally {
      this.bases.settle(number, plain)
    }
  }
}
