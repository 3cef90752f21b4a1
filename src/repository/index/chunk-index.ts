/*
 * Where each chunk lies, in memory, found by id. It is filled by others and asks no store.
 */

import { HASH_BYTES } from '../../util/hash.ts'
import type { ChunkBases, Directory, DirectoryBlock, ListedBlock } from '../format/directory.ts'
import { MAX_DEPTH } from '../format/limits.ts'
import { GrowingColumn } from './growing-column.ts'
import { IdTable } from './id-table.ts'

/** Blocks whose chunks' offsets are kept once they are counted: as many as are read side by side. */
const KEPT_OFFSETS = 64

/** Where one copy of a chunk lies. */
export interface ChunkLocation {
  /** Number of the block in the index; equal numbers mean the same block. */
  block: number
  /** First byte of the chunk in the block's plain bytes, and its length. */
  offset: number
  length: number
}

export interface PackInfo {
  id: string
  /** Bytes of the pack object. */
  size: number
  /** Rule 3: only such packs make a chunk present for a writer (listed, in no tomb). Readers may use any. */
  writable: boolean
}

export interface IndexedBlock extends DirectoryBlock {
  pack: number
}

/**
 * All chunks of a set of packs, found by id. Typed columns, no object a chunk: 36 bytes and the hash slots. Entries are numbered in the order packs were
 * added, and within a pack in the order of their bytes, so sorting by entry number sorts by place.
 */
export class ChunkIndex {
  readonly packs: PackInfo[] = []
  /** Blocks of one pack stand together, in the order of their bytes. */
  readonly blocks: IndexedBlock[] = []
  private readonly firstBlockOf: number[] = []
  /** The first entries of blocks and of packs, ascending: by them, an entry tells where it lies. */
  private readonly blockStarts = new GrowingColumn()
  private readonly packStarts = new GrowingColumn()
  private readonly ids: IdTable
  private readonly lengths: GrowingColumn
  /** Where the chunks of blocks begin that were asked for lately. */
  private readonly offsets = new Map<number, Uint32Array>()
  /** Bases of chunks, by entry. Empty as long as no pack holds deltas. */
  private readonly basesOf = new Map<number, ChunkBases>()
  /** What `isPresent` has found about entries with bases. */
  private readonly known = new Map<number, boolean>()
  /** What `isWhole` has found about them. */
  private readonly whole = new Map<number, boolean>()

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
    this.known.clear()
    this.whole.clear()
  }

  /** Entry of the first copy of a chunk, for a reader; -1 when no pack has it. */
  find(ids: Uint8Array, offset = 0): number {
    return this.ids.find(ids, offset)
  }

  /** Further copies of the same chunk, for when one is damaged. */
  findNext(entry: number): number {
    return this.ids.findNext(entry)
  }

  /**
   * Entry of a copy that a writer may rely on, or -1: its pack is writable and all its bases are present in the same sense, recursively (rule 3). Only a
   * copy of smaller depth counts as a base: so the recursion ends also where a hostile index makes a circle of bases.
   */
  findPresent(ids: Uint8Array, offset = 0, belowDepth = MAX_DEPTH + 1): number {
    for (let entry = this.ids.find(ids, offset); entry >= 0; entry = this.ids.findNext(entry)) {
      if (this.depth(entry) < belowDepth && this.isPresent(entry)) return entry
    }
    return -1
  }

  private isPresent(entry: number): boolean {
    if (!this.packs[this.packOf(entry)]!.writable) return false
    const bases = this.basesOf.get(entry)
    if (!bases) return true
    const known = this.known.get(entry)
    if (known !== undefined) return known
    const present = bases.ids.every(id => this.findPresent(id, 0, bases.depth) >= 0)
    this.known.set(entry, present)
    return present
  }

  /** Length of the chain of bases under an entry. */
  depth(entry: number): number {
    return this.basesOf.get(entry)?.depth ?? 0
  }

  /** The entries that a present entry's bases are taken from: one a base, each present itself. */
  presentBases(entry: number): number[] {
    const bases = this.basesOf.get(entry)
    return bases ? bases.ids.map(id => this.findPresent(id, 0, bases.depth)) : []
  }

  /** What a copy is predicted from; undefined for one that stands by itself. */
  basesAt(entry: number): ChunkBases | undefined {
    return this.basesOf.get(entry)
  }

  /** Whether any copy has bases at all. */
  get hasBases(): boolean {
    return this.basesOf.size > 0
  }

  /** Entry of a copy, after `entry` where that is given, that may serve as a base of a chunk of this depth: a reader may use any pack. -1 when there is none. */
  findBase(id: Uint8Array, belowDepth: number, entry = -1): number {
    let next = entry < 0 ? this.ids.find(id) : this.ids.findNext(entry)
    while (next >= 0 && (this.basesOf.get(next)?.depth ?? 0) >= belowDepth) next = this.ids.findNext(next)
    return next
  }

  /**
   * Entry of a copy that a reader can restore as far as the index tells: all its bases are there, recursively. Where there are several, the one with the
   * shortest chain. -1 when there is none.
   */
  findWhole(ids: Uint8Array, offset = 0): number {
    let best = -1
    let depth = MAX_DEPTH + 1
    for (let entry = this.ids.find(ids, offset); entry >= 0 && depth > 0; entry = this.ids.findNext(entry)) {
      const itsDepth = this.basesOf.get(entry)?.depth ?? 0
      if (itsDepth >= depth || !this.isWhole(entry)) continue
      best = entry
      depth = itsDepth
    }
    return best
  }

  private isWhole(entry: number): boolean {
    const bases = this.basesOf.get(entry)
    if (!bases) return true
    const known = this.whole.get(entry)
    if (known !== undefined) return known
    const whole = bases.ids.every(id => {
      let copy = this.findBase(id, bases.depth)
      while (copy >= 0 && !this.isWhole(copy)) copy = this.findBase(id, bases.depth, copy)
      return copy >= 0
    })
    this.whole.set(entry, whole)
    return whole
  }

  /** Numbers of a pack's blocks: [first, end). */
  blocksOf(pack: number): { first: number; end: number } {
    return { first: this.firstBlockOf[pack]!, end: this.firstBlockOf[pack + 1] ?? this.blocks.length }
  }

  id(entry: number): Uint8Array {
    return this.ids.id(entry)
  }

  length(entry: number): number {
    return this.lengths.at(entry)
  }

  /** The entries of the chunks of a block, in their order. */
  entriesIn(block: number): number[] {
    const { firstChunk, chunkCount } = this.blocks[block]!
    return Array.from({ length: chunkCount }, (_, i) => firstChunk + i)
  }

  /** Those of the chunks of a block. */
  lengthsIn(block: number): number[] {
    return this.entriesIn(block).map(entry => this.length(entry))
  }

  packOf(entry: number): number {
    return this.packStarts.lastUpTo(entry)
  }

  /** Number of the block that an entry lies in. */
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

  /** What the directory of a pack lists. */
  listedBlocks(pack: number): ListedBlock[] {
    const { first, end } = this.blocksOf(pack)
    return Array.from({ length: end - first }, (_, i) => this.listedBlock(first + i))
  }

  /** What the directory of its pack lists of a block; the ids are valid until the next `add`. */
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

/** Written out, because a copy by spreading takes twice the memory, and there is one for each 4 MiB of the repository. */
function placed(block: DirectoryBlock, pack: number, base: number): IndexedBlock {
  const { filter, parameters, parts, offset, storedLength, plainLength, firstChunk, chunkCount } = block
  return { filter, parameters, parts, offset, storedLength, plainLength, firstChunk: base + firstChunk, chunkCount, pack }
}
