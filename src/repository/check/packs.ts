import { usesBase } from '../../compression/filters.ts'
import { equalBytes } from '../../util/bytes.ts'
import { AppError, isAppError, newerFormat, throwIfAborted } from '../../util/errors.ts'
import type { Surroundings } from '../../util/clock.ts'
import { sha256 } from '../../util/hash.ts'
import { encodeDirectory } from '../format/directory.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { packName, verifyObjectHash } from '../format/object-names.ts'
import { decodePackTail } from '../format/pack.ts'
import { LazyIndexedPack } from '../open/lazy-indexed-pack.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { readPackTail } from '../open/view.ts'
import { chunkMatches } from '../read/block-source.ts'
import { fetchBlocks } from '../read/read-chunks.ts'
import type { Blame } from './blame.ts'

export interface PacksReport {
  /** Packs that were read whole. */
  read: number
  /** What is wrong with packs or their index entries, in words, by the id of the pack. */
  problems: Map<string, string>
  /** Ids of the packs that are gone, cut short, or hold other bytes than those that were stored. */
  damaged: Set<string>
  /** The packs as their own directories say, by id. Damaged ones are missing if their directory can't be read. */
  own: Map<string, IndexedPack>
  /** Packs that could not be read because of the disk. */
  failures: number
}

/**
 * Compares each pack with its directory in the index, and reads a random share of the packs (`readData`, 0 to 1), or
 * the packs with these ids, whole. Notes the copies that can't be read in `blame`. Time: linear in the plain bytes of
 * the packs that are read whole, and in the directories of the others.
 */
export async function checkPacks(
  context: RepositoryContext,
  repository: OpenRepository,
  blame: Blame,
  readData: number | ReadonlySet<string>,
): Promise<PacksReport> {
  const { surroundings, reporter, signal } = context
  const { packs } = repository.index
  const { inventory } = repository.view
  const checked = new PackCheck(repository, blame)
  const problems = new Map<string, string>()
  let failures = 0
  for (const [number, pack] of packs.entries()) {
    throwIfAborted(signal)
    const isRead = typeof readData === 'number' ? throwDice(surroundings) < readData : readData.has(pack.id)
    try {
      if (isRead) await checked.readPack(number)
      else await checked.readTail(number)
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'not-found', 'bad-range', 'newer-format', 'io')) throw error
      problems.set(pack.id, error.message)
      if (!isAppError(error, 'newer-format', 'io')) checked.damaged.add(pack.id)
      // a bad sector, or a bad cable: it is no reason to take a pack out of use, but now it can't be read
      if (isAppError(error, 'io')) {
        checked.markBeyond(number, 0)
        failures++
      }
      if (checked.contradicted.has(pack.id)) checked.damaged.delete(pack.id)
    }
    reporter.progress({ phase: 'checking', doneFiles: number + 1, totalFiles: packs.length })
    checked.markBeyond(number, inventory.packs.get(pack.id)?.size ?? 0)
  }
  await checked.readPredicted()
  return { read: checked.packsRead, problems, damaged: checked.damaged, own: checked.own, failures }
}

/** A number from 0 to 1, without 1. */
function throwDice({ random }: Surroundings): number {
  return new DataView(Uint8Array.from(random(4)).buffer).getUint32(0) / 2 ** 32
}

class PackCheck {
  packsRead = 0
  readonly damaged = new Set<string>()
  readonly own = new Map<string, IndexedPack>()
  /** Ids of packs of which the index says other things than the pack. */
  readonly contradicted = new Set<string>()
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
    const size = view.inventory.packs.get(id)!.size
    this.compare(number, size, (await readPackTail(storage, id, size, { signal })).directoryBytes)
  }

  /** Throws `corrupt` if the index says other things of a pack than its own directory. The pack is right. */
  private compare(number: number, size: number, directoryBytes: Uint8Array): void {
    const { index } = this.repository
    const { id } = index.packs[number]!
    const pack = { id, size, directoryBytes }
    if (equalBytes(encodeDirectory(index.listedBlocks(number)), directoryBytes)) {
      this.own.set(id, new LazyIndexedPack(pack, index, number))
      return
    }
    this.own.set(id, { ...pack, directoryBytes: directoryBytes.slice() })
    this.contradicted.add(id)
    throw new AppError('corrupt', `An index is wrong: pack ${id.slice(0, 12)} holds other chunks than the index says`)
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
    let isNewer = false
    for (let block = first; block < end; block++) {
      throwIfAborted(signal)
      if (usesBase(index.blocks[block]!.filter)) {
        this.predicted.push(block)
        continue
      }
      const plain = await this.decode(block, bytes)
      if (plain === 'newer') isNewer = true
      if (!this.verifyBlock(block, plain === 'newer' ? undefined : plain) && plain !== 'newer') this.damaged.add(id)
    }
    verifyObjectHash(`Pack ${id.slice(0, 12)}`, id, sha256(bytes))
    const tail = decodePackTail(bytes, bytes.length, id)
    if (tail.kind === 'directory') this.compare(number, bytes.length, tail.directoryBytes)
    if (this.damaged.has(id)) throw new AppError('corrupt', `Pack ${id.slice(0, 12)} holds other data than its own directory says`)
    if (isNewer) throw newerFormat(`A block in pack ${id.slice(0, 12)}`)
  }

  /** Decodes a block that needs no bases. Undefined if it is damaged; `newer` if a newer program made it. */
  private async decode(number: number, pack: Uint8Array): Promise<Uint8Array | 'newer' | undefined> {
    const { index, pool } = this.repository
    const block = index.blocks[number]!
    const stored = pack.slice(block.offset, block.offset + block.storedLength)
    if (stored.length !== block.storedLength) return undefined
    try {
      return await pool.decode(block, stored)
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      return error.code === 'newer-format' ? 'newer' : undefined
    }
  }

  /** Verifies the predicted blocks, in an order in which each of their bases is read once. */
  async readPredicted(): Promise<void> {
    for await (const { number, plain } of fetchBlocks(this.repository, this.predicted)) this.verifyBlock(number, plain)
  }

  /** False if a chunk is not what the index says. */
  private verifyBlock(number: number, plain: Uint8Array | undefined): boolean {
    const { index } = this.repository
    let allGood = true
    for (const entry of index.entriesIn(number)) {
      const { offset, length } = index.location(entry)
      const isGood = plain && chunkMatches(index, index.id(entry), plain.subarray(offset, offset + length))
      if (isGood) continue
      this.blame.markDamaged(entry, entry + 1)
      allGood = false
    }
    return allGood
  }

  /** Notes the copies that a pack of `size` bytes can't hold. */
  markBeyond(number: number, size: number): void {
    const { index } = this.repository
    const { first, end } = index.blocksOf(number)
    for (const { offset, storedLength, firstChunk, chunkCount } of index.blocks.slice(first, end))
      if (offset + storedLength > size) this.blame.markDamaged(firstChunk, firstChunk + chunkCount)
  }
}
