import { decodeIndex } from '../../../src/repository/format/index-object.ts'
import { decodeTomb } from '../../../src/repository/format/label-and-tomb.ts'
import { MAX_DEPTH } from '../../../src/repository/format/limits.ts'
import { decodePackTail } from '../../../src/repository/format/pack.ts'
import { equalBytes } from '../../../src/util/bytes.ts'
import { storedBytes } from '../means.ts'
import type { Copy, World } from '../world.ts'

/**
 * Which objects count. `anywhere`: also those that are renamed or in the trash. `named`: those that bear their names.
 * `seen`: of these the ones that the store shows.
 */
export type Reach = 'anywhere' | 'named' | 'seen'

interface PackContent {
  directory: Uint8Array
  blockBytes: number
  /** `blockEnd`: a block that is cut short can't be read. */
  chunks: { id: string; start: number; end: number; blockEnd: number; depth: number; bases: string[] }[]
}

interface ChunkCopy {
  depth: number
  bases: string[]
}

/** Chunks that can be restored from the objects that counted at one moment. */
export class Holdings {
  private readonly places = new Map<string, ChunkCopy[]>()
  private readonly found = new Map<string, boolean>()

  add(id: string, copy: ChunkCopy): void {
    const copies = this.places.get(id)
    if (copies) copies.push(copy)
    else this.places.set(id, [copy])
  }

  has(id: string, below = MAX_DEPTH + 1): boolean {
    const key = `${id} ${below}`
    const known = this.found.get(key)
    if (known !== undefined) return known
    const found = (this.places.get(id) ?? []).some(({ depth, bases }) => depth < below && bases.every(base => this.has(base, depth)))
    this.found.set(key, found)
    return found
  }
}

/** What the bytes in the store are worth, whatever its listings and indexes say. */
export class Physical {
  private readonly world: World
  /** What honest actors have put, by its first name. */
  private readonly origins = new Map<string, Uint8Array>()
  private readonly contents = new Map<string, PackContent>()
  /** Packs and old indexes that indexes of honest actors name. */
  private readonly packsOfIndex = new Map<string, Set<string>>()
  private readonly superseded = new Map<string, Set<string>>()
  /** Packs of which an index says something else than they do, by the name of the index. */
  readonly lies = new Map<string, Set<string>>()
  /** Chunks that a pack of a liar says to hold, by the name of the pack. */
  readonly claims = new Map<string, Set<string>>()

  constructor(world: World) {
    this.world = world
  }

  /** Notes what an honest actor has put. */
  learn({ born, bytes }: Copy): void {
    if (this.origins.has(born) || this.claims.has(born)) return
    this.origins.set(born, bytes)
    if (born.startsWith('pack-')) this.contents.set(born, contentOf(bytes, born.slice('pack-'.length)))
    if (born.startsWith('index-')) this.learnIndex({ born, bytes })
  }

  /** Also that of a liar. A push may take a lie over into an index of its own. */
  learnIndex({ born, bytes }: Pick<Copy, 'born' | 'bytes'>): void {
    const { packs, supersedes } = decodeIndex(bytes, born.slice('index-'.length))
    this.packsOfIndex.set(born, new Set(packs.map(({ id }) => `pack-${id}`)))
    this.superseded.set(born, new Set(supersedes.map(id => `index-${id}`)))
    const lies = packs.filter(({ id, directoryBytes }) => {
      const own = this.contents.get(`pack-${id}`)?.directory
      return own !== undefined && !equalBytes(own, directoryBytes)
    })
    if (lies.length > 0) this.lies.set(born, new Set(lies.map(({ id }) => `pack-${id}`)))
  }

  /** Whether the bytes of an object are those that were put. */
  isIntact({ born, bytes }: Copy): boolean {
    const origin = this.origins.get(born)
    return origin !== undefined && (origin === bytes || equalBytes(origin, bytes))
  }

  /** Whether a listing shows that a pack is damaged. */
  isVisiblyDamaged(copy: Copy): boolean {
    return copy.bytes.length !== this.origins.get(copy.born)?.length || (this.world.sums && !this.isIntact(copy))
  }

  /** The objects that exist, or those of them that were put under the name `born`. */
  copies(reach: Reach, born?: string): Copy[] {
    const there = this.world.copies.filter(copy => copy.deleted === undefined && (born === undefined || copy.born === born))
    if (reach === 'anywhere') return there
    const named = there.filter(({ name, born, trashed }) => name === born && !trashed)
    return reach === 'named' ? named : named.filter(copy => this.world.living(copy.name)[0] === copy)
  }

  isThere(born: string, reach: Reach): boolean {
    return this.copies(reach, born).some(copy => this.isIntact(copy))
  }

