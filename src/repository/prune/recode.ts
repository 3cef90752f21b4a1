import { rowsAt } from '../../compression/coded-matrices.ts'
import { looksCompressed } from '../../compression/sample.ts'
import { recordLength } from '../../util/element-type.ts'
import { type BlockSource, chunkMatches, describeCopy } from '../read/block-source.ts'
import { readBase, wrongBase } from '../read/read-copy.ts'
import { type BlockContent, classifyContent, type OfferedBase } from '../write/block-builder.ts'
import type { PackWriter } from '../write/pack-writer.ts'
import { tensorOf, type StoredTensor } from './plan/block-content.ts'

/**
 * Encodes a decoded chunk again, in a new block of its kind: without bases if `standalone` is true, else with the same
 * bases and depth. `entry` is its entry number. If its bytes or those of its bases don't match their ids, returns the
 * reason instead.
 */
export async function recodeChunk(
  source: BlockSource,
  writer: PackWriter,
  entry: number,
  bytes: Uint8Array | undefined,
  standalone: boolean,
): Promise<string | undefined> {
  const { index } = source
  const id = index.id(entry).slice()
  if (!bytes || !chunkMatches(index, id, bytes)) return `${describeCopy(index, entry)} does not match its checksum`
  const tensor = tensorOf(index.blocks[index.blockOf(entry)]!)
  let content: BlockContent
  if (!tensor) content = classifyContent(bytes, looksCompressed(bytes))
  else {
    const base = standalone ? undefined : await baseOf(source, entry, tensor)
    if (base?.kind === 'lost') return `${describeCopy(index, entry)} ${base.why}`
    const { element, start = 0, matrices = [] } = tensor
    const place = index.location(entry).offset
    // a record begins before the block if the first whole one is not at its beginning
    const offset = element.record ? place + recordLength(element.record) - start : 0
    content = { kind: 'tensor', tensor: { element, offset, rows: rowsAt(matrices, place / element.width), base: base?.base } }
  }
  await writer.add(id, bytes, content)
  return undefined
}

type BaseRead = { kind: 'read'; base: OfferedBase } | { kind: 'lost'; why: string }

/**
 * Reads the bases of a chunk again, though its block was decoded with them. This is rare, because few such blocks are
 * divided.
 */
async function baseOf(source: BlockSource, entry: number, { relation }: StoredTensor): Promise<BaseRead | undefined> {
  const bases = source.index.basesAt(entry)
  if (!bases || !relation) return undefined
  const pieces: Uint8Array[] = []
  for (const id of bases.ids) {
    const piece = await readBase(source, id, bases.depth)
    if (piece.kind === 'lost') return piece
    pieces.push(piece.bytes)
  }
  const bytes = Buffer.concat(pieces)
  const needed = (relation === 'delta' ? 1 : 2) * source.index.length(entry)
  if (bytes.length !== needed) return { kind: 'lost', why: wrongBase(bytes.length, needed) }
  return { kind: 'read', base: { relation, bytes, ids: bases.ids, depth: bases.depth } }
}
