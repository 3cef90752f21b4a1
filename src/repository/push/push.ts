/*
 * Stores a folder as the next version of a name: makes an attempt, commits it, and tries again if packs that it relies
 * on disappear. `source` reads the files, and `write` writes the packs.
 */

import { Chunker } from '../../chunking/chunker.ts'
import { sameMode } from '../../local/attributes.ts'
import type { GitState } from '../../local/git-state.ts'
import { ReadAheadStorage } from '../../storage/read-ahead.ts'
import { PLAIN_CHUNKS, type ChunkKeys } from '../../util/chunk-keys.ts'
import { AppError } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import { plural } from '../../util/words.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { COMMIT_WINDOW_MS } from '../format/limits.ts'
import { checkName, isAbsurdTime, type Inventory, type SnapshotRef } from '../format/object-names.ts'
import { isLate, type Snapshot, type StoredSnapshot } from '../format/snapshot.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'
import { readNewestAhead, type RepositoryContext } from '../open/open.ts'
import { adoptPacks, openView, type RepositoryView } from '../open/view.ts'
import type { BlockSource } from '../read/read-chunks.ts'
import { readManifest } from '../read/read-manifest.ts'
import { LiveSource, type LiveRules } from '../source/live-source.ts'
import type { SourceReading } from '../source/source-reader.ts'
import type { StatCache } from '../source/stat-cache.ts'
import type { Metrics } from '../versions/metrics.ts'
import { noteVersion, type Notes } from '../versions/notes.ts'
import { newestSnapshot } from '../versions/versions.ts'
import { IndexWriter } from '../write/index-writer.ts'
import { includeOwnPacks } from '../write/own-packs.ts'
import type { AcknowledgedPack, PackWriter } from '../write/pack-writer.ts'
import { PushAttempt, type AttemptRequest } from './attempt.ts'
import { EarlyAttempt } from './early-attempt.ts'
import { commitSnapshot } from './commit.ts'
import { askFreeSpace, ensureItFits, unknownBytes, type FreeSpace } from './free-space.ts'
import { keepAttributes } from './kept-attributes.ts'
import { chooseLine, type LineRequest } from './line.ts'
import { allPresent } from './presence.ts'
import { ensureStillThere, readStored, sampleBlocks, type BytesRead, type ReadBack, type Sample } from './read-back.ts'
import { carryOver, newestOfSource, incompleteness, refuseNothingRead, type Unread } from './unread.ts'

export interface PushRequest extends AttemptRequest {
  name: string
  /** That of plain repositories; see `StatCache.withKeys`. */
  cache: StatCache | undefined
  line?: LineRequest
  message?: string | undefined
  tags: readonly string[]
  metrics?: Metrics
  checkpoint?: string | undefined
  git?: GitState | undefined
  /** Set if programs are writing to the source. */
  live?: LiveRules
  host: string
  program: string
  /** Called if the store has no config, before anything is stored. Throws if no repository may be made there. */
  mayCreate?: ((inventory: Inventory) => Promise<void>) | undefined
  readBack?: ReadBack | undefined
}

export interface PushResult {
  /**
   * `moved`: files of a live source changed before they were read. There is no new version. The next push finds the
   * chunks that were stored.
   */
  outcome: 'stored' | 'unchanged' | 'dry-run' | 'moved'
  /** The new snapshot, or the one that equals the source. Undefined for a dry run with changes, and if files moved. */
  snapshot: StoredSnapshot | undefined
  reading: SourceReading
  /** Set if some of the source could not be read. `reading` has what was carried over. */
  unread: Unread | undefined
  /** Bytes of the new chunks, plain and encoded. */
  newBytes: number
  storedBytes: number
  /** Plain bytes of new chunks of files, without those of the manifest. */
  newContentBytes: number
  /** Free bytes before the push, and all bytes, if the store was asked. */
  space: { free: number; limit: number } | undefined
  /** Packs that the last attempt made, or would have made in a dry run. */
  packs: readonly IndexedPack[]
  /** The chunks that were there before. */
  index: ChunkIndex
  /** The version before, if there is one. */
  parent: StoredSnapshot | undefined
  /** What the newest version was given, because the source equals it. */
  noted?: Notes | undefined
  /** Set if what was stored was read again. */
  readAgain?: BytesRead | undefined
  /** Set if blocks of older packs were read. */
  sample: Sample | undefined
  /** Paths of files that could not be read though they did not change. Only with `moved`. */
  unreadable?: string[]
}

