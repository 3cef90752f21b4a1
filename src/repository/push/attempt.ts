import type { Chunker } from '../../chunking/chunker.ts'
import type { TensorPlace } from '../../chunking/cut-tensors.ts'
import type { Level } from '../../compression/limits.ts'
import { looksCompressed } from '../../compression/sample.ts'
import type { WalkedEntry, WalkResult } from '../../local/walk.ts'
import type { Storage } from '../../storage/storage.ts'
import { sha256, toHex } from '../../util/hash.ts'
import type { ProgressUpdate } from '../../util/reporter.ts'
import { BaseFinder, type BasePolicy } from '../bases/base-finder.ts'
import { EarlierFiles } from '../bases/earlier-files.ts'
import { everyId } from '../format/chunk-ids.ts'
import { encodeConfig } from '../format/config.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { INDEX_EVERY_BYTES, INDEX_EVERY_MS } from '../format/limits.ts'
import { encodeRows, type Entry } from '../format/manifest.ts'
import { CONFIG_NAME } from '../format/object-names.ts'
import type { Snapshot, StoredSnapshot } from '../format/snapshot.ts'
import { IdTable } from '../index/id-table.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { RepositoryView } from '../open/view.ts'
import { readManifest } from '../read/read-manifest.ts'
import { type FileFollower, readSource, type SourceReading } from '../source/source-reader.ts'
import type { StatCache } from '../source/stat-cache.ts'
import { classifyContent } from '../write/block-builder.ts'
import { IndexWriter } from '../write/index-writer.ts'
import { PackWriter } from '../write/pack-writer.ts'
import { Presence } from './presence.ts'

/** Shorter chunks are judged by the codec alone: what looks random in so few bytes may repeat in its neighbours. */
const SAMPLE_FROM_BYTES = 8 * 1024

export interface AttemptRequest {
  source: WalkResult
  level: Level
  /** Plain bytes in a block, at most: the codec's limit at this level. */
  blockBytes: number
  cache: StatCache | undefined
  dryRun: boolean
  /** Undefined: no tensor is predicted from another. */
  bases?: BasePolicy | undefined
}

/** What an attempt rests on. */
export interface AttemptBasis {
  view: RepositoryView
  /** Packs that no listed index names. */
  unindexed: IndexedPack[]
  /** The version before. */
  parent: StoredSnapshot | undefined
}

/** One attempt at storing all chunks of a source and of its manifest that are not present. */
export class PushAttempt {
  readonly writer: PackWriter
  readonly presence: Presence
  private readonly context: RepositoryContext
  private readonly request: AttemptRequest
  private readonly view: RepositoryView
  private readonly chunker: Chunker
  private readonly indexes: IndexWriter
  /** Chunks that this attempt has handed to the writer. */
  private readonly stored = new IdTable()
  /** How deep those of them lie that may have got bases, by id; less deep where a base turned out not to help. */
  private readonly depths = new Map<string, number>()
  private readonly bases: BaseFinder | undefined
  private readonly unindexed: IndexedPack[]
  private indexedPacks = 0
  private indexedAt: number
  private readonly indexing: Promise<void>[] = []

  constructor(context: RepositoryContext, request: AttemptRequest, { view, unindexed, parent }: AttemptBasis, chunker: Chunker) {
    const { pool, surroundings, signal } = context
    this.context = context
    this.request = request
    this.view = view
    this.chunker = chunker
    this.unindexed = unindexed
    this.presence = new Presence(view)
    this.bases = request.bases && this.basesFor(request.bases, parent)
    this.indexes = new IndexWriter(context.storage, view, surroundings)
    this.indexedAt = surroundings.monotonic()
    this.writer = new PackWriter({
      storage: request.dryRun ? nowhere : context.storage,
      pool,
      level: request.level,
      blockBytes: request.blockBytes,
      surroundings,
      signal,
      onPack: () => this.indexNowAndThen(),
    })
  }

  async store(): Promise<{ reading: SourceReading; manifest: Snapshot['manifest'] }> {
    const { reporter, signal, surroundings } = this.context
    let counts: Pick<ProgressUpdate, 'doneBytes' | 'totalBytes' | 'doneFiles' | 'totalFiles'> = {}
    const tell = (): void =>
      reporter.progress({ phase: 'storing', ...counts, storedBytes: this.writer.storedBytes, newBytes: this.writer.plainBytes })
    const reading = await readSource(this.request.source.entries, {
      chunker: this.chunker,
      cache: this.request.cache,
      follower: this.bases && this.followerFor(this.bases),
      isStored: chunks => this.allStored(chunks),
      sink: (id, bytes, place) => this.sink(id, bytes, place),
      now: surroundings.now,
      reporter,
      onProgress: done => {
        counts = done
        tell()
      },
      signal,
    })
    const manifest = await this.storeManifest(reading.entries)
    await this.writer.flush()
    tell()
    return { reading, manifest }
  }

  private allStored(chunks: Buffer): boolean {
    return everyId(chunks, offset => this.stored.has(chunks, offset) || this.presence.use(chunks, offset))
  }

