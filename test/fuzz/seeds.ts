import { encodeBlock } from '../../src/compression/block.ts'
import type { NewBlock } from '../../src/repository/format/directory.ts'
import type { Pack } from '../../src/repository/format/pack.ts'
import { sha256 } from '../../src/util/hash.ts'
import { encodePack } from '../helpers/encode.ts'
import { seededText } from '../helpers/seeded.ts'

export const NONCE = new Uint8Array(16).fill(7)

function blockOf(plain: Uint8Array, cuts: readonly number[], bases?: NewBlock['bases']): NewBlock {
  const ends = [...cuts, plain.length]
  const chunks = ends.map((end, i) => plain.subarray(ends[i - 1] ?? 0, end))
  const block = encodeBlock(plain, { level: 'balanced', kind: 'general' }, undefined)
  const ids = Buffer.concat(chunks.map(sha256))
  return { block, chunkIds: ids, chunkLengths: chunks.map(({ length }) => length), ...(bases ? { bases } : {}) }
}

/** Small packs of several kinds of blocks. */
export function somePacks(): Pack[] {
  const text = (seed: number, length: number): Buffer => seededText(seed, length)
  const base = { depth: 1, ids: [sha256(text(1, 100))] }
  const two = { depth: 3, ids: [sha256(text(1, 100)), sha256(text(2, 100))] }
  const blocks = [
    [blockOf(text(1, 100), [])],
    [blockOf(text(2, 400), [100, 250]), blockOf(text(3, 200), [])],
    [blockOf(text(4, 300), [120], new Map([[1, base]])), blockOf(text(5, 90), [30], new Map([[0, two]]))],
  ]
  return blocks.map(some => encodePack(some, NONCE))
}
