/*
 * Where each chunk lies, in memory, found by id, and which of its copies count. It is filled by others and asks no
 * store.
 */

import { HASH_BYTES } from '../../util/hash.ts'
import type { ChunkBases, Directory, DirectoryBlock, ListedBlock } from '../format/directory.ts'
import { Copies } from './copies.ts'
import { GrowingColumn } from './growing-column.ts'
import { IdTable } from './id-table.ts'

/** Number of blocks whose chunk offsets are kept once computed: as many as are read at the same time. */
const KEPT_OFFSETS = 64

/** The place of one copy of a chunk. */
export interface ChunkLocation {
  /** Number of the block in the index. Equal numbers mean the same block. */
  block: number
  /** First byte of the chunk in the block's plain bytes, and its length. */
  offset: number
  length: number
}

export interface PackInfo {
  id: string
  /** Bytes of the pack object. */
  size: number
  /** Only such packs make a chunk present for a writer (rule 3): they are listed and in no tomb. Readers use any. */
  writable: boolean
}

export interface IndexedBlock extends DirectoryBlock {
  pack: number
}

/**
 * All chunks of a set of packs, found by id. It consists of typed columns without an object per chunk: 36 bytes a chunk
 * and the hash slots. Entries are numbered in the order in which packs are added, and in a pack in the order of their
 * bytes. So sorting by entry number sorts by place.
 */
export class ChunkIndex {
  readonly packs: PackInfo[] = []
  /** The blocks of a pack stand together, in the order of their bytes. */
  readonly blocks: IndexedBlock[] = []
  /** The copies that a writer may rely on (rule 3). */
  readonly present = new Copies(this, entry => this.packs[this.packOf(entry)]!.writable)
  /** The copies that a reader can restore as far as the index tells. The best one has the shortest chain of bases. */
  readonly whole = new Copies(this, () => true)
  private readonly firstBlockOf: number[] = []
  /** The first entries of blocks and of packs, ascending. They tell where an entry lies. */
  private readonly blockStarts = new GrowingColumn()
  private readonly packStarts = new GrowingColumn()
  private readonly ids: IdTable
  private readonly lengths: GrowingColumn
  /** The offsets of chunks in blocks that were asked for recently. */
  private readonly offsets = new Map<number, Uint32Array>()
  /** Bases of chunks, by entry. Empty as long as no pack holds deltas. */
  private readonly basesOf = new Map<number, ChunkBases>()

  constructor(expectedChunks = 0) {
    const capacity = Math.max(16, expectedChunks)
    this.ids = new IdTable(capacity)
    this.lengths = new GrowingColumn(capacity)
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
        this.lengths.push(directory.chunkLengths[i]!)
      }
    }
    for (const [chunk, bases] of directory.bases) this.basesOf.set(base + chunk, bases)
  }

  /** Entry of the first copy of the chunk with the id at `ids[offset]`, in any pack; -1 if there is none. */
  find(ids: Uint8Array, offset = 0): number {
    return this.ids.find(ids, offset)
  }

  /** Entry of the next copy of the same chunk, or -1. */
  findNext(entry: number): number {
    return this.ids.findNext(entry)
  }

  /** Length of the chain of bases of a copy. */
  depth(entry: number): number {
    return this.basesOf.get(entry)?.depth ?? 0
  }

  /** The bases of a copy; undefined for a copy that needs none. */
  basesAt(entry: number): ChunkBases | undefined {
    return this.basesOf.get(entry)
  }

  /** Whether any copy has bases. */
  get hasBases(): boolean {
    return this.basesOf.size > 0
  }

  /**
   * Entry of the first copy, in any pack, that may be a base of a chunk of this depth, or -1. With `entry`: of the next
   * such copy after it.
   */
  findBase(id: Uint8Array, belowDepth: number, entry = -1): number {
    let next = entry < 0 ? this.ids.find(id) : this.ids.findNext(entry)
    while (next >= 0 && (this.basesOf.get(next)?.depth ?? 0) >= belowDepth) next = this.ids.findNext(next)
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
    return this.lengths.at(entry)
  }

  /** The entries of the chunks of a block, in order. */
  entriesIn(block: number): number[] {
    const { firstChunk, chunkCount } = this.blocks[block]!
    return Array.from({ length: chunkCount }, (_, i) => firstChunk + i)
  }

  /** The lengths of the chunks of a block, in order. */
  lengthsIn(block: number): number[] {
    return this.entriesIn(block).map(entry => this.length(entry))
  }

  /**
   * The entries of a block that have bases. Blocks are decoded whole, so one chunk may need the bases of all of them.
   */
  *predictedIn(block: number): Generator<number> {
    if (!this.hasBases) return
    const { firstChunk, chunkCount } = this.blocks[block]!
    for (let entry = firstChunk; entry < firstChunk + chunkCount; entry++) if (this.basesOf.has(entry)) yield entry
  }

  packOf(entry: number): number {
    return this.packStarts.lastUpTo(entry)
  }

  /** Number of the block that holds an entry. */
  blockOf(entry: number): number {
    return this.blockStarts.lastUpTo(entry)
  }

  location(entry: number): ChunkLocation {
    const block = this.blockOf(entry)
    const offset = this.offsetsIn(block)[entry - this.blocks[block]!.firstChunk]!
    return { block, offset, length: this.lengths.at(entry) }
  }

  private offsetsIn(block: number): Uint32Array {
    const known = this.offsets.get(block)
    if (known) return known
    const { firstChunk, chunkCount } = this.blocks[block]!
    const offsets = new Uint32Array(chunkCount)
    for (let i = 1; i < chunkCount; i++) offsets[i] = offsets[i - 1]! + this.lengths.at(firstChunk + i - 1)
    if (this.offsets.size === KEPT_OFFSETS) this.offsets.delete(this.offsets.keys().next().value!)
    this.offsets.set(block, offsets)
    return offsets
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
      chunkLengths: entries.map(entry => this.lengths.at(entry)),
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
