import type { Storage } from '../../storage/storage.ts'
import type { Surroundings } from '../../util/clock.ts'
import { encodeIndex, type IndexedPack } from '../format/index-object.ts'
import { MAX_INDEX_BYTES } from '../format/limits.ts'
import { indexName } from '../format/object-names.ts'
import { NONCE_BYTES } from '../format/pack.ts'
import type { RepositoryView } from '../open/view.ts'

/** Indexes up to this size are always merged: rewriting them costs less than one more request for every reader. */
const ALWAYS_MERGE_BYTES = 32 * 1024
/**
 * A larger index is merged if it is at most this many times as large as the entries that are merged already. So the
 * number of indexes grows logarithmically.
 */
const MERGE_FACTOR = 4

type ActiveIndex = RepositoryView['activeIndexes'][number]

/** Bytes that the entries of packs take in an index, at most. */
export function bytesInIndex(packs: readonly IndexedPack[]): number {
  return packs.reduce((sum, pack) => sum + (pack.directoryLength ?? pack.directoryBytes.length) + 40, 0)
}

/**
 * Chooses the active indexes that a new index with `ownBytes` of entries merges, smallest first. Only entries are
 * counted. The list of superseded indexes is not: every new index repeats it, so every index would seem too large in
 * the end.
 */
export function chooseMerges(active: readonly ActiveIndex[], ownBytes: number): ActiveIndex[] {
  const chosen: ActiveIndex[] = []
  let total = ownBytes
  const sized = active.map(index => ({ index, bytes: bytesInIndex(index.packs) })).sort((a, b) => a.bytes - b.bytes)
  for (const { index, bytes } of sized) {
    if (bytes > ALWAYS_MERGE_BYTES && bytes > total * MERGE_FACTOR) break
    if (total + bytes > MAX_INDEX_BYTES) break
    chosen.push(index)
    total += bytes
  }
  return chosen
}

/**
 * Writes the indexes of one push. Each new index merges smaller ones, also earlier ones of this push. It supersedes
 * them and all indexes that they superseded. A prune deletes those after the grace (rule 9).
 */
export class IndexWriter {
  private readonly storage: Storage
  private readonly surroundings: Surroundings
  private active: ActiveIndex[]
  private superseded: string[]
  private last: Promise<void> = Promise.resolve()
  storedBytes = 0
  private readonly written = new Set<string>()

  constructor(storage: Storage, view: Pick<RepositoryView, 'activeIndexes' | 'supersededIndexes'>, surroundings: Surroundings) {
    this.storage = storage
    this.surroundings = surroundings
    this.active = [...view.activeIndexes]
    this.superseded = [...view.supersededIndexes]
  }

  /** The indexes that were written and that no later one supersedes. */
  get own(): ActiveIndex[] {
    return this.active.filter(({ id }) => this.written.has(id))
  }

  /**
   * Resolves when the store has acknowledged an index that names `packs`. Calls run one after the other. The index also
   * supersedes `replaced` without merging them: a prune gives the packs of these that must stay in `packs` (rule 9).
   */
  write(packs: readonly IndexedPack[], signal?: AbortSignal, replaced: readonly ActiveIndex[] = []): Promise<void> {
    const run = this.last.then(() => this.writeNow(packs, signal, replaced))
    this.last = run.catch(() => undefined)
    return run
  }

  private async writeNow(packs: readonly IndexedPack[], signal: AbortSignal | undefined, replaced: readonly ActiveIndex[]): Promise<void> {
    const groups = splitBySize(packs)
    const left = new Set(replaced)
    if (groups.length === 0 && replaced.length > 0) groups.push([])
    for (const [number, group] of groups.entries()) {
      const others = this.active.filter(index => !left.has(index))
      const merged = chooseMerges(others, bytesInIndex(group))
      const byId = new Map([...merged.flatMap(index => index.packs), ...group].map(pack => [pack.id, pack]))
      // superseded with the last group only: until then these indexes name packs that no other index names
      const dropped = new Set(number === groups.length - 1 ? [...merged, ...replaced] : merged)
      const supersedes = [...this.superseded, ...Array.from(dropped, index => index.id)]
      const all = [...byId.values()].map(({ id, size, directoryBytes }) => ({ id, size, directoryBytes }))
      const { id, bytes } = encodeIndex({ packs: all, supersedes }, this.surroundings.random(NONCE_BYTES))
      await this.storage.put(indexName(id), bytes, { signal })
      this.storedBytes += bytes.length
      this.written.add(id)
      this.superseded = supersedes
      this.active = [...this.active.filter(index => !dropped.has(index)), { id, size: bytes.length, packs: all, supersedes }]
    }
  }
}

/** Groups the packs so that the directories of each group fit into one index. */
function splitBySize(packs: readonly IndexedPack[]): IndexedPack[][] {
  const groups: IndexedPack[][] = []
  let bytes = Infinity
  for (const pack of packs) {
    const own = bytesInIndex([pack])
    if (bytes + own > MAX_INDEX_BYTES) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(pack)
    bytes += own
  }
  return groups
}
