import { CompressionPool } from '../../../src/compression/pool.ts'
import { encodeConfig } from '../../../src/repository/format/config.ts'
import type { NewBlock } from '../../../src/repository/format/directory.ts'
import { encodeIndex, type IndexedPack } from '../../../src/repository/format/index-object.ts'
import { encodeLabel, encodeTomb, type Tomb } from '../../../src/repository/format/label-and-tomb.ts'
import type { Entry } from '../../../src/repository/format/manifest.ts'
import { indexName, labelName, packName, tombName } from '../../../src/repository/format/object-names.ts'
import { NONCE_BYTES } from '../../../src/repository/format/pack.ts'
import { encodeSnapshot, type Snapshot } from '../../../src/repository/format/snapshot.ts'
import { adoptPacks, openView, type RepositoryView } from '../../../src/repository/open/view.ts'
import type { BlockSource } from '../../../src/repository/read/read-chunks.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import type { Surroundings } from '../../../src/util/clock.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { aSnapshot } from '../a-snapshot.ts'
import { encodeEntry, encodePack, rawBlock } from '../encode.ts'
import { FaultyStorage, type FaultPlan } from '../storage/faulty.ts'
import { MemoryStorage } from '../storage/memory.ts'

/** A reporter that keeps what it is told. */
export function recordingReporter() {
  const notes: string[] = []
  const warnings: string[] = []
  const details: string[] = []
  const reporter = {
    ...silentReporter,
    note: (text: string) => void notes.push(text),
    warn: (text: string) => void warnings.push(text),
    detail: (text: string) => void details.push(text),
  }
  return { reporter, notes, warnings, details }
}

let seeds = 0

/** Surroundings of a test: chance from a seed, time from `clock`. */
export function surroundings(clock: { ms: number } = { ms: 0 }): Surroundings {
  let drawn = 0
  const seed = ++seeds
  return {
    now: () => clock.ms,
    monotonic: () => clock.ms,
    random: bytes => sha256(Buffer.from(`${seed} ${++drawn}`)).subarray(0, bytes),
  }
}

/** A repository in memory, put together object by object; every object is 1 s younger than the one before. */
export class TestStore {
  clock = 1_000_000
  readonly memory = new MemoryStorage({ now: () => this.clock, location: 'the store' })
  readonly pool = new CompressionPool({ workers: 0 })
  private readonly chance = surroundings()

  async put(name: string, bytes: Uint8Array): Promise<string> {
    this.clock += 1000
    await this.memory.put(name, bytes)
    return name
  }

  async replace(name: string, bytes: Uint8Array): Promise<void> {
    await this.memory.remove(name)
    await this.put(name, bytes)
  }

  config(): Promise<string> {
    return this.put('config.json', encodeConfig())
  }

  async pack(blocks: readonly NewBlock[]): Promise<IndexedPack> {
    const { id, bytes, directory } = encodePack(blocks, this.chance.random(NONCE_BYTES))
    await this.put(packName(id), bytes)
    return { id, size: bytes.length, directoryBytes: directory }
  }

  /** Returns the index's id. */
  async index(packs: IndexedPack[], supersedes: string[] = []): Promise<string> {
    const { id, bytes } = encodeIndex({ packs, supersedes }, this.chance.random(NONCE_BYTES))
    await this.put(indexName(id), bytes)
    return id
  }

  async tomb(tomb: Tomb): Promise<string> {
    const { id, bytes } = encodeTomb(tomb, toHex(this.chance.random(16)))
    await this.put(tombName(id), bytes)
    return id
  }

  async label(snapshot: string, add: string[], remove: string[] = []): Promise<void> {
    const { id, bytes } = encodeLabel({ snapshot, add, remove }, toHex(this.chance.random(16)))
    await this.put(labelName(id), bytes)
  }

  /** A version with its manifest in a pack of its own, indexed; its id, and the name of its object. */
  async snapshot(
    name: string,
    more: Partial<Snapshot> & { entries?: Entry[]; indexed?: boolean } = {},
  ): Promise<{ id: string; objectName: string }> {
    const { entries = [], indexed = true, ...fields } = more
    const manifest = Buffer.from(entries.map(encodeEntry).join(''))
    if (manifest.length > 0 && indexed) await this.index([await this.pack([rawBlock(manifest)])])
    const { id, objectName, bytes } = encodeSnapshot(
      aSnapshot({
        name,
        time: this.clock,
        listed: this.clock,
        manifest: { bytes: manifest.length, chunks: manifest.length > 0 ? [toHex(sha256(manifest))] : [] },
        ...fields,
      }),
    )
    await this.put(objectName, bytes)
    return { id, objectName }
  }

  /** The store seen through faults; `calls` are the calls that it gets, as `get <name>`. */
  watched(plan: FaultPlan = () => undefined): { storage: Storage; calls: string[] } {
    const calls: string[] = []
    const storage = new FaultyStorage(this.memory, call => {
      calls.push(`${call.kind} ${call.name}`.trim())
      return plan(call)
    })
    return { storage, calls }
  }

  async open(storage: Storage = this.memory): Promise<BlockSource & { view: RepositoryView }> {
    const view = await openView(storage)
    await adoptPacks(storage, view)
    return { storage, index: view.index, pool: this.pool, view }
  }
}
