import type { Storage } from '../../storage/storage.ts'
import type { Surroundings } from '../../util/clock.ts'
import { encodeIndex, type IndexedPack } from '../format/index-object.ts'
import { MAX_INDEX_BYTES } from '../format/limits.ts'
import { indexName } from '../format/object-names.ts'
import { NONCE_BYTES } from '../format/pack.ts'
import type { RepositoryView } from '../open/view.ts'

/** Indexes of up to this are merged whatever the size of the new one: rewriting them costs less than one more request for every reader. */
const ALWAYS_MERGE_BYTES = 32 * 1024
/** A larger index is merged when it is at most this many times as large as what is merged already: so the number of indexes grows as a logarithm. */
const MERGE_FACTOR = 4

type ActiveIndex = RepositoryView['activeIndexes'][number]

/** Bytes that entries of packs take in an index, at most. */
export function bytesInIndex(packs: readonly IndexedPack[]): number {
  return packs.reduce((sum, pack) => sum + (pack.directoryLength ?? pack.directoryBytes.length) + 40, 0)
}

/**
 * Which of the active indexes a new one with `ownBytes` of entries takes in, smallest first. Entries alone are weighed: the list of superseded indexes, which
 * every new one repeats, would in the end make each of them look too large to be merged.
 */
export function chooseMerges(active: readonly ActiveIndex[], ownBytes: number): ActiveIndex[] {
  const chosen: ActiveIndex[] = []
  let total = ownBytes
  const weighed = active.map(index => ({ index, bytes: bytesInIndex(index.packs) })).sort((a, b) => a.bytes - b.bytes)
  for (const { index, bytes } of weighed) {
    if (bytes > ALWAYS_MERGE_BYTES && bytes > total * MERGE_FACTOR) break
    if (total + bytes > MAX_INDEX_BYTES) break
    chosen.push(index)
    total += bytes
  }
  return chosen
}

/**
 * Writes indexes of what one push stores. Each new one also takes in the smaller ones there are (its own earlier ones among them) and names them, and all
 * that those had superseded, as superseded. Deletes nothing: that is for a prune, after the grace time (rule 9).
 */
export class IndexWriter {
  private readonly storage: Storage
  private readonly surroundings: Surroundings
  private active: ActiveIndex[]
  private superseded: string[]
  private last: Promise<void> = Promise.resolve()
  storedBytes = 0

  constructor(storage: Storage, view: Pick<RepositoryView, 'activeIndexes' | 'supersededIndexes'>, surroundings: Surroundings) {
    this.storage = storage
    this.surroundings = surroundings
    this.active = [...view.activeIndexes]
    this.superseded = [...view.supersededIndexes]
  }

  /**
   * Resolves when the store has acknowledged an index that names `packs`. Calls run one after the other. `replaced` are active indexes that it supersedes
   * without taking their entries in: those that are to stay are among `packs` (for a prune, rule 9).
   */
  write(packs: readonly IndexedPack[], signal?: AbortSignal, replaced: readonly ActiveIndex[] = []): Promise<void> {
    const run = this.last.then(() => this.writeNow(packs, signal, replaced))
    this.last = run.catch(() => undefined)
    return run
  }

  private async writeNow(packs: readonly IndexedPack[], signal: AbortSignal | undefined, replaced: readonly ActiveIndex[]): Promise<void> {
    const groups = splitBySize(packs)
    if (groups.length === 0 && replaced.length > 0) groups.push([])
    for (const [number, group] of groups.entries()) {
      const others = this.active.filter(index => !replaced.includes(index))
      const merged = chooseMerges(others, bytesInIndex(group))
      const byId = new Map([...merged.flatMap(index => index.packs), ...group].map(pack => [pack.id, pack]))
      // what is replaced goes with the last group: until then it names packs that no other index does
      const gone = number === groups.length - 1 ? [...merged, ...replaced] : merged
      const supersedes = [...this.superseded, ...gone.map(index => index.id)]
      const all = [...byId.values()].map(({ id, size, directoryBytes }) => ({ id, size, directoryBytes }))
      const { id, bytes } = encodeIndex({ packs: all, supersedes }, this.surroundings.random(NONCE_BYTES))
      await this.storage.put(indexName(id), bytes, { signal })
      this.storedBytes += bytes.length
      this.superseded = supersedes
      this.active = [...this.active.filter(index => !gone.includes(index)), { id, size: bytes.length, packs: all, supersedes }]
    }
  }
}

/** Groups of packs whose directories fit one index object each. */
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