const UNKNOWN_LINE: LineRequest = { noted: undefined, compare: false }
const MAX_ATTEMPTS = 8
/** A machine's clock that differs by more (ms) from the store's is wrong. */
const CLOCK_OFF_MS = 24 * 60 * 60 * 1000
/** A version this long (ms) after the last one is a sign of a wrong clock. */
const LONG_AGO_MS = 3 * 365 * CLOCK_OFF_MS
/** If less than this is left of the commit window, the store is listed again before the snapshot is uploaded. */
const WINDOW_MARGIN_MS = 60_000

/**
 * Pushes a walked source as the next version of a name, in the order of docs/format.md: lists; uploads packs, indexes
 * and config side by side; uploads the snapshot when all of these are acknowledged; checks that the snapshot is not
 * late. Makes no snapshot if nothing changed.
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

/** A view of the store, and when it was listed by this machine's clock. Together they give the store's time later. */
interface ListedView {
  view: RepositoryView
  at: number
  /** Packs of this run that are in the view though no listed index names them. */
  unnamed: IndexedPack[]
}

/** The newest version of a name, also if it can't be read. */
const newestRef = ({ inventory }: RepositoryView, name: string): SnapshotRef | undefined =>
  inventory.snapshots.findLast(ref => ref.name === name)

type Content = Pick<Snapshot, 'manifest'> & { line: string }

/** A result; or a new listing, from which to try again, and a late snapshot that has to be deleted. */
type AttemptEnd = { kind: 'done'; result: PushResult } | { kind: 'again'; listed: ListedView; late?: StoredSnapshot }

/** A repository is only created in an empty folder, never among other files. */
function refuseForeign({ inventory }: RepositoryView, location: string): void {
  if (!inventory.empty || inventory.foreign === 0) return
  throw new AppError('not-a-repository', `${location} is not a repository and contains ${plural(inventory.foreign, 'other file')}.`, {
    hint: 'Choose an empty or a new folder with --store.',
  })
}

class PushRun {
  private readonly ahead: ReadAheadStorage
  private readonly context: RepositoryContext
  /** With the cache for the keys of the repository. */
  private request: PushRequest
  private readonly plainCache: StatCache | undefined
  private chunkKeys: ChunkKeys | undefined
  private chunker: Chunker | undefined
  private freeSpace: Promise<FreeSpace> = Promise.resolve(undefined)
  /** Set once the store was listed. */
  private isListed = false
  private readonly began: number
  /** Packs of earlier attempts of this run. */
  private own: AcknowledgedPack[] = []
  /** Packs of the attempt under way. */
  private packs: PackWriter | undefined
  private early: EarlyAttempt | undefined
  private totals = { newBytes: 0, newContentBytes: 0, storedBytes: 0 }
  private space: PushResult['space']
  /** Late snapshots of earlier attempts, which are deleted in the end. */
  private readonly late: StoredSnapshot[] = []

  constructor(context: RepositoryContext, request: PushRequest) {
    this.ahead = new ReadAheadStorage(context.storage)
    this.context = { ...context, storage: this.ahead }
    this.request = request
    this.plainCache = request.cache
    this.began = context.surroundings.monotonic()
  }

  private chunkerOf(): Chunker {
    return (this.chunker ??= new Chunker(this.chunkKeys!))
  }

  async settle(): Promise<void> {
    await this.early?.settle()
    await this.packs?.settle()
  }

