import { encodeDirectory, type NewBlock } from '../../../src/repository/format/directory.ts'
import type { IndexedPack } from '../../../src/repository/format/index-object.ts'
import { packName } from '../../../src/repository/format/object-names.ts'
import { openForReading, type RepositoryContext } from '../../../src/repository/open/open.ts'
import { NO_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune, type PruneResult } from '../../../src/repository/prune/prune.ts'
import { readSequence } from '../../../src/repository/read/read-chunks.ts'
import { readManifest } from '../../../src/repository/read/read-manifest.ts'
import { readSnapshots } from '../../../src/repository/versions/versions.ts'
import { ForwardingStorage } from '../../../src/storage/forwarding.ts'
import type { Listing, Storage } from '../../../src/storage/storage.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { sha256, sha256Hex } from '../../../src/util/hash.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { rawBlockOf } from '../../helpers/repository/arbitraries.ts'
import { fileEntry } from '../../helpers/repository/manifest-entries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'
import { contextOf } from '../../helpers/in-process.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const BYTES = 1000

/** The chunk with this number. */
export const chunk = (number: number): Uint8Array => seededNoise(number + 1, BYTES)

/** A block for each chunk. */
export const blocks = (...numbers: number[]): NewBlock[] => numbers.map(number => rawBlock(chunk(number)))

/** A block of garbage that its directory calls these chunks. */
export function garbage(...numbers: number[]): NewBlock {
  const block = rawBlockOf(numbers.map(number => seededNoise(number + 1000, BYTES)))
  return { ...block, chunkIds: Buffer.concat(numbers.map(number => sha256(chunk(number)))) }
}

/** What an index that lies says of a pack: it holds these chunks, as many as it really holds. */
export function lie({ id, size }: IndexedPack, ...numbers: number[]): IndexedPack {
  return { id, size, directoryBytes: encodeDirectory(blocks(...numbers)) }
}

/** A store to which versions of files of one chunk each are added, and damage. */
export class DamageScene {
  readonly store = new TestStore()

  constructor() {
    // a folder gives its own times, by which no version may be late
    this.store.clock = Date.now() - 60_000
  }

  /** A pack, and an index of it unless `indexed` is false. */
  async pack(content: readonly NewBlock[], indexed = true): Promise<IndexedPack> {
    const pack = await this.store.pack(content)
    if (indexed) await this.store.index([pack])
    return pack
  }

  /** A version with a file for each of these chunks. */
  async version(name: string, ...numbers: number[]): Promise<void> {
    const entries = numbers.map(number => fileEntry(`chunk ${number}`, sha256(chunk(number)), BYTES))
    await this.store.snapshot(name, { entries: entries.sort((a, b) => (a.path < b.path ? -1 : 1)) })
  }

  async tomb(...packs: IndexedPack[]): Promise<void> {
    await this.store.tomb({ kind: 'packs', packs: packs.map(({ id }) => id) })
  }

  /** Changes a byte of a pack: of this block, if each is as long as a chunk; -1 changes its directory. */
  async rot({ id, size }: IndexedPack, block = 0): Promise<void> {
    const name = packName(id)
    const bytes = await this.store.memory.get(name)
    bytes[block < 0 ? size - 80 : block * BYTES + 7]! ^= 1
    await this.store.replace(name, bytes)
  }

  async putInto(storage: Storage): Promise<void> {
    for (const { name } of (await this.store.memory.list()).objects) await storage.put(name, await this.store.memory.get(name))
  }
}

const { pool } = contextOf(new MemoryStorage())

export const context = (storage: Storage): RepositoryContext => ({ ...contextOf(storage), pool })

/** What can be read back: `name path` for each file of each version that is exact. */
export async function readable(storage: Storage): Promise<string[]> {
  const repository = await openForReading(context(storage))
  const found: string[] = []
  for (const version of await readSnapshots(repository, repository.view, repository.view.inventory.snapshots))
    for await (const entry of readManifest(repository, version)) {
      if (entry.type !== 'file') continue
      try {
        for await (const bytes of readSequence(repository, entry.chunks, entry.path)) if (bytes.length !== entry.size) throw new Error()
        found.push(`${version.name} ${entry.path}`)
      } catch (error) {
        if (!isAppError(error, 'corrupt')) throw error
      }
    }
  return found
}

/** Prunes so often that all is deleted that a prune deletes. Tells each result. */
export async function pruneOften(storage: Storage, times = 4): Promise<PruneResult[]> {
  const results: PruneResult[] = []
  for (let run = 0; run < times; run++) {
    const opened = await openForPrune(context(storage))
    results.push(await prune(context(storage), opened, { waits: NO_GRACE_PERIODS, dryRun: false }))
  }
  return results
}

export async function packsIn(storage: Storage): Promise<string[]> {
  return (await storage.list()).objects.flatMap(({ name }) => (name.startsWith('pack-') ? [name.slice(5)] : []))
}

/** A store that tells the checksums of its objects, as Drive does. */
export class ChecksumStorage extends ForwardingStorage {
  override async list(): Promise<Listing> {
    const { asOf, objects } = await super.list()
    return { asOf, objects: await Promise.all(objects.map(async one => ({ ...one, sha256: sha256Hex(await super.get(one.name)) }))) }
  }
}
