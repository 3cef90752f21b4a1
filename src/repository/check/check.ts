/*
 * Checks that everything is there and, if asked, that it reads back; names what is affected. It repairs nothing.
 */

import { usesBase } from '../../compression/filters.ts'
import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { sha256 } from '../../util/hash.ts'
import type { Entry } from '../format/manifest.ts'
import { packName, verifyObjectHash, type SnapshotRef } from '../format/object-names.ts'
import { isLate, type StoredSnapshot } from '../format/snapshot.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { openForReading } from '../open/open.ts'
import { readPackTail } from '../open/view.ts'
import { chunkMatches, describeCopy, lacksBase, shortId } from '../read/block-source.ts'
import { fetchBlocks } from '../read/read-chunks.ts'
import { isComplete, readManifest } from '../read/read-manifest.ts'
import { readSnapshot, readTags } from '../versions/versions.ts'

export interface CheckRequest {
  /** Share of the packs (0 to 1) whose every byte is read back; 0 checks the structure alone. */
  readData: number
  /** What is missing may still be on its way, as to a mounted Drive: a version that lacks it is incomplete, not damaged. */
  arriving?: boolean
}

export interface AffectedFile {
  name: string
  /** Id of the snapshot, its first 16 digits. */
  version: string
  /** Undefined when the whole version is affected. */
  path: string | undefined
  why: string
}

export interface CheckResult {
  packs: number
  packsRead: number
  snapshots: number
  /** Snapshots with parts missing that are no damage: committed too late, so that they count for nothing, or still arriving. */
  incomplete: number
  files: number
  /** Damaged objects, in words. */
  problems: string[]
  affected: AffectedFile[]
}

/** Checks that everything which snapshots reach is there and, as far as asked, that it can be read back bit for bit. Changes nothing. */
export async function check(context: RepositoryContext, request: CheckRequest): Promise<CheckResult> {
  const repository = await openForReading(context)
  const run = new Check(context, repository, request.arriving === true)
  await run.checkPacks(request.readData)
  await run.checkPredicted()
  await run.checkSnapshots()
  run.tellMissingPacks()
  return run.result
}

class Check {
  readonly result: CheckResult
  private readonly context: RepositoryContext
  private readonly repository: OpenRepository
  private readonly index: ChunkIndex
  /** A flag per index entry: this copy can't be read. */
  private readonly bad: Uint8Array
  /** Blocks that can't be decoded without others, of packs that are read whole. */
  private readonly predicted: number[] = []
  /** What `troubleOf` has found about entries with bases. */
  private readonly known = new Map<number, string | undefined>()
  private readonly arriving: boolean

  constructor(context: RepositoryContext, repository: OpenRepository, arriving: boolean) {
    this.arriving = arriving
    this.context = context
    this.repository = repository
    this.index = repository.index
    this.bad = new Uint8Array(this.index.size)
    const { view } = repository
    const unknown = view.inventory.unknown.map(name => `${name} has a name that is none of the repository's: damaged or foreign`)
    this.result = {
      packs: view.inventory.packs.size,
      packsRead: 0,
      snapshots: 0,
      incomplete: 0,
      files: 0,
      problems: [...view.problems.map(problem => problem.message), ...unknown],
      affected: [],
    }
  }

  async checkPacks(readData: number): Promise<void> {
    const { packs } = this.index
    const { surroundings, reporter, signal } = this.context
    for (const [number, pack] of packs.entries()) {
      throwIfAborted(signal)
      const dice = new DataView(Uint8Array.from(surroundings.random(4)).buffer).getUint32(0) / 2 ** 32
      try {
        if (dice < readData) await this.readPack(number)
        else await this.readTail(number)
      } catch (error) {
        if (!isAppError(error, 'corrupt', 'not-found', 'bad-range', 'newer-format')) throw error
        this.result.problems.push(error.message)
      }
      reporter.progress({ phase: 'checking', doneFiles: number + 1, totalFiles: packs.length })
      this.markBeyond(number, this.repository.view.inventory.packs.get(pack.id)?.size ?? 0)
    }
  }

  private async readTail(number: number): Promise<void> {
    const pack = this.index.packs[number]!
    const size = this.repository.view.inventory.packs.get(pack.id)!.size
    const { directory } = await readPackTail(this.repository.storage, pack.id, size, { signal: this.context.signal })
    const { first, end } = this.index.blocksOf(number)
    const same =
      end - first === directory.blocks.length && directory.blocks.every((block, i) => block.offset === this.index.blocks[first + i]!.offset)
    if (!same) throw new AppError('corrupt', `Pack ${pack.id.slice(0, 12)} holds other blocks than the index says`)
  }

  /** Reads a pack whole: every chunk that stands by itself, then the object's own hash. */
  private async readPack(number: number): Promise<void> {
    const pack = this.index.packs[number]!
    const { storage, signal, pool } = this.repository
    let bytes: Uint8Array
    try {
      bytes = await storage.get(packName(pack.id), undefined, { signal })
    } catch (error) {
      if (isAppError(error, 'not-found', 'bad-range', 'corrupt')) this.markBeyond(number, 0)
      throw error
    }
    this.result.packsRead++
    const { first, end } = this.index.blocksOf(number)
    for (let i = first; i < end; i++) {
      throwIfAborted(signal)
      const block = this.index.blocks[i]!
      if (usesBase(block.filter)) {
        this.predicted.push(i)
        continue
      }
      let plain: Uint8Array | undefined
      try {
        const stored = bytes.slice(block.offset, block.offset + block.storedLength)
        plain = stored.length === block.storedLength ? await pool.decode(block, stored) : undefined
      } catch (error) {
        if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      }
      this.verifyBlock(i, plain)
    }
    verifyObjectHash(`Pack ${pack.id.slice(0, 12)}`, pack.id, sha256(bytes))
  }

