/*
 * The chunk index: finds the copies of a chunk by its id, and decides which of them count. It is in memory. Other rooms
 * fill it, and it reads no store.
 */

import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import type { ChunkBases, Directory, DirectoryBlock, ListedBlock } from '../format/directory.ts'
import { AnyCopies, Copies } from './copies.ts'
import { GrowingColumn } from './growing-column.ts'
import { IdTable } from './id-table.ts'

/** The place of one copy of a chunk. */
export interface ChunkLocation {
  /** Number of the block in the index. */
  block: number
  /** First byte of the chunk in the block's plain bytes, and its length. */
  offset: number
  length: number
}

export interface PackInfo {
  id: string
  /** Bytes of the pack object. */
  size: number
  /** True if the pack is listed and in no tomb: only then a writer may rely on it (rule 3). Readers use any pack. */
  writable: boolean
}

export interface IndexedBlock extends DirectoryBlock {
  pack: number
}

/**
 * All copies of chunks in a set of packs, found by id. They are in typed columns without an object for each: a copy
 * takes 36 bytes and its hash slots. Entry numbers follow the order in which packs are added, and the order of bytes in
 * a pack. So sorting by entry number sorts by place.
 *
 * Time and memory: linear in the bytes of the directories that are added. A lookup takes constant time on average, and
 * finding a block or a pack the logarithm of their number.
 */
export class ChunkIndex {
  /** What the ids are made with. */
  readonly chunkKeys: ChunkKeys
  readonly packs: PackInfo[] = []
  /** The blocks of a pack are neighbours, in the order of their bytes. */
  readonly blocks: IndexedBlock[] = []
  /** The copies that a writer may rely on (rule 3). */
  readonly present = new Copies(this, entry => this.packs[this.packOf(entry)]!.writable)
  /** The copies that a reader can restore, by what the index says. The best one has the smallest depth. */
  readonly whole = new Copies(this, () => true)
  private readonly any = new AnyCopies(this, () => true)
  private readonly firstBlockOf: number[] = []
  /** The first entry numbers of blocks and of packs, ascending. They give the block and the pack of an entry. */
  private readonly blockStarts = new GrowingColumn()
  private readonly packStarts = new GrowingColumn()
  private readonly ids: IdTable
  /**
   * By entry number: where the chunk begins if all chunks lie one after the other, mod 2^32. So two neighbours give the
   * length of a chunk, and the first chunk of its block gives its offset. The last number is where the next begins.
   */
  private readonly starts: GrowingColumn
  /** Bases of copies, by entry number. Empty if no pack holds deltas. */
  private readonly basesOf = new Map<number, ChunkBases>()

  constructor(chunkKeys: ChunkKeys, expectedChunks = 0) {
    this.chunkKeys = chunkKeys
    const capacity = Math.max(16, expectedChunks)
    this.ids = new IdTable(capacity)
    this.starts = new GrowingColumn(capacity + 1)
    this.starts.push(0)
  }

  get size(): number {
    return this.ids.size
  }

  add(info: PackInfo, directory: Directory): void {
    const pack = this.packs.push(info) - 1
    this.firstBlockOf.push(this.blocks.length)
    const base = this.ids.size
    this.packStarts.push(base)
    for (const block of directory.blocks) {
      this.blockStarts.push(base + block.firstChunk)
      this.blocks.push(placed(block, pack, base))
      for (let i = block.firstChunk; i < block.firstChunk + block.chunkCount; i++) {
        this.ids.add(directory.chunkIds, i * HASH_BYTES)
        this.starts.push(this.starts.at(this.ids.size - 1) + directory.chunkLengths[i]!)
      }
    }
    for (const [chunk, bases] of directory.bases) this.basesOf.set(base + chunk, bases)
  }

  /** Entry number of the first copy of the chunk with the id at `ids[offset]`, in any pack; -1 if there is none. */
  find(ids: Uint8Array, offset = 0): number {
    return this.ids.find(ids, offset)
  }

  /** Entry number of the next copy of the same chunk, or -1. */
  findNext(entry: number): number {
    return this.ids.findNext(entry)
  }

