import { baseScale, usesBase } from '../../compression/filters.ts'
import { type AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { type BlockSource, chunkMatches, describeCopy, lacksBase, readPackRange } from './block-source.ts'

/**
 * Why a copy of a chunk can't be read: words that follow "chunk ... in pack ...". `newer` is set where a newer program
 * could read it.
 */
export interface LostCopy {
  why: string
  newer: AppError | undefined
}

/**
 * Reads and verifies one copy of a chunk by itself. Reads only the bases that this chunk needs, so that damage in its
 * neighbours' bases does no harm. Slow for many chunks. Follows only bases of smaller depth, so it ends whatever an
 * index says.
 */
export async function readCopy(source: BlockSource, entry: number): Promise<Uint8Array | LostCopy> {
  const { index, pool, signal } = source
  throwIfAborted(signal)
  const { block: number, offset, length } = index.location(entry)
  const block = index.blocks[number]!
  const base = usesBase(block.filter) ? await readOwnBase(source, entry) : undefined
  if (base && 'why' in base) return base
  const stored = await readPackRange(source, block.pack, { offset: block.offset, length: block.storedLength })
  if ('damage' in stored) return { why: `cannot be read: ${stored.damage.message}`, newer: undefined }
  let plain: Uint8Array
  try {
    plain = await pool.decode(block, stored, base, base && index.lengthsIn(number))
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'newer-format')) throw error
    return { why: `cannot be read: ${error.message}`, newer: error.code === 'newer-format' ? error : undefined }
  }
  const chunk = plain.slice(offset, offset + length)
  return chunkMatches(index.id(entry), chunk) ? chunk : { why: 'does not match its checksum', newer: undefined }
}

/** A base as its block needs it, zero wherever it is not `entry`'s. */
async function readOwnBase(source: BlockSource, entry: number): Promise<Uint8Array | LostCopy> {
  const { index } = source
  const { block: number, offset, length } = index.location(entry)
  const { filter, plainLength } = index.blocks[number]!
  const scale = baseScale(filter)
  const bases = index.basesAt(entry)
  const pieces: Uint8Array[] = []
  let bytes = 0
  for (const id of bases?.ids ?? []) {
    const piece = await readBase(source, id, bases!.depth)
    if ('why' in piece) return piece
    pieces.push(piece)
    bytes += piece.length
    if (bytes > scale * length) break
  }
  if (bytes !== scale * length) return { why: wrongBase(bytes, scale * length), newer: undefined }
  const base = new Uint8Array(scale * plainLength)
  let at = scale * offset
  for (const piece of pieces) {
    base.set(piece, at)
    at += piece.length
  }
  return base
}

export function wrongBase(bytes: number, needed: number): string {
  return `has a base of ${bytes} bytes where ${needed} are needed`
}

/** The first good copy of a base for a chunk of `depth`; where there is none, what to say of that chunk. */
export async function readBase(source: BlockSource, id: Uint8Array, depth: number): Promise<Uint8Array | LostCopy> {
  const { index } = source
  let lost: LostCopy | undefined
  for (let copy = index.findBase(id, depth); copy >= 0; copy = index.findBase(id, depth, copy)) {
    const read = await readCopy(source, copy)
    if (!('why' in read)) return read
    lost ??= { ...read, why: `is predicted from ${describeCopy(index, copy)}, which ${read.why}` }
  }
  return lost ?? { why: lacksBase(id), newer: undefined }
}