  async run(): Promise<PushResult> {
    this.context.reporter.progress({ phase: 'listing' })
    const { chunkKeys = PLAIN_CHUNKS } = this.context.storage
    if (chunkKeys !== 'after-listing') {
      await this.begin(chunkKeys)
      this.early = EarlyAttempt.begin(this.context, this.request, chunkKeys)
    }
    let listed = await this.list()
    refuseForeign(listed.view, this.context.storage.location)
    if (!listed.view.inventory.hasConfig) await this.request.mayCreate?.(listed.view.inventory)
    if (listed.view.inventory.empty && !this.request.dryRun) void this.ahead.prepare({ signal: this.context.signal })
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const end = await this.attempt(listed, attempt === 1 ? await this.freeSpace : undefined)
      if (end.kind === 'done') {
        for (const { ref } of this.late) await this.context.storage.remove(ref.objectName)
        return end.result
      }
      // packs that the snapshot needs are being deleted: the next attempt lists again and stores their chunks again
      if (end.late) this.late.push(end.late)
      listed = end.listed
    }
    throw new AppError(
      'unavailable',
      `The push could not be completed: packs it relies on kept disappearing from ${this.context.storage.location}.`,
      {
        hint: 'Let the prune that is running end, then push again.',
      },
    )
  }

  /** Begins what takes a while and depends on the files that the cache knows, which depends on the keys. */
  private async begin(chunkKeys: ChunkKeys): Promise<void> {
    this.chunkKeys = chunkKeys
    this.request = { ...this.request, cache: await this.plainCache?.withKeys(chunkKeys, this.context.reporter) }
    const unknown = unknownBytes(this.request)
    if (unknown > 0) this.context.pool.warmUp()
    if (!this.request.dryRun) this.freeSpace = askFreeSpace(this.context, unknown)
  }

  /** Begins again if the store, now that it is listed, has other keys than was thought. */
  private async useKeys(chunkKeys: ChunkKeys): Promise<void> {
    const isOther = chunkKeys.id !== this.chunkKeys?.id
    if (isOther && this.isListed)
      throw new AppError('conflict', `Another repository was made in ${this.context.storage.location} while this push ran.`, {
        hint: 'Push again.',
      })
    this.isListed = true
    if (!isOther) return
    await this.early?.settle()
    this.early = undefined
    await this.begin(chunkKeys)
  }

  private async list(): Promise<ListedView> {
    const at = this.context.surroundings.monotonic()
    const { signal } = this.context
    const onListed = (inventory: Inventory): void => readNewestAhead(this.ahead, inventory, this.request.name, signal)
    const view = await openView(this.ahead, { signal, onListed })
    await this.useKeys(view.index.chunkKeys)
    if (view.damagedTomb) throw view.damagedTomb
    return { view, at, unnamed: includeOwnPacks(view, this.own) }
  }

  private storeTime({ view, at }: ListedView): number {
    return Math.floor(view.inventory.asOf + this.context.surroundings.monotonic() - at)
  }

  private async attempt(listed: ListedView, freeSpace: FreeSpace): Promise<AttemptEnd> {
    const { storage, signal, reporter } = this.context
    const { view, unnamed } = listed
    // the source equals the version of such a snapshot, so with it as the parent no version would be made
    const late = new Set(this.late.map(({ ref }) => ref.objectName))
    view.inventory.snapshots = view.inventory.snapshots.filter(({ objectName }) => !late.has(objectName))
    for (const problem of view.problems) reporter.warn(`${problem.message}; this push stores its chunks again if it needs them`)
    const adopted = await adoptPacks(storage, view, { signal })
    const repository = { storage, index: view.index, pool: this.context.pool, signal }
    const parent = await newestSnapshot(repository, view, this.request.name)
    this.warnOfClocks(view, parent)
    const { source, cache, live: rules } = this.request
    // files that are being written stay as this source had them, not another one of the same name
    const before = rules && rules.held.size > 0 ? await newestOfSource(source, this.request.name, view, parent, repository) : parent
    const live = rules && (await LiveSource.open(repository, before, source, rules, cache))
    const request = live ? { ...this.request, source: live.source, cache: live.cache } : this.request

    const basis = { view, unindexed: [...unnamed, ...adopted], parent }
    const { early } = this
    if (freeSpace && freeSpace.unknown > freeSpace.free) await early?.settle()
    await ensureItFits(this.context, request, basis, () => this.chunkerOf(), freeSpace)
    this.early = undefined
    const isEarly = early?.adopt(basis) === true
    if (!isEarly) await early?.settle()
    const attempt = isEarly ? early.attempt : new PushAttempt(this.context, request, basis, this.chunkerOf())
    const { packs, presence } = attempt.chunks
    this.packs = packs
    this.space ??= freeSpace
    const reading = await (isEarly ? early.reading : attempt.storeFiles())
    const moved = live?.moved(reading) ?? []
    if (moved.length === 0) refuseNothingRead(request.source, reading)
    const unread = moved.length > 0 ? undefined : await carryOver({ ...request, reporter }, basis, repository, attempt.chunks, reading)
    if (parent && process.platform === 'win32') await keepAttributes(readManifest(repository, parent), reading.entries)
    const manifest = await attempt.storeManifest(reading)
    // a newer version that can't be read would be found under the name
    const isNewest = parent !== undefined && newestRef(view, parent.name)?.objectName === parent.ref.objectName
    const equal = isNewest && this.isEqual(parent, manifest) && (unread !== undefined || parent.incomplete === undefined)
    this.totals.newBytes += packs.plainBytes
    this.totals.newContentBytes += attempt.contentBytes
    this.totals.storedBytes += packs.storedBytes
    const { dryRun, readBack } = this.request
    const sample = dryRun || !readBack?.content ? undefined : await sampleBlocks(this.context, readBack.storage, presence)
    const result = { reading, unread, sample, parent, packs: packs.begun, index: view.index, space: this.space, ...this.totals }
    if (dryRun)
      return { kind: 'done', result: { ...result, outcome: equal ? 'unchanged' : 'dry-run', snapshot: equal ? parent : undefined } }
    await attempt.acknowledge()
    this.own.push(...packs.acknowledged)
    const stored = { packs: packs.acknowledged, indexes: attempt.indexes.own }
    const readAgain = readBack?.content ? await readStored(this.context, readBack.storage, stored, this.began) : undefined
    await cache?.save(reporter)
    if (live && moved.length > 0)
      return { kind: 'done', result: { ...result, outcome: 'moved', snapshot: undefined, unreadable: live.unreadable(moved) } }
    if (equal) {
      const { tags, message, metrics } = this.request
      // the numbers of a program that goes on writing are not those of the version before
      const notes = live ? { tags } : { tags, message, metrics }
      const { version: snapshot, changed: noted } = await noteVersion(this.context, { storage, view, signal }, parent, notes)
      return { kind: 'done', result: { ...result, outcome: 'unchanged', snapshot, noted } }
    }
    const used = presence.usedPacks().map(pack => view.index.packs[pack]!.id)
    const needed = [...used, ...packs.acknowledged.map(pack => pack.id)]
    const line = await this.lineOf(view, parent, repository, reading, manifest)
    const end = await this.commit(listed, needed, { ...result, readAgain }, { manifest, line })
    if (readBack && end.kind === 'done') await ensureStillThere(readBack.storage, stored, end.result.snapshot!, signal)
    return end
  }

  private async lineOf(
    view: RepositoryView,
    parent: StoredSnapshot | undefined,
    repository: BlockSource,
    reading: SourceReading,
    manifest: Snapshot['manifest'],
  ): Promise<string> {
    const { source, name, host, line = UNKNOWN_LINE } = this.request
    const first = JSON.stringify([host, source.root, name, view.inventory.asOf, manifest.chunks])
    const fresh = sha256Hex(Buffer.from(first)).slice(0, 16)
    if (line.noted === undefined && !line.compare) return fresh
    const earlier = await newestOfSource(source, name, view, parent, repository, line.noted)
    return chooseLine(repository, { noted: line.noted, fresh }, earlier, reading)
  }

  private warnOfClocks({ inventory: { asOf, now } }: RepositoryView, parent: StoredSnapshot | undefined): void {
    const { surroundings, reporter } = this.context
    const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
    if (parent && isAbsurdTime(parent.time, now))
      reporter.warn(
        `The last version of ${parent.name} is dated ${day(parent.time)}: a clock was wrong when it was made. It counts as made on ${day(parent.ref.effectiveTime)}`,
      )
    if (Math.abs(surroundings.now() - asOf) > CLOCK_OFF_MS)
      reporter.warn(
        `The clock of this machine says ${day(surroundings.now())}, that of the store ${day(asOf)}. Versions get the time of the store`,
      )
    else if (now > asOf)
      reporter.warn(`The clock says ${day(asOf)}, but the newest data in the store is of ${day(now)}: the clock is behind`)
    else if (parent && asOf - parent.ref.effectiveTime > LONG_AGO_MS)
      reporter.warn(
        `The last version of ${parent.name} is of ${day(parent.ref.effectiveTime)}. Is the clock of this machine right? It says ${day(asOf)}`,
      )
  }

  /** Commits a version if the packs `needed` are present. */
  private async commit(
    listed: ListedView,
    needed: readonly string[],
    result: Omit<PushResult, 'outcome' | 'snapshot'>,
    content: Content,
  ): Promise<AttemptEnd> {
    const { storage, signal, reporter } = this.context
    reporter.progress({ phase: 'committing' })
    let current = listed
    if (this.storeTime(current) > current.view.inventory.asOf + COMMIT_WINDOW_MS - WINDOW_MARGIN_MS) {
      current = await this.list()
      if (!(await this.canRelyOn(current, needed))) return { kind: 'again', listed: current }
    }
    const snapshot = await commitSnapshot(storage, this.snapshotOf(current, result, content), signal)
    if (!isLate(snapshot)) return { kind: 'done', result: { ...result, outcome: 'stored', snapshot } }
    const after = await this.list()
    if (await this.canRelyOn(after, needed)) return { kind: 'done', result: { ...result, outcome: 'stored', snapshot } }
    return { kind: 'again', listed: after, late: snapshot }
  }

  /**
   * Applies rule 3 again, to a new listing. Own packs that no listed index names any more are indexed again: a prune
   * has left them out because they were not listed yet.
   */
  private async canRelyOn({ view, unnamed }: ListedView, needed: readonly string[]): Promise<boolean> {
    if (!allPresent(view, needed)) return false
    const { storage, surroundings, signal } = this.context
    if (unnamed.length > 0) await new IndexWriter(storage, view, surroundings).write(unnamed, signal)
    return true
  }

  private snapshotOf(
    listed: ListedView,
    { parent, reading, unread }: Pick<PushResult, 'parent' | 'reading' | 'unread'>,
    { manifest, line }: Content,
  ): Snapshot {
    const { name, source, message, tags, metrics = {}, checkpoint, git, host, program } = this.request
    return {
      name,
      time: Math.max(this.storeTime(listed), (newestRef(listed.view, name)?.effectiveTime ?? 0) + 1),
      listed: listed.view.inventory.asOf,
      host,
      source: { path: source.root.toWellFormed(), type: source.rootType },
      ...(source.rootAttributes === undefined ? {} : { root: source.rootAttributes }),
      ...(message === undefined ? {} : { message }),
      tags: [...tags],
      metrics,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(git === undefined ? {} : { git }),
      ...(unread === undefined ? {} : { incomplete: incompleteness(unread) }),
      ...(line === '' ? {} : { line }),
      parent: parent?.id ?? null,
      counts: { files: reading.files, directories: reading.directories, symlinks: reading.symlinks },
      bytes: reading.bytes,
      added: { bytes: this.totals.newBytes, storedBytes: this.totals.storedBytes },
      manifest,
      program,
    }
  }

  private isEqual(parent: StoredSnapshot, manifest: Snapshot['manifest']): boolean {
    const { rootType, rootAttributes } = this.request.source
    if (parent.source.type !== rootType || parent.manifest.chunks.join() !== manifest.chunks.join()) return false
    // its time changes with everything that is made in it, also with what is left out
    return parent.root === undefined || rootAttributes === undefined || sameMode(parent.root.mode, rootAttributes.mode, 'directory')
  }
}
