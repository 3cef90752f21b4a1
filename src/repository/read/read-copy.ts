import { baseScale, usesBase } from '../../compression/filters.ts'
import { ByteLru } from '../../util/byte-lru.ts'
import { type AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { plural } from '../../util/words.ts'
import { MAX_DEPTH } from '../format/limits.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'
import { type BlockSource, chunkMatches, describeCopy, lacksBase, readPackRange } from './block-source.ts'

/** Why a copy of a chunk can't be read. */
export interface LostCopy {
  kind: 'lost'
  /** Words that follow "chunk ... in pack ...". */
  why: string
  /** True if a pack or a base is not there, false if it is there and wrong. */
  isMissing: boolean
  /** Set if a newer program could read the copy. */
  newer: AppError | undefined
}

/** A verified chunk, or the reason why it can't be read. */
export type CopyRead = { kind: 'read'; bytes: Uint8Array } | LostCopy

function lost(why: string, { isMissing = false, newer }: { isMissing?: boolean; newer?: AppError | undefined } = {}): LostCopy {
  return { kind: 'lost', why, isMissing, newer }
}

/** Bytes of chunks that are kept, and of blocks. The chain under a chunk of 4 MiB is not larger. */
const KEPT_BYTES = 32 * 1024 * 1024

/** What was found out about copies, so that none is read again and again however many chunks are predicted from it. */
class KnownCopies {
  /** Copies that can't be read, by entry number, and blocks of which none can, by their number. */
  readonly lost = new Map<number, LostCopy>()
  readonly lostBlocks = new Map<number, LostCopy>()
  /** By `keyOf`: the copy that was read of a chunk, or why its first copy can't be read if none can. */
  readonly read = new Map<number, number>()
  readonly unread = new Map<number, LostCopy>()
  /** Verified chunks by entry number, and decoded blocks without bases. */
  readonly chunks = new ByteLru<number, Uint8Array>(KEPT_BYTES)
  readonly blocks = new ByteLru<number, Uint8Array>(KEPT_BYTES)
  private size = 0

  /** Chunks that were lost may be in packs that were found later. */
  at(size: number): this {
    if (size === this.size) return this
    for (const map of [this.lost, this.lostBlocks, this.read, this.unread]) map.clear()
    this.size = size
    return this
  }
}

/** A chunk index is that of one command. */
const knownOf = new WeakMap<ChunkIndex, KnownCopies>()

function known(index: ChunkIndex): KnownCopies {
  let found = knownOf.get(index)
  if (!found) knownOf.set(index, (found = new KnownCopies()))
  return found.at(index.size)
}

/** Names a chunk by its first copy, and a limit of depth, in one number. */
const keyOf = (first: number, belowDepth: number): number => first * (MAX_DEPTH + 2) + belowDepth

/**
 * Reads and verifies one copy of a chunk by itself. Reads only the bases that this chunk needs, so that damage in its
 * neighbours' bases does no harm. Slow for many chunks. Follows only bases of smaller depth, so it ends even if an
 * index lies.
 *
 * Time: one decoding of a block for each copy in the chain under this one, but for copies that are kept or known to be
 * lost.
 */
export async function readCopy(source: BlockSource, entry: number): Promise<CopyRead> {
  const { index } = source
  const { lost, chunks } = known(index)
  const bytes = chunks.get(entry)
  if (bytes) return { kind: 'read', bytes }
  const read = lost.get(entry) ?? (await readAlone(source, entry))
  if (read.kind === 'lost') known(index).lost.set(entry, read)
  else chunks.set(entry, read.bytes, read.bytes.length)
  return read
}

async function readAlone(source: BlockSource, entry: number): Promise<CopyRead> {
  const { index, signal } = source
  throwIfAborted(signal)
  const { block: number, offset, length } = index.location(entry)
  const lostBlock = known(index).lostBlocks.get(number)
  if (lostBlock) return lostBlock
  const base = usesBase(index.blocks[number]!.filter) ? await readOwnBase(source, entry) : undefined
  if (base?.kind === 'lost') return base
  const block = await readBlock(source, number, base?.bytes)
  if (block.kind === 'lost') return block
  const bytes = block.bytes.slice(offset, offset + length)
  return chunkMatches(index, index.id(entry), bytes) ? { kind: 'read', bytes } : lost(MISMATCH)
}

const MISMATCH = 'does not match its checksum'

/** Reads and decodes a block, with this base if it needs one. */
async function readBlock(source: BlockSource, number: number, base: Uint8Array | undefined): Promise<CopyRead> {
  const { blocks, lostBlocks } = known(source.index)
  const kept = base ? undefined : blocks.get(number)
  if (kept) return { kind: 'read', bytes: kept }
  const read = await decodeBlock(source, number, base)
  if (read.kind === 'lost') lostBlocks.set(number, read)
  else if (!base) {
    blocks.set(number, read.bytes, read.bytes.length)
    noteMismatches(source.index, number, read.bytes)
  }
  return read
}

async function decodeBlock(source: BlockSource, number: number, base: Uint8Array | undefined): Promise<CopyRead> {
  const { index, pool } = source
  const block = index.blocks[number]!
  const stored = await readPackRange(source, block.pack, { offset: block.offset, length: block.storedLength })
  if (stored.kind === 'damaged') return lost(`cannot be read: ${stored.error.message}`, stored.error)
  try {
    return { kind: 'read', bytes: await pool.decode(block, stored.bytes, base, base && index.lengthsIn(number)) }
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'newer-format')) throw error
    return lost(`cannot be read: ${error.message}`, { newer: error.code === 'newer-format' ? error : undefined })
  }
}

