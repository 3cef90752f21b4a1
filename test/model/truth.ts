import { decodeIndex } from '../../src/repository/format/index-object.ts'
import { COMMIT_WINDOW_MS, GRACE_MS, LISTING_LAG_MS, MAX_DEPTH } from '../../src/repository/format/limits.ts'
import { decodePackTail } from '../../src/repository/format/pack.ts'
import { short, type World } from './world.ts'

interface ChunkCopy {
  pack: string
  depth: number
  bases: string[]
}

/**
 * What was lost: a chunk of a version; a chunk as a listing that lags may show the store; the index that leads to a
 * chunk, without which each pack's tail has to be read; a version, or the last of a name; a tag; what a reader is not
 * offered though it is there; what a push says is stored; damage that a check does not name, or that is none.
 */
export type LossKind = 'chunk' | 'listed chunk' | 'index' | 'version' | 'tag' | 'offer' | 'receipt' | 'report'

/** Something that was promised is not there. */
export class Loss extends Error {
  readonly kind: LossKind

  constructor(kind: LossKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** The promises that were made, and a check of them against the objects in the store. */
export class Truth {
  private readonly world: World
  private readonly places = new Map<string, ChunkCopy[]>()
  private readonly packsOfIndex = new Map<string, string[]>()
  /** Packs that any tomb has ever named, and when first. */
  private readonly tombed = new Map<string, number>()
  /** Chunks that each snapshot ever made needs, its name and `listed`. */
  readonly snapshots = new Map<string, { name: string; listed: number; chunks: string[] }>()
  /** Late snapshots that must stay, because a push has succeeded or a forget has kept them, and since when. */
  private readonly acknowledged = new Map<string, number>()

  constructor(world: World) {
    this.world = world
  }

  learn(name: string, fileChunks: readonly string[]): void {
    const bytes = this.world.living(name)[0]?.bytes
    if (!bytes) return
    const pack = /^pack-(.*)$/.exec(name)
    const index = /^index-(.*)$/.exec(name)
    if (pack) {
      const tail = decodePackTail(bytes, bytes.length, pack[1]!)
      if (tail.kind !== 'directory') throw new Error('a pack has no directory')
      const { chunkIds, chunkLengths, bases } = tail.directory
      for (let i = 0; i < chunkLengths.length; i++) {
        const id = Buffer.from(chunkIds).toString('hex', i * 32, i * 32 + 32)
        const own = bases.get(i)
        const copy = { pack: name, depth: own?.depth ?? 0, bases: (own?.ids ?? []).map(base => Buffer.from(base).toString('hex')) }
        this.places.set(id, [...(this.places.get(id) ?? []), copy])
      }
    } else if (index)
      this.packsOfIndex.set(
        name,
        decodeIndex(bytes, index[1]!).packs.map(({ id }) => `pack-${id}`),
      )
    else if (name.startsWith('tomb-')) {
      const { packs = [] } = JSON.parse(Buffer.from(bytes).toString()) as { packs?: string[] }
      for (const id of packs) if (!this.tombed.has(`pack-${id}`)) this.tombed.set(`pack-${id}`, this.world.time)
    } else if (name.startsWith('snapshot-')) {
      const known = this.snapshots.has(name)
      // one that is brought back is late, and counts from when that is done
      if (known && this.world.living(name).every(({ created }) => created >= this.world.storeTime)) this.acknowledged.delete(name)
      if (known) return
      const { name: of, listed, manifest } = JSON.parse(Buffer.from(bytes).toString()) as SnapshotText
      this.snapshots.set(name, { name: of, listed, chunks: [...manifest.chunks, ...fileChunks] })
    }
  }

  /** When a snapshot became a commit; undefined for one that is none, or gone. */
  committedAt(name: string): number | undefined {
    const living = this.world.living(name)
    if (living.length === 0) return undefined
    const created = Math.min(...living.map(copy => copy.created))
    return created <= this.snapshots.get(name)!.listed + COMMIT_WINDOW_MS ? created : this.acknowledged.get(name)
  }

  committed(): string[] {
    return [...this.snapshots.keys()].filter(name => this.committedAt(name) !== undefined)
  }

  /** From now on a version is one, late or not. */
  rely(name: string): void {
    if (!this.acknowledged.has(name)) this.acknowledged.set(name, this.world.time)
  }

  /**
   * Whether a snapshot is a version for whoever lists, late or not: all of it lies in packs that are in no tomb, or in
   * one so new that whoever sweeps by it lists when every listing shows the snapshot.
   */
  isPresent(name: string): boolean {
    const { world, tombed } = this
    const [copy] = world.living(name)
    if (!copy) return false
    const stays = (pack: string): boolean =>
      world.living(pack).length > 0 && (tombed.get(pack) ?? Infinity) + GRACE_MS >= copy.created + LISTING_LAG_MS
    return this.snapshots.get(name)!.chunks.every(chunk => this.has(chunk, stays))
  }

  /**
   * Throws when a version lacks anything; and when one that every listing shows by now needs something that a listing
   * may not show.
   */
  check(): void {
    const { time } = this.world
    const living = new Set(this.world.copies.filter(({ deleted }) => deleted === undefined).map(({ name }) => name))
    const shown = new Set(
      this.world.copies.filter(({ deleted, created }) => deleted === undefined && created <= time - LISTING_LAG_MS).map(({ name }) => name),
    )
    const named = new Set([...this.packsOfIndex].filter(([index]) => shown.has(index)).flatMap(([, packs]) => packs))
    for (const name of this.committed()) {
      const { chunks } = this.snapshots.get(name)!
      for (const chunk of chunks) {
        if (!this.has(chunk, pack => living.has(pack))) throw new Loss('chunk', `${short(name)} lacks the chunk ${chunk.slice(0, 8)}`)
        if (this.committedAt(name)! > time - LISTING_LAG_MS) continue
        const needs = `${short(name)} needs the chunk ${chunk.slice(0, 8)}`
        if (!this.has(chunk, pack => shown.has(pack))) throw new Loss('listed chunk', `${needs}, which a listing may not show`)
        if (!this.has(chunk, pack => shown.has(pack) && named.has(pack)))
          throw new Loss('index', `${needs}, which no index names that every listing shows`)
      }
    }
  }

  private has(chunk: string, counts: (pack: string) => boolean, belowDepth = MAX_DEPTH + 1): boolean {
    return (this.places.get(chunk) ?? []).some(
      ({ pack, depth, bases }) => depth < belowDepth && counts(pack) && bases.every(base => this.has(base, counts, depth)),
    )
  }

  /** Names of packs with the share of their chunks that snapshots reach, also late ones. */
  liveShares(): Map<string, number> {
    const needed = new Set<string>()
    const need = (chunk: string): void => {
      if (needed.has(chunk)) return
      needed.add(chunk)
      for (const copy of this.places.get(chunk) ?? []) if (this.world.living(copy.pack).length > 0) copy.bases.forEach(need)
    }
    for (const [name, { chunks }] of this.snapshots) if (this.world.living(name).length > 0) chunks.forEach(need)
    const counts = new Map<string, { all: number; live: number }>()
    for (const [chunk, copies] of this.places) {
      for (const { pack } of copies) {
        const count = counts.get(pack) ?? { all: 0, live: 0 }
        count.all++
        if (needed.has(chunk)) count.live++
        counts.set(pack, count)
      }
    }
    return new Map([...counts].filter(([pack]) => this.world.living(pack).length > 0).map(([pack, { all, live }]) => [pack, live / all]))
  }
}

interface SnapshotText {
  name: string
  listed: number
  manifest: { chunks: string[] }
}