  /** Depth of a copy: 0 if it is standalone. */
  depth(entry: number): number {
    return this.basesOf.get(entry)?.depth ?? 0
  }

  /** The bases of a copy; undefined if it is standalone. */
  basesAt(entry: number): ChunkBases | undefined {
    return this.basesOf.get(entry)
  }

  /** Whether any copy has bases. */
  get hasBases(): boolean {
    return this.basesOf.size > 0
  }

  /**
   * Entry number of the first copy, in any pack, that may be a base of a copy of depth `belowDepth`; or of the next one
   * after `entry`. -1 if there is none.
   */
  findBase(id: Uint8Array, belowDepth: number, entry = -1): number {
    if (entry < 0) return this.any.find(id, 0, belowDepth)
    let next = this.ids.findNext(entry)
    while (next >= 0 && this.depth(next) >= belowDepth) next = this.ids.findNext(next)
    return next
  }

  /** Numbers of the blocks of a pack: [first, end). */
  blocksOf(pack: number): { first: number; end: number } {
    return { first: this.firstBlockOf[pack]!, end: this.firstBlockOf[pack + 1] ?? this.blocks.length }
  }

  id(entry: number): Uint8Array {
    return this.ids.id(entry)
  }

  length(entry: number): number {
    return (this.starts.at(entry + 1) - this.starts.at(entry)) >>> 0
  }

  /** The entry numbers of the chunks of a block, in order. */
  entriesIn(block: number): number[] {
    const { firstChunk, chunkCount } = this.blocks[block]!
    return Array.from({ length: chunkCount }, (_, i) => firstChunk + i)
  }

  /** The lengths of the chunks of a block, in order. */
  lengthsIn(block: number): number[] {
    return this.entriesIn(block).map(entry => this.length(entry))
  }

  /**
   * The entry numbers in a block that have bases. A block is decoded whole, so one of its chunks may need all of them.
   */
  *predictedIn(block: number): Generator<number> {
    if (!this.hasBases) return
    const { firstChunk, chunkCount } = this.blocks[block]!
    for (let entry = firstChunk; entry < firstChunk + chunkCount; entry++) if (this.basesOf.has(entry)) yield entry
  }

  packOf(entry: number): number {
    return this.packStarts.lastUpTo(entry)
  }

  /** Number of the block that holds a copy. */
  blockOf(entry: number): number {
    return this.blockStarts.lastUpTo(entry)
  }

  location(entry: number): ChunkLocation {
    const block = this.blockOf(entry)
    const offset = (this.starts.at(entry) - this.starts.at(this.blocks[block]!.firstChunk)) >>> 0
    return { block, offset, length: this.length(entry) }
  }

  /** The blocks of a pack as its directory lists them. */
  listedBlocks(pack: number): ListedBlock[] {
    const { first, end } = this.blocksOf(pack)
    return Array.from({ length: end - first }, (_, i) => this.listedBlock(first + i))
  }

  /** A block as the directory of its pack lists it. The ids are valid until the next `add`. */
  listedBlock(number: number): ListedBlock {
    const block = this.blocks[number]!
    const entries = this.entriesIn(number)
    const bases = entries.flatMap((entry, i) => (this.basesOf.has(entry) ? [[i, this.basesOf.get(entry)!] as const] : []))
    return {
      block,
      chunkIds: this.ids.idsBetween(block.firstChunk, block.firstChunk + block.chunkCount),
      chunkLengths: this.lengthsIn(number),
      ...(bases.length > 0 ? { bases: new Map(bases) } : {}),
    }
  }
}

/**
 * Written out, because a spread object takes twice the memory, and there is a block for each 4 MiB of the repository.
 */
function placed(block: DirectoryBlock, pack: number, base: number): IndexedBlock {
  const { filter, parameters, parts, offset, storedLength, plainLength, firstChunk, chunkCount } = block
  return { filter, parameters, parts, offset, storedLength, plainLength, firstChunk: base + firstChunk, chunkCount, pack }
}
