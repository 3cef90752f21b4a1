import pLimit from 'p-limit'
import { groupBy } from '../../util/group-by.ts'
import type { IndexedPack } from '../format/index-object.ts'
import type { OpenRepository } from '../open/open.ts'
import { PARALLEL_READS } from '../open/view.ts'
import { chunkMatches, shortId } from '../read/block-source.ts'
import { fetchBlocks } from '../read/read-chunks.ts'
import { readOwnDirectory } from './own-directories.ts'

/**
 * What a prune has verified. A pack is deleted only if its own directory was read, and if the copies that are used
 * instead of its own are known to be good. What turns out to be wrong counts as damage from then on.
 *
 * Time: each directory and each copy is read once, a wrong copy twice.
 */
export class Proofs {
  /** Copies that were read and are wrong, by entry number. */
  readonly bad = new Set<number>()
  /** Numbers of packs that hold bad copies, and of those whose own directory can't be read. */
  readonly damaged = new Set<number>()
  /** Numbers of packs whose own directory can't be read. */
  readonly unreadable = new Set<number>()
  /** Packs about which an index lies, with their own directories. */
  readonly misdescribed: IndexedPack[] = []
  readonly problems: string[] = []
  private readonly repository: OpenRepository
  private readonly good = new Set<number>()
  private readonly directoryRead = new Set<number>()
  private namings: Map<string, { by: string }[]> | undefined

  constructor(repository: OpenRepository) {
    this.repository = repository
  }

  /**
   * Whether everything is as the chunk index says, so that the packs `goes` may go if the copies `relied` stay. False
   * if it has found new damage: then the caller must decide again.
   */
  async hold(goes: readonly number[], relied: ReadonlySet<number>): Promise<boolean> {
    const { index } = this.repository
    const before = this.findings
    await this.readDirectories([...goes, ...[...relied].map(entry => index.packOf(entry))])
    const isKnown = (entry: number): boolean => this.good.has(entry) || this.bad.has(entry)
    let doubtful = [...relied].filter(entry => !isKnown(entry))
    // twice: bytes may also be damaged on their way
    doubtful = (await this.readCopies(doubtful)).map(({ entry }) => entry)
    for (const { entry, why } of await this.readCopies(doubtful)) this.condemn(entry, why)
    return this.findings === before
  }

  /** Reads the own directories of all packs. */
  async readAllDirectories(): Promise<void> {
    await this.readDirectories([...this.repository.index.packs.keys()])
  }

  private get findings(): number {
    return this.bad.size + this.damaged.size + this.unreadable.size + this.misdescribed.length
  }

  private async readDirectories(packs: readonly number[]): Promise<void> {
    const limit = pLimit(PARALLEL_READS)
    const unread = [...new Set(packs)].filter(pack => !this.directoryRead.has(pack))
    await Promise.all(unread.map(pack => limit(() => this.readDirectory(pack))))
  }

  /** The ids of the indexes that name a pack. */
  private indexesNaming(pack: string): string[] {
    this.namings ??= groupBy(
      this.repository.view.activeIndexes.flatMap(({ id: by, packs }) => packs.map(({ id }) => ({ id, by }))),
      ({ id }) => id,
    )
    return (this.namings.get(pack) ?? []).map(({ by }) => by)
  }

  private async readDirectory(pack: number): Promise<void> {
    const { index, view } = this.repository
    const { id, writable } = index.packs[pack]!
    const own = await readOwnDirectory(this.repository, pack)
    this.directoryRead.add(pack)
    const name = `Pack ${id.slice(0, 12)}`
    if (own.kind === 'differs') {
      this.misdescribed.push(own.pack)
      this.damaged.add(pack)
      const liars = this.indexesNaming(id).map(index => index.slice(0, 12))
      this.problems.push(`${name} holds other chunks than index ${liars.join(', ')} says: the pack's own directory is used instead`)
    } else if (own.kind === 'unreadable') {
      this.unreadable.add(pack)
      this.damaged.add(pack)
      // the listing shows the damage of a pack that is not writable and in no tomb
      if (writable || view.tombedPacks.has(id)) this.problems.push(`${name} is damaged: its directory can't be read (${own.why})`)
    }
  }

  /** Reads copies, each block once. Returns those that do not match their ids. */
  private async readCopies(entries: readonly number[]): Promise<{ entry: number; why: string }[]> {
    const { index } = this.repository
    const byBlock = new Map<number, number[]>()
    for (const entry of entries) {
      const block = index.blockOf(entry)
      const inBlock = byBlock.get(block)
      if (inBlock) inBlock.push(entry)
      else byBlock.set(block, [entry])
    }
    const wrong: { entry: number; why: string }[] = []
    const blocks = [...byBlock.keys()].sort((a, b) => a - b)
    for await (const { number, plain, error } of fetchBlocks(this.repository, blocks))
      for (const entry of byBlock.get(number)!) {
        const { offset, length } = index.location(entry)
        if (plain && chunkMatches(index, index.id(entry), plain.subarray(offset, offset + length))) this.good.add(entry)
        else wrong.push({ entry, why: error?.message ?? 'it does not match its checksum' })
      }
    return wrong
  }

  private condemn(entry: number, why: string): void {
    const { index } = this.repository
    const pack = index.packOf(entry)
    this.bad.add(entry)
    if (this.damaged.has(pack)) return
    this.damaged.add(pack)
    const [name, chunk] = [index.packs[pack]!.id.slice(0, 12), shortId(index.id(entry))]
    this.problems.push(`Pack ${name} is damaged: chunk ${chunk} in it can't be read (${why}). No other copy is deleted in favour of it.`)
  }
}
