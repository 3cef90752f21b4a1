import { usesBase } from '../../compression/filters.ts'
import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { sha256 } from '../../util/hash.ts'
import { packName, verifyObjectHash } from '../format/object-names.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { readPackTail } from '../open/view.ts'
import { chunkMatches } from '../read/block-source.ts'
import { fetchBlocks } from '../read/read-chunks.ts'
import type { Blame } from './blame.ts'

export interface PacksReport {
  /** Packs that were read whole. */
  read: number
  /** Damaged objects, in words. */
  problems: string[]
}

/**
 * Compares each pack with its directory in the index, and reads a random share of the packs (`readData`, 0 to 1) whole.
 * Notes the copies that can't be read in `blame`.
 */
export async function checkPacks(
  context: RepositoryContext,
  repository: OpenRepository,
  blame: Blame,
  readData: number,
): Promise<PacksReport> {
  const { surroundings, reporter, signal } = context
  const { packs } = repository.index
  const { inventory } = repository.view
  const checked = new PackCheck(repository, blame)
  const problems: string[] = []
  for (const [number, pack] of packs.entries()) {
    throwIfAborted(signal)
    const dice = new DataView(Uint8Array.from(surroundings.random(4)).buffer).getUint32(0) / 2 ** 32
    try {
      if (dice < readData) await checked.readPack(number)
      else await checked.readTail(number)
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'not-found', 'bad-range', 'newer-format')) throw error
      problems.push(error.message)
    }
    reporter.progress({ phase: 'checking', doneFiles: number + 1, totalFiles: packs.length })
    checked.markBeyond(number, inventory.packs.get(pack.id)?.size ?? 0)
  }
  await checked.readPredicted()
  return { read: checked.packsRead, problems }
}

class PackCheck {
  packsRead = 0
  private readonly repository: OpenRepository
  private readonly blame: Blame
  /** Numbers of predicted blocks, in packs that are read whole. */
  private readonly predicted: number[] = []

  constructor(repository: OpenRepository, blame: Blame) {
    this.repository = repository
    this.blame = blame
  }

  async readTail(number: number): Promise<void> {
    const { storage, index, view, signal } = this.repository
    const { id } = index.packs[number]!
    const { directory } = await readPackTail(storage, id, view.inventory.packs.get(id)!.size, { signal })
    const { first, end } = index.blocksOf(number)
    const isSame =
      end - first === directory.blocks.length && directory.blocks.every((block, i) => block.offset === index.blocks[first + i]!.offset)
    if (!isSame) throw new AppError('corrupt', `Pack ${id.slice(0, 12)} holds other blocks than the index says`)
  }

  /** Reads a pack whole. Verifies every block that needs no bases, then the hash of the object. */
  async readPack(number: number): Promise<void> {
    const { storage, index, signal } = this.repository
    const { id } = index.packs[number]!
    let bytes: Uint8Array
    try {
      bytes = await storage.get(packName(id), undefined, { signal })
    } catch (error) {
      if (isAppError(error, 'not-found', 'bad-range', 'corrupt')) this.markBeyond(number, 0)
      throw error
    }
    this.packsRead++
    const { first, end } = index.blocksOf(number)
    for (let block = first; block < end; block++) {
      throwIfAborted(signal)
      if (usesBase(index.blocks[block]!.filter)) this.predicted.push(block)
      else this.verifyBlock(block, await this.decode(block, bytes))
    }
    verifyObjectHash(`Pack ${id.slice(0, 12)}`, id, sha256(bytes))
  }

  /** Decodes a block that needs no bases. Undefined if it is damaged. */
  private async decode(number: number, pack: Uint8Array): Promise<Uint8Array | undefined> {
    const { index, pool } = this.repository
    const block = index.blocks[number]!
    const stored = pack.slice(block.offset, block.offset + block.storedLength)
    if (stored.length !== block.storedLength) return undefined
    try {
      return await pool.decode(block, stored)
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      return undefined
    }
  }

  /** Verifies the predicted blocks, in an order in which each of their bases is read once. */
  async readPredicted(): Promise<void> {
    for await (const { number, plain } of fetchBlocks(this.repository, this.predicted)) this.verifyBlock(number, plain)
  }

  private verifyBlock(number: number, plain: Uint8Array | undefined): void {
    const { index } = this.repository
    for (const entry of index.entriesIn(number)) {
      const { offset, length } = index.location(entry)
      const isGood = plain && chunkMatches(index.id(entry), plain.subarray(offset, offset + length))
      if (!isGood) this.blame.markDamaged(entry, entry + 1)
    }
  }

  /** Notes the copies that a pack of `size` bytes can't hold. */
  markBeyond(number: number, size: number): void {
    const { index } = this.repository
    const { first, end } = index.blocksOf(number)
    for (const { offset, storedLength, firstChunk, chunkCount } of index.blocks.slice(first, end))
      if (offset + storedLength > size) this.blame.markDamaged(firstChunk, firstChunk + chunkCount)
  }
}