  private sink(id: Uint8Array, bytes: Uint8Array, place: TensorPlace | undefined): Promise<void> | void {
    this.bases?.note(id, bytes, place)
    if (this.stored.has(id) || this.presence.use(id)) return
    this.stored.add(id)
    if (place) return this.storeTensor(id, bytes, place)
    return this.writer.add(id, bytes, classifyContent(bytes, bytes.length >= SAMPLE_FROM_BYTES && looksCompressed(bytes)))
  }

  private async storeTensor(id: Uint8Array, bytes: Uint8Array, place: TensorPlace): Promise<void> {
    const { width, kind, dtype } = place.tensor
    const base = await this.bases?.offer(bytes, place)
    if (base) this.depths.set(toHex(id), base.depth)
    await this.writer.add(id, bytes, { kind: 'tensor', tensor: { element: { width, kind, dtype }, base } })
  }

  private basesFor(options: BasePolicy, parent: StoredSnapshot | undefined): BaseFinder {
    const { storage, pool, signal } = this.context
    const { index } = this.view
    return new BaseFinder({
      ...options,
      dryRun: this.request.dryRun,
      earlier: new EarlierFiles(options.cache, () => (parent ? readManifest({ storage, index, pool, signal }, parent) : noEntries())),
      depthOf: (id, below) => {
        if (!this.stored.has(id)) return this.presence.useBelow(id, below)
        const depth = this.depths.get(toHex(id)) ?? 0
        return depth < below ? depth : -1
      },
      lengthOf: (ids, offset) => index.length(index.find(ids, offset)),
    })
  }

  private followerFor(bases: BaseFinder): FileFollower {
    const { cache } = this.request
    const isNew = (file: WalkedEntry): boolean => {
      const chunks = cache?.lookup(file.path, file.fingerprint)
      return chunks === undefined || !this.allStored(chunks)
    }
    return {
      arrange: files => bases.arrange(files, isNew),
      begin: file => bases.begin(file),
      end: (file, chunks) => bases.end(file, chunks),
    }
  }

  /** Rows go through the same chunker as files do, so the next version's manifest costs only what changed. */
  private async storeManifest(entries: readonly Entry[]): Promise<Snapshot['manifest']> {
    const chunks: string[] = []
    let total = 0
    const take = async (bytes: Uint8Array): Promise<void> => {
      const id = sha256(bytes)
      chunks.push(toHex(id))
      total += bytes.length
      await this.sinkManifest(id, bytes)
    }
    this.chunker.reset()
    for (const rows of groupRows(entries)) {
      for (let at = 0; at < rows.length;) {
        const buffer = this.chunker.buffer()
        const count = Math.min(buffer.length, rows.length - at)
        buffer.set(rows.subarray(at, at + count))
        at += count
        for (const bytes of this.chunker.filled(count, false)) await take(bytes)
      }
    }
    for (const bytes of this.chunker.filled(0, true)) await take(bytes)
    return { bytes: total, chunks }
  }

  private async sinkManifest(id: Uint8Array, bytes: Uint8Array): Promise<void> {
    if (this.stored.has(id) || this.presence.use(id)) return
    this.stored.add(id)
    // half of a manifest is ids, which no columns shrink: not worth the memory that tables take, here and in every pull
    await this.writer.add(id, bytes, { kind: 'general' })
  }

  /** While a long push runs: so that it goes on where it was when it is interrupted. */
  private indexNowAndThen(): void {
    const { surroundings, signal } = this.context
    if (this.request.dryRun) return
    const packs = this.writer.acknowledged.slice(this.indexedPacks)
    const bytes = packs.reduce((sum, { size }) => sum + size, 0)
    if (bytes < INDEX_EVERY_BYTES && surroundings.monotonic() - this.indexedAt < INDEX_EVERY_MS) return
    this.indexedPacks += packs.length
    this.indexedAt = surroundings.monotonic()
    const write = this.indexes.write(packs, signal)
    write.catch(() => undefined) // awaited in acknowledge()
    this.indexing.push(write)
  }

  /** The last packs, the index of all that is not indexed yet, and the config, side by side; resolves when the store has acknowledged them all. */
  async acknowledge(): Promise<void> {
    const { storage, signal } = this.context
    const indexed = new Set(this.writer.acknowledged.slice(0, this.indexedPacks).map(pack => pack.id))
    const rest = [...this.unindexed, ...this.writer.begun.filter(pack => !indexed.has(pack.id))]
    this.indexedPacks = Infinity
    const config = this.view.inventory.hasConfig ? undefined : storage.put(CONFIG_NAME, encodeConfig(), { signal })
    const index = rest.length > 0 ? this.indexes.write(rest, signal) : undefined
    const all = await Promise.allSettled([this.writer.acknowledge(), ...this.indexing, index, config])
    for (const one of all) if (one.status === 'rejected') throw one.reason
  }
}

/** Stands in for the store in a dry run: everything is encoded and nothing kept. */
const nowhere: Pick<Storage, 'put'> = { put: () => Promise.resolve({ created: 0 }) }

async function* noEntries(): AsyncGenerator<Entry> {
  // a first version has none before it
}

const ROWS_BYTES = 256 * 1024

function* groupRows(entries: readonly Entry[]): Generator<Buffer> {
  let text = ''
  for (const entry of entries) {
    for (const row of encodeRows(entry)) {
      text += row
      if (text.length < ROWS_BYTES) continue
      yield Buffer.from(text, 'utf8')
      text = ''
    }
  }
  yield Buffer.from(text, 'utf8')
}
