import type { Level } from '../compression/limits.ts'
import { looksCompressed } from '../compression/sample.ts'
import { Chunker } from '../chunking/chunker.ts'
import { AppError } from '../util/errors.ts'
import { equalBytes } from '../util/bytes.ts'
import { sha256, toHex } from '../util/hash.ts'
import { encodeConfig } from './config.ts'
import { COMMIT_WINDOW_MS, INDEX_EVERY_MS, INDEX_EVERY_PACKS } from './constants.ts'
import type { RepositoryContext } from './context.ts'
import { IdTable } from './id-table.ts'
import { IndexWriter } from './index-writer.ts'
import type { IndexedPack } from './index-object.ts'
import { encodeLabel } from './label.ts'
import { encodeEntry, type Entry } from './manifest.ts'
import { CONFIG_NAME, checkName, labelName } from './object-names.ts'
import { PackWriter, type AcknowledgedPack } from './pack-writer.ts'
import { Presence, allPresent, includeOwnPacks } from './presence.ts'
import { decodeSnapshot, encodeSnapshot, isLate, type Snapshot, type StoredSnapshot } from './snapshot.ts'
import { readSource, type SourceReading } from './source-reader.ts'
import type { StatCache } from './stat-cache.ts'
import { newestSnapshot } from './versions.ts'
import { adoptPacks, openView, type RepositoryView } from './view.ts'
import type { WalkResult } from './walk.ts'

export interface PushRequest {
  name: string
  source: WalkResult
  level: Level
  /** Plain bytes in a block, at most: the codec's limit at this level. */
  blockBytes: number
  cache: StatCache | undefined
  message?: string | undefined
  tags: readonly string[]
  dryRun: boolean
  host: string
  program: string
}

export interface PushResult {
  outcome: 'stored' | 'unchanged' | 'dry-run'
  /** The new snapshot, or the one that the source equals; undefined for a dry run with changes. */
  snapshot: StoredSnapshot | undefined
  reading: SourceReading
  /** Plain bytes of chunks that were new, and what they take encoded. */
  newBytes: number
  storedBytes: number
  /** The version before, if there is one. */
  parent: StoredSnapshot | undefined
}

const MAX_ATTEMPTS = 8
/** A snapshot whose upload would begin this shortly before the end of the commit window is preceded by a new listing. */
const WINDOW_MARGIN_MS = 60_000
/** Shorter chunks are judged by the codec alone: what looks random in so few bytes may repeat in its neighbours. */
const SAMPLE_FROM_BYTES = 8 * 1024

/**
 * Pushes a walked source as the next version of a name, in the order of docs/format.md: list; packs, indexes and config side by side; the snapshot when all
 * of it is acknowledged; a check that the snapshot is not late. Nothing changed: no snapshot.
 */
export async function push(context: RepositoryContext, request: PushRequest): Promise<PushResult> {
  checkName(request.name)
  const run = new PushRun(context, request)
  try {
    return await run.run()
  } finally {
    await run.settle()
  }
}

/** A listing and when it was made by our own clocks: tells the store's time later without asking it. */
interface Listed {
  view: RepositoryView
  at: number
}

class PushRun {
  private readonly context: RepositoryContext
  private readonly request: PushRequest
  private readonly chunker: Chunker = new Chunker()
  /** Packs of earlier attempts of this run. */
  private own: AcknowledgedPack[] = []
  private writer: PackWriter | undefined
  private totals = { newBytes: 0, storedBytes: 0 }

  constructor(context: RepositoryContext, request: PushRequest) {
    this.context = context
    this.request = request
  }

  async settle(): Promise<void> {
    await this.writer?.settle()
  }

