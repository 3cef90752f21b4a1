import { isAppError } from '../../util/errors.ts'
import { sha256, sha256Hex } from '../../util/hash.ts'
import { equalBytes } from '../../util/bytes.ts'
import { looksCompressed } from '../../compression/sample.ts'
import type { ChunkBases } from '../directory.ts'
import type { OpenRepository, RepositoryContext } from '../context.ts'
import type { IndexedPack } from '../index-object.ts'
import { packName } from '../object-names.ts'
import { contentOf } from '../open-block.ts'
import { PackWriter } from '../pack-writer.ts'
import { isIndivisible } from './mark-plan.ts'

export interface Copied {
  packs: readonly IndexedPack[]
  bytes: number
  /** Packs that could not be copied from, with the reason: they are damaged or gone, and nothing may rely on their copy. */
  failed: Map<number, string>
}

/**
 * Copies the chosen chunks of `sources` (pack numbers) into new packs. A pack is read whole and its bytes must be those that its name tells, so what is
 * taken over unchanged is what was verified when it was made. Blocks of which all is needed, and indivisible ones, go over as they stand: with their bases, in
 * equal depth, so copies rest on nothing that the originals did not. Of other blocks the needed chunks are encoded again.
 */
export async function copyChosen(
  context: RepositoryContext,
  { storage, index, pool, signal }: OpenRepository,
  chosen: Uint8Array,
  sources: readonly number[],
): Promise<Copied> {
  const failed = new Map<number, string>()
  const writer = new PackWriter({
    storage: context.storage,
    pool,
    level: 'balanced',
    blockBytes: pool.maxBlockBytes('balanced'),
    surroundings: context.surroundings,
    signal,
  })
  try {
    for (const [done, pack] of sources.entries()) {
      context.reporter.progress({ phase: 'storing', doneFiles: done, totalFiles: sources.length, storedBytes: writer.storedBytes })
      const { id } = index.packs[pack]!
      try {
        const bytes = await storage.get(packName(id), undefined, { signal })
        if (sha256Hex(bytes) !== id) failed.set(pack, 'its content does not match the checksum in its name')
        else await copyPack(pack, bytes)
      } catch (error) {
        if (!isAppError(error, 'not-found', 'corrupt', 'bad-range', 'newer-format')) throw error
        failed.set(pack, error.message)
      }
    }
    await writer.flush()
    await writer.acknowledge()
  } finally {
    await writer.settle()
  }
  return { packs: writer.acknowledged, bytes: writer.uploadedBytes, failed }

  async function copyPack(pack: number, bytes: Uint8Array): Promise<void> {
    const { first, end } = index.blocksOf(pack)
    for (let number = first; number < end; number++) {
      const block = index.blocks[number]!
      const entries = Array.from({ length: block.chunkCount }, (_, i) => block.firstChunk + i)
      const needed = entries.filter(entry => chosen[entry] === 1)
      if (needed.length === 0) continue
      const stored = bytes.slice(block.offset, block.offset + block.storedLength)
      if (needed.length === entries.length || isIndivisible(block)) {
        const { filter, parameters, parts } = block
        await writer.addBlock({
          block: { filter, parameters, parts, bytes: stored },
          chunkIds: Buffer.concat(entries.map(entry => index.id(entry))),
          chunkLengths: entries.map(entry => index.length(entry)),
          bases: new Map(entries.flatMap((entry, i) => withNumber(i, index.basesAt(entry)))),
        })
        continue
      }
      const plain = await pool.decode(block, stored)
      for (const entry of needed) {
        const { offset, length } = index.location(entry)
        const chunk = plain.subarray(offset, offset + length)
        const id = index.id(entry).slice()
        if (!equalBytes(sha256(chunk), id)) failed.set(pack, 'a chunk does not match its checksum')
        else await writer.add(id, chunk, contentOf(chunk, looksCompressed(chunk)))
      }
    }
  }
}

const withNumber = (number: number, bases: ChunkBases | undefined): [number, ChunkBases][] => (bases ? [[number, bases]] : [])
