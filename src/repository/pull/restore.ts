import type { HeldFolders } from '../../local/held-folders.ts'
import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { Breather } from '../../util/event-loop.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { SideBySide } from '../../util/side-by-side.ts'
import { idCount } from '../format/chunk-ids.ts'
import type { OpenRepository } from '../open/open.ts'
import { chunkMatches, fetchBlocks, readOtherCopy } from '../read/read-chunks.ts'
import { FileWriter } from './file-writer.ts'
import type { DamagedFile, PlannedFile } from './pull-plan.ts'
import type { Refusals } from './refusals.ts'
import type { Twins } from './twins.ts'

export interface RestoreOptions {
  force: boolean
  folders: HeldFolders
  refused: Refusals
  twins?: Twins
  onLeft: (part: string, error: unknown) => void
  onProgress: (done: { doneBytes: number; totalBytes: number; doneFiles: number; totalFiles: number }) => void
}

export interface RestoreResult {
  placed: number
  placedBytes: number
  /** Bytes that an interrupted pull had already written. */
  resumedBytes: number
  damaged: DamagedFile[]
  /** Local paths that changed after they were planned. They were left alone. */
  changedMeanwhile: string[]
  /** Number of placed files that the file system gave another mode or time. */
  withoutAttributes: number
  /** Whether all placed files are synced to the disk. */
  isSynced: boolean
}

/** More at once are no faster. */
const SYNCED_AT_ONCE = 16

/** Part files of smaller files are not looked for, because writing these again is cheaper. */
const RESUME_FROM_BYTES = 1024 * 1024

/**
 * The places of chunks in files, in typed columns: the chunk with the entry number `copy` is at `offset` of the file
 * with the number `file`. They are sorted by entry number, which is the order of blocks in packs. So each block is
 * fetched and decoded once, however many files need it.
 */
class Placements {
  private order = new Float64Array(1024)
  private file = new Uint32Array(1024)
  private offset = new Float64Array(1024)
  count = 0

  /**
   * Entry numbers are below 2^27 and numbers of places below 2^26, so both fit one double exactly. Sorting doubles is
   * much faster than sorting by a comparator.
   */
  private static readonly SHIFT = 2 ** 26

  add(copy: number, file: number, offset: number): void {
    if (this.count === Placements.SHIFT)
      throw new AppError('unsupported', 'This version has more chunks than one pull can place (67 million, about 4 TB).', {
        hint: 'Pull it in parts, with --only.',
      })
    if (this.count === this.order.length) this.grow()
    this.order[this.count] = copy * Placements.SHIFT + this.count
    this.file[this.count] = file
    this.offset[this.count] = offset
    this.count++
  }

  private grow(): void {
    const grown = <T extends Float64Array | Uint32Array>(column: T, wider: T): T => {
      wider.set(column)
      return wider
    }
    this.order = grown(this.order, new Float64Array(this.count * 2))
    this.file = grown(this.file, new Uint32Array(this.count * 2))
    this.offset = grown(this.offset, new Float64Array(this.count * 2))
  }

  sort(): void {
    this.order = this.order.slice(0, this.count).sort()
  }

  /** The place at position `i` of the sorted order. */
  at(i: number): { copy: number; file: number; offset: number } {
    const copy = Math.floor(this.order[i]! / Placements.SHIFT)
    const number = this.order[i]! - copy * Placements.SHIFT
    return { copy, file: this.file[number]!, offset: this.offset[number]! }
  }
}

/**
 * Writes the planned files: fetches each block once, verifies each chunk, and renames each part file when it is whole.
 */
export async function restoreFiles(
  repository: OpenRepository,
  files: readonly PlannedFile[],
  options: RestoreOptions,
): Promise<RestoreResult> {
  const restore = new Restore(repository, files, options)
  try {
    await restore.prepare()
    await restore.run()
  } catch (error) {
    await restore.placing.settled()
    if (isAppError(error, 'quota')) restore.writer.abandonAll()
    throw error
  } finally {
    restore.writer.close()
  }
  restore.result.isSynced = restore.writer.isSynced
  restore.result.withoutAttributes = restore.writer.withoutAttributes
  return restore.result
}

class Restore {
  readonly writer: FileWriter
  readonly placing = new SideBySide(SYNCED_AT_ONCE)
  readonly result: RestoreResult = {
    placed: 0,
    placedBytes: 0,
    resumedBytes: 0,
    damaged: [],
    changedMeanwhile: [],
    withoutAttributes: 0,
    isSynced: false,
  }
  private readonly repository: OpenRepository
  private readonly files: readonly PlannedFile[]
  private readonly options: RestoreOptions
  private readonly placements = new Placements()
  /** Number of chunks that each file still lacks. */
  private readonly missing: Uint32Array
  private readonly given = new Set<number>()
  private readonly turns = new Breather()
  private readonly totalBytes: number
  private doneBytes = 0
  private doneFiles = 0