  async run(): Promise<PushResult> {
    this.context.reporter.progress({ phase: 'listing' })
    let listed = await this.list()
    let late: StoredSnapshot | undefined
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const done = await this.attempt(listed)
      if ('result' in done) {
        if (late) await this.context.storage.remove(late.ref.objectName)
        return done.result
      }
      // part of what the snapshot needs is being deleted by somebody: store that again, from a new listing
      late ??= done.late
      listed = done.listed
    }
    throw new AppError('unavailable', `The push could not be completed: packs it relies on kept disappearing from ${this.context.storage.location}.`, {
      hint: 'Let the prune that is running end, then push again.',
    })
  }

  private async list(): Promise<Listed> {
    const at = this.context.surroundings.monotonic()
    return { view: await openView(this.context.storage, { signal: this.context.signal }), at }
  }

  private storeTime({ view, at }: Listed): number {
    return Math.floor(view.inventory.asOf + this.context.surroundings.monotonic() - at)
  }

  private async attempt(listed: Listed): Promise<{ result: PushResult } | { listed: Listed; late?: StoredSnapshot }> {
    const { storage, signal, reporter, surroundings } = this.context
    const { view } = listed
    for (const problem of view.problems) reporter.warn(`${problem.message}; what it held is stored again where this push needs it`)
    const unnamed: IndexedPack[] = includeOwnPacks(view, this.own, surroundings)
    const adopted = await adoptPacks(storage, view, { signal })
    const parent = await newestSnapshot({ storage, index: view.index, pool: this.context.pool, signal }, view, this.request.name)

    const storing = new Storing(this.context, this.request, view, [...unnamed, ...adopted], this.chunker)
    this.writer = storing.writer
    const { reading, manifest } = await storing.store()
    const equal = parent?.source.type === this.request.source.rootType && parent.manifest.chunks.join() === manifest.chunks.join()
    this.totals.newBytes += storing.writer.plainBytes
    this.totals.storedBytes += storing.writer.storedBytes
    const result = { reading, parent, ...this.totals }
    if (this.request.dryRun) return { result: { ...result, outcome: equal ? 'unchanged' : 'dry-run', snapshot: equal ? parent : undefined } }
    await storing.acknowledge()
    this.own.push(...storing.writer.acknowledged)
    await this.request.cache?.save(reporter)
    if (equal) {
      await this.labelUnchanged(parent)
      return { result: { ...result, outcome: 'unchanged', snapshot: parent } }
    }
    reporter.progress({ phase: 'committing' })
    let current = listed
    const needed = [...storing.presence.usedPacks(), ...storing.writer.acknowledged.map(pack => pack.id)]
    if (this.storeTime(current) > current.view.inventory.asOf + COMMIT_WINDOW_MS - WINDOW_MARGIN_MS) {
      current = await this.list()
      includeOwnPacks(current.view, this.own, surroundings)
      if (!allPresent(current.view, needed)) return { listed: current }
    }
    const snapshot = await this.commit(current, parent, reading, manifest)
    if (!isLate(snapshot)) return { result: { ...result, outcome: 'stored', snapshot } }
    const after = await this.list()
    includeOwnPacks(after.view, this.own, surroundings)
    if (allPresent(after.view, needed)) return { result: { ...result, outcome: 'stored', snapshot } }
    return { listed: after, late: snapshot }
  }

  private async commit(listed: Listed, parent: StoredSnapshot | undefined, reading: SourceReading, manifest: Snapshot['manifest']): Promise<StoredSnapshot> {
    const { storage, signal } = this.context
    const { name, source, message, tags, host, program } = this.request
    const snapshot: Snapshot = {
      name,
      time: Math.max(this.storeTime(listed), (parent?.time ?? 0) + 1),
      listed: listed.view.inventory.asOf,
      host,
      source: { path: source.root.toWellFormed(), type: source.rootType },
      ...(message === undefined ? {} : { message }),
      tags: [...tags],
      metrics: {},
      parent: parent?.id ?? null,
      counts: { files: reading.files, directories: reading.directories, symlinks: reading.symlinks },
      bytes: reading.bytes,
      added: { bytes: this.totals.newBytes, storedBytes: this.totals.storedBytes },
      manifest,
      program,
    }
    const { id, objectName, bytes } = encodeSnapshot(snapshot)
    const { created } = await storage.put(objectName, bytes, { signal })
    const readBack = await storage.get(objectName, undefined, { signal })
    if (!equalBytes(readBack, bytes)) throw new AppError('corrupt', `The new snapshot does not read back as it was written to ${storage.location}.`, { hint: 'Push again; if it stays, check the disk.' })
    return decodeSnapshot(bytes, { objectName, name, time: snapshot.time, shortId: id.slice(0, 16), created })
  }

  /** The source equals its newest version: tags that were asked for go to that one. */
  private async labelUnchanged(parent: StoredSnapshot): Promise<void> {
    const add = this.request.tags.filter(tag => !parent.tags.includes(tag))
    if (add.length === 0) return
    const label = encodeLabel({ snapshot: parent.id, add, remove: [] }, toHex(this.context.surroundings.random(16)))
    await this.context.storage.put(labelName(label.id), label.bytes, { signal: this.context.signal })
  }
}

