import { baseScale, usesBase } from '../../compression/filters.ts'
import { type AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
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

/**
 * Reads and verifies one copy of a chunk by itself. Reads only the bases that this chunk needs, so that damage in its
 * neighbours' bases does no harm. Slow for many chunks. Follows only bases of smaller depth, so it ends even if an
 * index lies.
 */
export async function readCopy(source: BlockSource, entry: number): Promise<CopyRead> {
  const { index, pool, signal } = source
  throwIfAborted(signal)
  const { block: number, offset, length } = index.location(entry)
  const block = index.blocks[number]!
  const base = usesBase(block.filter) ? await readOwnBase(source, entry) : undefined
  if (base?.kind === 'lost') return base
  const stored = await readPackRange(source, block.pack, { offset: block.offset, length: block.storedLength })
  if (stored.kind === 'damaged') return lost(`cannot be read: ${stored.error.message}`, stored.error)
  let plain: Uint8Array
  try {
    plain = await pool.decode(block, stored.bytes, base?.bytes, base && index.lengthsIn(number))
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'newer-format')) throw error
    return lost(`cannot be read: ${error.message}`, { newer: error.code === 'newer-format' ? error : undefined })
  }
  const bytes = plain.slice(offset, offset + length)
  return chunkMatches(index.id(entry), bytes) ? { kind: 'read', bytes } : lost('does not match its checksum')
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
  return `has a base of ${bytes} bytes where ${needed} are needed`
}

/**
 * Reads the first good copy of a base for a chunk of `depth`. If there is none, returns the reason in words about that
 * chunk.
 */
export async function readBase(source: BlockSource, id: Uint8Array, depth: number): Promise<CopyRead> {
  const { index } = source
  let first: LostCopy | undefined
  for (let copy = index.findBase(id, depth); copy >= 0; copy = index.findBase(id, depth, copy)) {
    const read = await readCopy(source, copy)
    if (read.kind === 'read') return read
    first ??= { ...read, why: `is predicted from ${describeCopy(index, copy)}, which ${read.why}` }
  }
  return first ?? lost(lacksBase(id), { isMissing: true })
}