  /** Blocks that are predicted from others, in an order in which each of those is read once. */
  async checkPredicted(): Promise<void> {
    for await (const { number, plain } of fetchBlocks(this.repository, this.predicted)) this.verifyBlock(number, plain)
  }

  private verifyBlock(number: number, plain: Uint8Array | undefined): void {
    const block = this.index.blocks[number]!
    for (let entry = block.firstChunk; entry < block.firstChunk + block.chunkCount; entry++) {
      const { offset, length } = this.index.location(entry)
      if (!plain || !chunkMatches(this.index.id(entry), plain.subarray(offset, offset + length))) this.bad[entry] = 1
    }
  }

  /** Marks what a pack of `size` bytes can't hold. */
  private markBeyond(number: number, size: number): void {
    const { first, end } = this.index.blocksOf(number)
    for (const block of this.index.blocks.slice(first, end)) {
      if (block.offset + block.storedLength > size) this.bad.fill(1, block.firstChunk, block.firstChunk + block.chunkCount)
    }
  }

  async checkSnapshots(): Promise<void> {
    const { view } = this.repository
    const read: StoredSnapshot[] = []
    for (const ref of view.inventory.snapshots) {
      throwIfAborted(this.context.signal)
      const snapshot = await this.checkSnapshot(ref)
      if (snapshot) read.push(snapshot)
    }
    const known = view.problems.length
    await readTags(this.repository.storage, view, read, this.context.signal)
    this.result.problems.push(...view.problems.slice(known).map(problem => problem.message))
  }

  /** An index goes up side by side with its packs, so one whose push was killed may name packs that never came: no damage, unless somebody needs them. */
  tellMissingPacks(): void {
    if (this.result.affected.length === 0) return
    this.result.problems.push(...this.repository.view.missingPacks.map(({ id }) => `Pack ${id.slice(0, 12)} is missing`))
  }

  private async checkSnapshot(ref: SnapshotRef): Promise<StoredSnapshot | undefined> {
    let snapshot: StoredSnapshot | undefined
    const affected: AffectedFile[] = []
    const fail = (path: string | undefined, why: string): void => void affected.push({ name: ref.name, version: ref.shortId, path, why })
    try {
      snapshot = await readSnapshot(this.repository.storage, ref, this.context.signal)
      for await (const entry of readManifest(this.repository, snapshot)) {
        if (entry.type === 'file') this.result.files++
        const why = this.damageOf(entry)
        if (why !== undefined) fail(entry.path, why)
      }
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      fail(undefined, error.message)
    }
    this.result.snapshots++
    const mayLackParts = snapshot && (isLate(snapshot) || (this.arriving && !(await isComplete(this.repository, snapshot))))
    if (affected.length > 0 && mayLackParts) this.result.incomplete++
    else this.result.affected.push(...affected)
    return snapshot
  }

  private damageOf(entry: Entry): string | undefined {
    if (entry.type !== 'file') return undefined
    let size = 0
    for (let i = 0; i < entry.chunks.length; i += HASH_BYTES) {
      const found = this.index.find(entry.chunks, i)
      if (found < 0) return `chunk ${shortId(entry.chunks.subarray(i, i + HASH_BYTES))} is in no pack`
      const trouble = this.troubleWithAll(found)
      if (trouble !== undefined) return `${describeCopy(this.index, found)} ${trouble}`
      size += this.index.length(found)
    }
    return size === entry.size ? undefined : `its chunks have ${size} bytes instead of ${entry.size}`
  }

  /** What is wrong with the first copy of a chunk, if none is good. */
  private troubleWithAll(first: number): string | undefined {
    const trouble = this.troubleOf(first)
    for (let copy = this.index.findNext(first); trouble !== undefined && copy >= 0; copy = this.index.findNext(copy)) {
      if (this.troubleOf(copy) === undefined) return undefined
    }
    return trouble
  }

  /** What is wrong with a copy or its bases. Bases have a smaller depth, so this ends. */
  private troubleOf(entry: number): string | undefined {
    const bases = this.index.basesAt(entry)
    if (!bases) {
      const { filter } = this.index.blocks[this.index.blockOf(entry)]!
      return this.bad[entry] === 1 ? 'is damaged' : usesBase(filter) ? 'has no base where its filter needs one' : undefined
    }
    if (this.known.has(entry)) return this.known.get(entry)
    let trouble: string | undefined
    for (const id of bases.ids) trouble ??= this.troubleWithBase(id, bases.depth)
    trouble ??= this.bad[entry] === 1 ? 'is damaged' : undefined
    this.known.set(entry, trouble)
    return trouble
  }

  private troubleWithBase(id: Uint8Array, depth: number): string | undefined {
    const first = this.index.findBase(id, depth)
    if (first < 0) return lacksBase(id)
    const trouble = this.troubleOf(first)
    if (trouble === undefined) return undefined
    for (let copy = this.index.findBase(id, depth, first); copy >= 0; copy = this.index.findBase(id, depth, copy)) {
      if (this.troubleOf(copy) === undefined) return undefined
    }
    return `is predicted from ${describeCopy(this.index, first)}, which ${trouble}`
  }
}
