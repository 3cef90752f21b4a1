import { findCut } from '../../src/kernels/fastcdc.ts'
import type { ChunkBases, NewBlock } from '../../src/repository/format/directory.ts'
import { type Entry, encodeRows } from '../../src/repository/format/manifest.ts'
import { type Pack, sealPack } from '../../src/repository/format/pack.ts'
import { sha256 } from '../../src/util/hash.ts'

/** Cuts bytes in memory where a `Chunker` would; the chunks are views of `bytes`. */
export function chunkBytes(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let start = 0, cut: number; start < bytes.length; start = cut) {
    cut = findCut(bytes, start, bytes.length, true)
    chunks.push(bytes.subarray(start, cut))
  }
  return chunks
}

/** One block of one raw chunk. */
export function rawBlock(chunk: Uint8Array, id: Uint8Array = sha256(chunk), bases?: ChunkBases): NewBlock {
  const parts = [{ codec: 0, storedLength: chunk.length, plainLength: chunk.length }]
  const block = { filter: 0, parameters: new Uint8Array(0), parts, bytes: chunk }
  return { block, chunkIds: id, chunkLengths: [chunk.length], ...(bases ? { bases: new Map([[0, bases]]) } : {}) }
}

/** Makes a pack of encoded blocks. */
export function encodePack(blocks: readonly NewBlock[], nonce: Uint8Array): Pack {
  const blockBytes = blocks.reduce((sum, { block }) => sum + block.bytes.length, 0)
  const bytes = new Uint8Array(blockBytes)
  let position = 0
  for (const { block } of blocks) {
    bytes.set(block.bytes, position)
    position += block.bytes.length
  }
  return sealPack(bytes, blockBytes, blocks, nonce)
}

/** All rows of an entry. */
export function encodeEntry(entry: Entry): string {
  return [...encodeRows(entry)].join('')
}