  constructor(repository: OpenRepository, files: readonly PlannedFile[], options: RestoreOptions) {
    this.repository = repository
    this.files = files
    this.options = options
    this.writer = new FileWriter(files, options.force, options.folders, options.onLeft, options.twins)
    this.missing = new Uint32Array(files.length)
    this.totalBytes = files.reduce((sum, { entry }) => sum + entry.size, 0)
  }

  async prepare(): Promise<void> {
    const { index, signal } = this.repository
    for (const [number, { entry }] of this.files.entries()) {
      if (this.turns.isDue()) await this.turns.breathe()
      throwIfAborted(signal)
      const copyOf = (chunk: number): number => index.whole.best(entry.chunks, chunk * HASH_BYTES)
      const lengthOf = (chunk: number): number => index.length(copyOf(chunk))
      const have = entry.size >= RESUME_FROM_BYTES ? await this.writer.resume(number, lengthOf, index.chunkKeys, signal) : undefined
      let offset = 0
      for (let chunk = 0; chunk < idCount(entry.chunks); chunk++) {
        const found = copyOf(chunk)
        const length = index.length(found)
        if (have?.[chunk]) {
          this.result.resumedBytes += length
          this.doneBytes += length
        } else {
          this.placements.add(found, number, offset)
          this.missing[number]!++
        }
        offset += length
      }
      if (this.missing[number] === 0) await this.place(number)
    }
    this.placements.sort()
  }

  async run(): Promise<void> {
    const { index } = this.repository
    const blocks: number[] = []
    const placesOf = new Map<number, { first: number; end: number }>()
    for (let i = 0; i < this.placements.count; i++) {
      const block = index.blockOf(this.placements.at(i).copy)
      const places = placesOf.get(block)
      if (places) places.end = i + 1
      else {
        blocks.push(block)
        placesOf.set(block, { first: i, end: i + 1 })
      }
    }
    for await (const { number, plain, error } of fetchBlocks(this.repository, blocks, { reuse: true })) {
      const { first, end } = placesOf.get(number)!
      await this.distribute(plain, error, first, end)
      this.report()
    }
    await this.placing.end()
    this.report()
  }

  /** Verifies the needed chunks of one block and writes them to all their places. */
  private async distribute(plain: Uint8Array | undefined, error: AppError | undefined, start: number, end: number): Promise<void> {
    const { index } = this.repository
    let verified = -1
    let chunk: Uint8Array | undefined
    let why = ''
    for (let i = start; i < end; i++) {
      const place = this.placements.at(i)
      if (place.copy !== verified) {
        verified = place.copy
        const { offset, length } = index.location(place.copy)
        chunk = plain?.subarray(offset, offset + length)
        if (!chunk || !chunkMatches(index, index.id(place.copy), chunk)) [chunk, why] = await this.rescue(place.copy, error)
      }
      if (this.given.has(place.file)) continue
      if (this.turns.isDue()) {
        await this.turns.breathe()
        throwIfAborted(this.repository.signal)
      }
      if (!chunk) this.giveUp(place.file, why)
      else if (this.write(place.file, place.offset, chunk) && --this.missing[place.file]! === 0) await this.place(place.file)
    }
  }

  /** False if the destination refused it. */
  private write(number: number, offset: number, chunk: Uint8Array): boolean {
    try {
      this.writer.write(number, offset, chunk)
      this.doneBytes += chunk.length
      return true
    } catch (error) {
      this.refuse(number, error)
      return false
    }
  }

  private async rescue(copy: number, error: AppError | undefined): Promise<[Uint8Array | undefined, string]> {
    try {
      return [await readOtherCopy(this.repository, copy, error, 'A chunk'), '']
    } catch (failure) {
      if (isAppError(failure, 'corrupt', 'newer-format')) return [undefined, failure.message]
      throw failure
    }
  }

  private giveUp(number: number, why: string): void {
    this.abandon(number)
    this.result.damaged.push({ path: this.files[number]!.entry.path, why })
  }

  /** Leaves out a file that the destination does not take. Throws what ends the pull. */
  private refuse(number: number, error: unknown): void {
    this.options.refused.take(this.files[number]!.entry.path, error)
    this.abandon(number)
  }

  private abandon(number: number): void {
    this.given.add(number)
    this.writer.abandon(number)
  }

  /** Syncing takes as long as fetching: both are done at the same time. */
  private async place(number: number): Promise<void> {
    await this.placing.start(async () => {
      const { entry, localPath } = this.files[number]!
      this.doneFiles++
      try {
        if ((await this.writer.place(number)) === 'placed') {
          this.result.placed++
          this.result.placedBytes += entry.size
        } else this.result.changedMeanwhile.push(localPath)
      } catch (error) {
        this.refuse(number, error)
      }
    })
  }

  private report(): void {
    this.options.onProgress({
      doneBytes: this.doneBytes,
      totalBytes: this.totalBytes,
      doneFiles: this.doneFiles,
      totalFiles: this.files.length,
    })
  }
}