/** So a block of which every chunk is wrong is not decoded once for each of them. */
function noteMismatches(index: ChunkIndex, number: number, plain: Uint8Array): void {
  for (const entry of index.entriesIn(number)) {
    const { offset, length } = index.location(entry)
    if (!chunkMatches(index, index.id(entry), plain.subarray(offset, offset + length))) known(index).lost.set(entry, lost(MISMATCH))
  }
}

/** Reads the base of one chunk, as long as the base of its block. The bases of all other chunks are zeros. */
async function readOwnBase(source: BlockSource, entry: number): Promise<CopyRead> {
  const { index } = source
  const { block: number, offset, length } = index.location(entry)
  const { filter, plainLength } = index.blocks[number]!
  const scale = baseScale(filter)
  const bases = index.basesAt(entry)
  const pieces: Uint8Array[] = []
  let bytes = 0
  for (const id of bases?.ids ?? []) {
    const piece = await readBase(source, id, bases!.depth)
    if (piece.kind === 'lost') return piece
    pieces.push(piece.bytes)
    bytes += piece.bytes.length
    if (bytes > scale * length) break
  }
  if (bytes !== scale * length) return lost(wrongBase(bytes, scale * length))
  const base = new Uint8Array(scale * plainLength)
  let at = scale * offset
  for (const piece of pieces) {
    base.set(piece, at)
    at += piece.length
  }
  return { kind: 'read', bytes: base }
}

export function wrongBase(bytes: number, needed: number): string {
  return `has a base of ${plural(bytes, 'byte')} where ${needed} are needed`
}

/**
 * Reads the first good copy of a chunk that has less than this depth. If there is none, returns the reason in words
 * about the first copy; undefined if there is no copy at all.
 */
export async function readAnyCopy(source: BlockSource, id: Uint8Array, belowDepth = MAX_DEPTH + 1): Promise<CopyRead | undefined> {
  const { index } = source
  const first = index.findBase(id, belowDepth)
  if (first < 0) return undefined
  const key = keyOf(first, belowDepth)
  const unread = known(index).unread.get(key)
  if (unread) return unread
  for (let copy = known(index).read.get(key) ?? first; copy >= 0; copy = index.findBase(id, belowDepth, copy)) {
    const read = await readCopy(source, copy)
    if (read.kind === 'lost') continue
    known(index).read.set(key, copy)
    return read
  }
  const why = known(index).lost.get(first) ?? (await readCopy(source, first))
  if (why.kind === 'lost') known(index).unread.set(key, why)
  return why
}

/**
 * Reads the first good copy of a base for a chunk of `depth`. If there is none, returns the reason in words about that
 * chunk.
 */
export async function readBase(source: BlockSource, id: Uint8Array, depth: number): Promise<CopyRead> {
  const { index } = source
  const read = await readAnyCopy(source, id, depth)
  if (!read) return lost(lacksBase(id), { isMissing: true })
  if (read.kind === 'read') return read
  return { ...read, why: `is predicted from ${describeCopy(index, index.findBase(id, depth))}, which ${read.why}` }
}
