import type { Chunker } from '../../chunking/chunker.ts'
import type { TensorPlace } from '../../chunking/cut-tensors.ts'
import { columnsOf } from '../../chunking/tensor-layout.ts'
import type { Level } from '../../compression/limits.ts'
import { looksCompressed } from '../../compression/sample.ts'
import type { WalkedEntry, WalkResult } from '../../local/walk.ts'
import type { Storage } from '../../storage/storage.ts'
import { BaseFinder, type BasePolicy } from '../bases/base-finder.ts'
import { EarlierFiles } from '../bases/earlier-files.ts'
import { encodeConfig } from '../format/config.ts'
import type { IndexedPack } from '../format/index-object.ts'
import type { Entry } from '../format/manifest.ts'
import { CONFIG_NAME } from '../format/object-names.ts'
import type { Snapshot, StoredSnapshot } from '../format/snapshot.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { RepositoryView } from '../open/view.ts'
import { readManifest } from '../read/read-manifest.ts'
import type { FileChunk } from '../source/file-reader.ts'
import { pairsTogether } from '../source/pair-order.ts'
import { type ReadProgress, SourceReader, type SourceReading } from '../source/source-reader.ts'
import type { FileStates } from '../source/stat-cache.ts'
import { classifyContent } from '../write/block-builder.ts'
import type { LevelRule } from '../write/level-for.ts'
import { PackWriter } from '../write/pack-writer.ts'
import { RepeatedTables } from '../write/repeated-tables.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { Presence } from './presence.ts'
import { PushIndexes } from './push-indexes.ts'
import { storeManifest } from './store-manifest.ts'

/** A shorter chunk is not sampled: so few bytes may look random and still repeat in neighbouring chunks. */
const SAMPLE_FROM_BYTES = 8 * 1024

export interface AttemptRequest {
  source: WalkResult
  level: Level | LevelRule
  /** See `PackWriterOptions`. */
  blockBytes?: number | undefined
  cache: FileStates | undefined
  dryRun: boolean
  /** Undefined if no tensor may be predicted from another. */
  bases?: BasePolicy | undefined
}

/** The state of the repository that an attempt relies on. */
export interface AttemptBasis {
  view: RepositoryView
  /** Packs that no listed index names. */
  unindexed: IndexedPack[]
  /** The version before. */
  parent: StoredSnapshot | undefined
}

/** One attempt to store all chunks of a source and of its manifest that are not present. */
export class PushAttempt {
  readonly chunks: ChunkWriter
  private readonly context: RepositoryContext
  private readonly request: AttemptRequest
  private readonly chunker: Chunker
  private known: { basis: AttemptBasis; indexes: PushIndexes } | undefined
  private readonly listed: Promise<AttemptBasis>
  private settleListed: { resolve(basis: AttemptBasis): void; reject(error: unknown): void } | undefined
  private readonly bases: BaseFinder | undefined
  private readonly tables = new RepeatedTables()
  private readProgress: ReadProgress = {}
  /** Plain bytes of the new chunks of files. */
  contentBytes = 0

  /** Without a basis it begins before the store was listed: it sends nothing, and no chunk counts as present. */
  constructor(context: RepositoryContext, request: AttemptRequest, basis: AttemptBasis | undefined, chunker: Chunker) {
    const { level, blockBytes, dryRun } = request
    const { pool, surroundings, signal, packPolicy } = context
    this.context = context
    this.request = request
    this.chunker = chunker
    this.listed = new Promise((resolve, reject) => {
      this.settleListed = { resolve, reject }
    })
    this.listed.catch(() => undefined)
    if (basis) this.begin(basis)
    const packs: PackWriter = new PackWriter({
      storage: dryRun ? NO_STORAGE : basis ? context.storage : this.gated(context.storage),
      pool,
      level,
      blockBytes,
      surroundings,
      signal,
      policy: packPolicy,
      onPack: () => {
        if (!dryRun) this.indexes.writeIfDue(packs)
      },
    })
    this.chunks = new ChunkWriter(packs, new Presence(basis?.view))
    this.bases = request.bases && this.basesFor(request.bases)
  }

  private begin(basis: AttemptBasis): void {
    this.known = { basis, indexes: new PushIndexes(this.context, basis.view) }
    this.settleListed?.resolve(basis)
  }

  /** Goes on with the state of the store, after an early beginning. False if a chunk was added that is present. */
  adopt(basis: AttemptBasis): boolean {
    if (this.chunks.addedInVain(basis.view)) return false
    this.chunks.presence.list(basis.view)
    this.begin(basis)
    return true
  }

  /** Ends an early beginning. What waits to be sent fails with `error`. */
  giveUp(error: unknown): void {
    this.settleListed?.reject(error)
  }

  get indexes(): PushIndexes {
    return this.known!.indexes
  }