  /** What can be restored from the bytes there are. */
  holdings(reach: Reach): Holdings {
    const isFound = reach === 'seen' ? this.findable() : () => true
    return this.hold(reach, (copy, { start, end, blockEnd }) => {
      return isFound(copy) && blockEnd <= copy.bytes.length && this.isGood(copy, start, end)
    })
  }

  /** What a listing lets one believe: also a damaged pack may give some of its chunks. */
  listed(): Holdings {
    return this.hold('seen', ({ bytes }, { blockEnd }) => blockEnd <= bytes.length)
  }

  private hold(reach: Reach, counts: (copy: Copy, chunk: PackContent['chunks'][number]) => boolean): Holdings {
    const holdings = new Holdings()
    for (const copy of this.copies(reach))
      for (const chunk of this.contents.get(copy.born)?.chunks ?? []) if (counts(copy, chunk)) holdings.add(chunk.id, chunk)
    return holdings
  }

  chunksOf(born: string): string[] {
    return this.contents.get(born)?.chunks.map(({ id }) => id) ?? []
  }

  /** Ids of some chunks and of everything that any copies of them were ever predicted from. */
  withBases(ids: Iterable<string>): Set<string> {
    const all = new Set(ids)
    const chunks = [...this.contents.values()].flatMap(content => content.chunks)
    for (const id of all) for (const chunk of chunks) if (chunk.id === id) for (const base of chunk.bases) all.add(base)
    return all
  }

  /** Whether nobody needs to read an index any more. */
  isSuperseded(born: string): boolean {
    const canBeRead = (copy: Copy): boolean => !this.origins.has(copy.born) || this.isIntact(copy)
    return this.copies('seen').some(copy => this.superseded.get(copy.born)?.has(born) === true && canBeRead(copy))
  }

  /** Packs in tombs that can be read: they are given up already. */
  tombed(): Set<string> {
    const tombs = this.copies('seen').filter(copy => copy.born.startsWith('tomb-') && this.isIntact(copy))
    return new Set(
      tombs.flatMap(({ born, bytes }) => {
        const tomb = decodeTomb(bytes, born.slice('tomb-'.length, -'.json'.length))
        return tomb.kind === 'packs' ? tomb.packs.map(id => `pack-${id}`) : []
      }),
    )
  }

  /** Packs that an index lies about. */
  liedAbout(): Set<string> {
    const lying = this.copies('seen').filter(({ born }) => this.lies.has(born) && !this.isSuperseded(born))
    return new Set(lying.flatMap(({ born }) => [...this.lies.get(born)!]))
  }

  /** Whether a reader can find what is in a pack: by its own directory, or by an index; and no index lies about it. */
  private findable(): (copy: Copy) => boolean {
    const isUsed = (copy: Copy): boolean => copy.born.startsWith('index-') && this.isIntact(copy) && !this.isSuperseded(copy.born)
    const indexes = this.copies('seen').filter(isUsed)
    const named = new Set(indexes.flatMap(({ born }) => [...(this.packsOfIndex.get(born) ?? [])]))
    const liedAbout = this.liedAbout()
    return copy =>
      !liedAbout.has(copy.born) &&
      (named.has(copy.born) || this.isGood(copy, this.contents.get(copy.born)!.blockBytes, this.origins.get(copy.born)!.length))
  }

  private isGood({ born, bytes }: Copy, start: number, end: number): boolean {
    const origin = this.origins.get(born)!
    return origin === bytes || (end <= bytes.length && equalBytes(origin.subarray(start, end), bytes.subarray(start, end)))
  }
}

function contentOf(bytes: Uint8Array, id: string): PackContent {
  const tail = decodePackTail(bytes, bytes.length, id)
  if (tail.kind !== 'directory') throw new Error('a pack has no directory')
  const { blocks, blockBytes, chunkIds, chunkLengths, bases } = tail.directory
  const chunks: PackContent['chunks'] = []
  for (const { offset, storedLength, filter, firstChunk, chunkCount } of blocks) {
    const blockEnd = offset + storedLength
    let start = offset
    for (let i = firstChunk; i < firstChunk + chunkCount; i++) {
      const end = start + storedBytes(filter, chunkLengths[i]!)
      const { depth = 0, ids = [] } = bases.get(i) ?? {}
      const id = Buffer.from(chunkIds).toString('hex', i * 32, i * 32 + 32)
      chunks.push({ id, start, end, blockEnd, depth, bases: ids.map(base => Buffer.from(base).toString('hex')) })
      start = end
    }
  }
  return { directory: tail.directoryBytes.slice(), blockBytes, chunks }
}
