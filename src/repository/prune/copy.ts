import { usesBase } from '../../compression/filters.ts'
import { ForwardingStorage } from '../../storage/forwarding.ts'
import type { ByteRange, Storage, StorageOptions } from '../../storage/storage.ts'
import { isAppError } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import { packName } from '../format/object-names.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { type BlockSource, fetchBlocks } from '../read/read-chunks.ts'
import { readAnyCopy } from '../read/read-copy.ts'
import { type AcknowledgedPack, PackWriter } from '../write/pack-writer.ts'
import { isDivisible } from './plan/block-content.ts'
import type { MarkPlan } from './plan/mark-plan.ts'
import { recodeChunk } from './recode.ts'

export interface CopyResult {
  packs: readonly AcknowledgedPack[]
  bytes: number
  /**
   * Packs that could not be copied from, with the reason: they are damaged or gone. Nothing may rely on their copies.
   */
  failed: Map<number, string>
}

/**
 * Copies the chosen chunks of `sources` (pack numbers) into new packs. A pack is read whole and must match the hash in
 * its name. Of a tombed pack that does not match it, the chunks that match their ids are copied one by one. If all
 * chunks of a block are needed, the block is copied unchanged, with the same bases and depths, so the
 * copies rely on the same bases as the originals. Otherwise its needed chunks are encoded again: without bases if they
 * are in `standalone`, else with them.
 */
export async function copyChosen(
  context: RepositoryContext,
  repository: OpenRepository,
  { chosen, standalone }: Pick<MarkPlan, 'chosen' | 'standalone'>,
  sources: readonly number[],
): Promise<CopyResult> {
  const { storage, index, pool, signal } = repository
  const failed = new Map<number, string>()
  const writer = new PackWriter({
    storage: context.storage,
    pool,
    level: 'balanced',
    surroundings: context.surroundings,
    signal,
    policy: context.packPolicy,
  })
  try {
    for (const [done, pack] of sources.entries()) {
      context.reporter.progress({ phase: 'storing', doneFiles: done, totalFiles: sources.length, storedBytes: writer.storedBytes })
      const { id } = index.packs[pack]!
      try {
        const bytes = await storage.get(packName(id), undefined, { signal })
        if (sha256Hex(bytes) === id) await copyPack(pack, bytes)
        else if (repository.view.tombedPacks.has(id)) await salvage(pack, bytes)
        else failed.set(pack, 'its content does not match the checksum in its name')
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

  function sourceWith(pack: number, bytes: Uint8Array): BlockSource {
    return { ...repository, storage: new StorageWithPack(storage, packName(index.packs[pack]!.id), bytes) }
  }

  /** Copies the chunks of a damaged pack that are good, one by one. */
  async function salvage(pack: number, bytes: Uint8Array): Promise<void> {
    const { first, end } = index.blocksOf(pack)
    const source = sourceWith(pack, bytes)
    const wanted: number[] = []
    for (let number = first; number < end; number++) if (index.entriesIn(number).some(isChosen)) wanted.push(number)
    for await (const { number, plain } of fetchBlocks(source, wanted)) await recode(source, number, plain)
  }

  async function copyPack(pack: number, bytes: Uint8Array): Promise<void> {
    const { first, end } = index.blocksOf(pack)
    const source = sourceWith(pack, bytes)
    const predicted: number[] = []
    for (let number = first; number < end; number++) {
      const block = index.blocks[number]!
      const entries = index.entriesIn(number)
      const needed = entries.filter(isChosen)
      if (needed.length === 0) continue
      const isAsItWas = needed.length === entries.length && !entries.some(entry => standalone.has(entry))
      if (isAsItWas || !isDivisible(block)) await copyBlock(number, bytes.slice(block.offset, block.offset + block.storedLength))
      else if (usesBase(block.filter)) predicted.push(number)
      else await recode(source, number, await pool.decode(block, bytes.slice(block.offset, block.offset + block.storedLength)))
    }
    for await (const { number, plain, error } of fetchBlocks(source, predicted)) {
      if (error) throw error
      await recode(source, number, plain)
    }
  }

  async function copyBlock(number: number, bytes: Uint8Array): Promise<void> {
    const { filter, parameters, parts } = index.blocks[number]!
    const listed = index.listedBlock(number)
    await writer.addBlock({ ...listed, chunkIds: listed.chunkIds.slice(), block: { filter, parameters, parts, bytes } })
  }

  async function recode(source: BlockSource, number: number, plain: Uint8Array | undefined): Promise<void> {
    for (const entry of index.entriesIn(number).filter(isChosen)) {
      const { offset, length } = index.location(entry)
      const chunk = plain?.subarray(offset, offset + length)
      let lost = await recodeChunk(source, writer, entry, chunk, standalone.has(entry))
      const other = lost === undefined ? undefined : await readAnyCopy(source, index.id(entry))
      if (other?.kind === 'read') lost = await recodeChunk(source, writer, entry, other.bytes, true)
      if (lost !== undefined) failed.set(index.packOf(entry), lost)
    }
  }

  function isChosen(entry: number): boolean {
    return chosen[entry] !== 0
  }
}

/** Serves ranges of a pack that is in memory, and asks the store for everything else. */
class StorageWithPack extends ForwardingStorage {
  private readonly name: string
  private readonly bytes: Uint8Array

  constructor(inner: Storage, name: string, bytes: Uint8Array) {
    super(inner)
    this.name = name
    this.bytes = bytes
  }

  override get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    if (name !== this.name || !range || range.offset + range.length > this.bytes.length) return super.get(name, range, options)
    return Promise.resolve(this.bytes.slice(range.offset, range.offset + range.length))
  }
}