  /** A store that gets nothing before it was listed. */
  private gated(storage: Storage): Pick<Storage, 'put' | 'prepare'> {
    return {
      put: async (...given) => {
        await this.listed
        return storage.put(...given)
      },
      prepare: async options => {
        await this.listed.catch(() => undefined)
        if (this.known) await storage.prepare?.(options)
      },
    }
  }

  private basesFor(policy: BasePolicy): BaseFinder {
    return new BaseFinder({
      ...policy,
      dryRun: this.request.dryRun,
      earlier: new EarlierFiles(policy.cache, () => this.entriesBefore()),
      idOf: bytes => this.chunker.idOf(bytes),
      depthOf: (id, below) => this.chunks.depthBelow(id, below),
      lengthOf: (ids, offset) => {
        const { index } = this.known!.basis.view
        return index.length(index.find(ids, offset))
      },
    })
  }

  /** The manifest entries of the version before. */
  private async *entriesBefore(): AsyncGenerator<Entry> {
    const { storage, pool, signal } = this.context
    const { parent, view } = await this.listed
    if (parent) yield* readManifest({ storage, index: view.index, pool, signal }, parent)
  }

  /** Stores the files of the source. */
  async storeFiles(): Promise<SourceReading> {
    const reader = this.reader()
    const isNew = (file: WalkedEntry): boolean => this.storedChunks(reader, file) === undefined
    const ordered = pairsTogether(reader.files, file => reader.known(file) === undefined)
    const files = this.bases ? await this.bases.arrange(ordered, isNew) : ordered
    for (const file of files) {
      const stored = this.storedChunks(reader, file)
      if (stored) {
        reader.keep(file, stored)
        this.bases?.keep(file, stored)
      } else await this.storeFile(reader, file)
      if (reader.isPauseDue()) await reader.pause()
    }
    return reader.finish()
  }

  /** Stores the manifest, and begins the upload of the last packs. */
  async storeManifest(reading: SourceReading): Promise<Snapshot['manifest']> {
    const manifest = await storeManifest(reading.entries, this.chunker, this.chunks)
    await this.chunks.packs.flush()
    this.report()
    return manifest
  }

  private reader(): SourceReader {
    const { reporter, signal, surroundings } = this.context
    const { source, cache } = this.request
    return new SourceReader(source.entries, {
      chunker: this.chunker,
      cache,
      now: surroundings.now,
      reporter,
      onProgress: progress => {
        this.readProgress = progress
        this.report()
      },
      signal,
    })
  }

  /** Chunk ids of an unchanged file whose chunks are all present or added. Such a file need not be read. */
  private storedChunks(reader: SourceReader, file: WalkedEntry): Buffer | undefined {
    const known = reader.known(file)
    return known && this.chunks.hasAll(known) ? known : undefined
  }

  private async storeFile(reader: SourceReader, file: WalkedEntry): Promise<void> {
    for await (const chunk of reader.read(file)) {
      // a file that changed while it was read begins again; the chunks that were stored of it before do no harm
      if (chunk.offset === 0) await this.bases?.begin(file)
      this.bases?.note(chunk)
      if (!this.chunks.has(chunk.id)) await this.storeChunk(chunk)
    }
    await this.bases?.end(file, reader.chunksOf(file))
  }

  private storeChunk({ id, bytes, place }: FileChunk): Promise<void> {
    this.contentBytes += bytes.length
    if (place) return this.storeTensorChunk(id, bytes, place)
    const isCompressed = bytes.length >= SAMPLE_FROM_BYTES && looksCompressed(bytes)
    return this.chunks.add(id, bytes, this.tables.classify(bytes, classifyContent(bytes, isCompressed)))
  }

  private async storeTensorChunk(id: Uint8Array, bytes: Uint8Array, place: TensorPlace): Promise<void> {
    const { width, kind, dtype, record } = place.tensor
    const base = await this.bases?.offer(bytes, place)
    const columns = columnsOf(place.tensor)
    const rows = columns === undefined ? undefined : { columns, before: place.offset / width }
    await this.chunks.add(id, bytes, {
      kind: 'tensor',
      tensor: { element: { width, kind, dtype, record }, offset: place.offset, rows, base },
    })
  }

  private report(): void {
    const { storedBytes, plainBytes } = this.chunks.packs
    this.context.reporter.progress({ phase: 'storing', ...this.readProgress, storedBytes, newBytes: plainBytes })
  }

  /**
   * Uploads the last packs, an index of all packs that no index names, and the config, side by side. Resolves when the
   * store has acknowledged all of them.
   */
  async acknowledge(): Promise<void> {
    const { storage, signal } = this.context
    const {
      basis: { view, unindexed },
      indexes,
    } = this.known!
    const { packs } = this.chunks
    const config = view.inventory.hasConfig ? undefined : storage.put(CONFIG_NAME, encodeConfig(), { signal })
    const outcomes = await Promise.allSettled([packs.acknowledge(), indexes.writeRest(packs, unindexed), config])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }
}

/** The store of a dry run: it keeps nothing. */
const NO_STORAGE: Pick<Storage, 'put'> = { put: () => Promise.resolve({ created: 0 }) }
