import { type FilteredBlock, splitDelta, splitNarrow } from '../../../src/compression/filters.ts'
import type { ChunkBases, NewBlock } from '../../../src/repository/format/directory.ts'
import { sha256 } from '../../../src/util/hash.ts'

export interface PredictedChunk {
  plain: Uint8Array
  depth: number
  /** The content of its bases. */
  bases: readonly Uint8Array[]
  /** What the directory says instead of the bases. */
  claims?: ChunkBases | undefined
}

/** A block of filter 2 of elements of 4 bytes, or of filter 3 (bf16), its planes stored raw. */
export function predictedBlock(filter: 'delta' | 'narrow', chunks: readonly PredictedChunk[]): NewBlock {
  const plain = Buffer.concat(chunks.map(chunk => chunk.plain))
  const base = Buffer.concat(chunks.flatMap(chunk => chunk.bases))
  return {
    block: stored(filter === 'delta' ? splitDelta(plain, base, 4) : splitNarrow(plain, base, 'bf16')),
    chunkIds: Buffer.concat(chunks.map(chunk => sha256(chunk.plain))),
    chunkLengths: chunks.map(chunk => chunk.plain.length),
    bases: new Map(chunks.map(({ depth, bases, claims }, i) => [i, claims ?? { depth, ids: bases.map(sha256) }])),
  }
}

function stored({ filter, parameters, planes }: FilteredBlock): NewBlock['block'] {
  const parts = planes.map(({ length }) => ({ codec: 0, storedLength: length, plainLength: length }))
  return { filter, parameters, parts, bytes: Buffer.concat(planes) }
}