/** One attempt at storing all chunks of a source and of its manifest that are not present. */
class Storing {
  readonly writer: PackWriter
  readonly presence: Presence
  private readonly context: RepositoryContext
  private readonly request: PushRequest
  private readonly view: RepositoryView
  private readonly chunker: Chunker
  private readonly indexes: IndexWriter
  /** Chunks that this attempt has handed to the writer. */
  private readonly stored = new IdTable()
  private readonly unindexed: IndexedPack[]
  private indexedPacks = 0
  private indexedAt: number
  private readonly indexing: Promise<void>[] = []

  constructor(context: RepositoryContext, request: PushRequest, view: RepositoryView, unindexed: IndexedPack[], chunker: Chunker) {
    const { pool, surroundings, signal } = context
    const storage = request.dryRun ? { ...discard } : context.storage
    this.context = context
    this.request = request
    this.view = view
    this.chunker = chunker
    this.unindexed = unindexed
    this.presence = new Presence(view)
    this.indexes = new IndexWriter(context.storage, view, surroundings)
    this.indexedAt = surroundings.monotonic()
    this.writer = new PackWriter({
      storage: storage as RepositoryContext['storage'],
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
    const reading = await readSource(this.request.source.entries, {
      chunker: this.chunker,
      cache: this.request.cache,
      isStored: chunks => this.allStored(chunks),
      sink: (id, bytes) => this.sink(id, bytes),
      now: surroundings.now,
      reporter,
      onProgress: done => reporter.progress({ phase: 'storing', ...done, storedBytes: this.writer.storedBytes, newBytes: this.writer.plainBytes }),
      signal,
    })
    const manifest = await this.storeManifest(reading.entries)
    await this.writer.flush()
    return { reading, manifest }
  }

  private allStored(chunks: Buffer): boolean {
    for (let i = 0; i < chunks.length; i += 32) if (!this.stored.has(chunks, i) && !this.presence.use(chunks, i)) return false
    return true
  }

  private sink(id: Uint8Array, bytes: Uint8Array): Promise<void> | void {
    if (this.stored.has(id) || this.presence.use(id)) return
    this.stored.add(id)
    const kind = bytes.length >= SAMPLE_FROM_BYTES && looksCompressed(bytes) ? 'compressed' : 'general'
    return this.writer.add(id, bytes, kind)
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
      for (let at = 0; at < rows.length; ) {
        const room = this.chunker.buffer()
        const count = Math.min(room.length, rows.length - at)
        room.set(rows.subarray(at, at + count))
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
    await this.writer.add(id, bytes, 'general')
  }

  /** While a long push runs: so that it goes on where it was when it is interrupted. */
  private indexNowAndThen(): void {
    const { surroundings, signal } = this.context
    if (this.request.dryRun) return
    const waiting = this.writer.acknowledged.length - this.indexedPacks
    if (waiting < INDEX_EVERY_PACKS && surroundings.monotonic() - this.indexedAt < INDEX_EVERY_MS) return
    const packs = this.writer.acknowledged.slice(this.indexedPacks)
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

/** Stands in for the store in a dry run: encodes all, keeps nothing. */
const discard = { location: 'nowhere', put: () => Promise.resolve({ created: 0 }) }

const ROWS_BYTES = 256 * 1024

function* groupRows(entries: readonly Entry[]): Generator<Buffer> {
  let text = ''
  for (const entry of entries) {
    text += encodeEntry(entry)
    if (text.length < ROWS_BYTES) continue
    yield Buffer.from(text, 'utf8')
    text = ''
  }
  yield Buffer.from(text, 'utf8')
}
