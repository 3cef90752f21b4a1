/*
 * Shared by all commands: the session with its store, credentials and console, options, reports on space. The work of a
 * single command does not belong here.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CompressionPool } from '../../compression/pool.ts'
import { ChangeTimes } from '../../local/change-times.ts'
import { TensorCache } from '../../repository/bases/tensor-cache.ts'
import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../../repository/open/open.ts'
import { findTrashedObjects } from '../../repository/prune/empty-trash.ts'
import type { RepositoryKeys } from '../../repository/sealing/keys.ts'
import { StatCache } from '../../repository/source/stat-cache.ts'
import { LineNotes } from '../../repository/versions/line-notes.ts'
import { forgottenMeanwhile, isStillThere } from '../../repository/versions/forgotten-meanwhile.ts'
import type { Settings } from '../../settings.ts'
import { InFlightStorage } from '../../storage/in-flight.ts'
import { RetryingStorage } from '../../storage/retrying.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Trash } from '../../storage/trash.ts'
import { createConsole, type Console } from '../../ui/console.ts'
import { realSurroundings } from '../../util/clock.ts'
import { AppError, isAppError, NO_REPOSITORY } from '../../util/errors.ts'
import { fileNameFor } from '../../util/hash.ts'
import { shellQuoted } from '../../util/paths.ts'
import { Patience } from '../../util/patience.ts'
import { silentReporter, type ProgressUpdate, type Reporter } from '../../util/reporter.ts'
import { sleep } from '../../util/waiting.ts'
import { prepareCacheFolder } from './cache-folder.ts'
import { KnownStores } from './known-stores.ts'
import { describeTrash } from './trash-report.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  store?: string
  settingsFile?: string
  json?: boolean
  quiet?: boolean
  verbose?: boolean
  progress?: boolean
  jobs?: string
  token?: string
  tokenFile?: string
  passwordFile?: string
}

/** How a command ended, unless it threw. */
export type Outcome = 'done' | 'partly' | 'damaged' | 'failed' | 'different'

/** Below this many plain bytes, starting threads costs more time than they save. */
const THREADS_FROM_BYTES = 8 * 1024 * 1024
/** How many stores are offered. */
const STORES_SHOWN = 5
/** The patience with a folder, ms: what it has trouble with hardly passes by itself. */
const WITH_FOLDERS_MS = 10_000

interface SessionParts {
  options: GlobalOptions
  settings: Settings
  program: string
  signal: AbortSignal
  /** The script of a compression thread. */
  workerUrl: URL
}

/** The console, settings and threads of one command. Everything is closed together at the end. */
export class Session {
  readonly console: Console
  readonly settings: Settings
  /** `colab-escape 1.2.3`: recorded in versions. */
  readonly program: string
  readonly signal: AbortSignal
  readonly options: GlobalOptions
  /** Of all requests to Google. */
  readonly patience: Patience
  /**
   * Set by a command that handles signals itself. It returns true if it handled the signal, false if everything must
   * stop.
   */
  onSignal: ((signal: NodeJS.Signals) => boolean) | undefined
  /** Versions that the command has found and may be reading. */
  readonly reading: { repository: OpenRepository; snapshot: StoredSnapshot }[] = []
  readonly lines: LineNotes
  readonly stores: KnownStores
  /** The keys of encrypted repositories that this command has opened, by their ids. */
  readonly keys = new Map<string, RepositoryKeys>()
  /** The trash of the store that was chosen last, if it has one. */
  trash: Trash | undefined
  /** Whether the person knows which store counts. */
  storeNoted = false
  private cache: { folder: string | undefined } | undefined
  private readonly workerUrl: URL
  private readonly pools: CompressionPool[] = []

  constructor({ options, settings, program, signal, workerUrl }: SessionParts) {
    this.options = options
    this.settings = settings
    this.program = program
    this.signal = signal
    this.workerUrl = workerUrl
    this.console = createConsole({
      json: options.json === true,
      quiet: options.quiet === true,
      verbose: options.verbose === true,
      progress: options.progress !== false,
      colour: settings.colour,
      redraws: settings.redraws,
      stdout: process.stdout,
      stderr: process.stderr,
      now: () => performance.now(),
    })
    this.stores = new KnownStores(name => this.storeNote(name))
    this.lines = new LineNotes(
      key => this.inCache('lines', key),
      location => this.stores.keyOf(location),
      this.console.reporter,
    )
    this.patience = this.newPatience()
  }

  context(storage: Storage, plainBytes: number): RepositoryContext {
    const pool = this.pool(plainBytes)
    return { ...this.showingFlight(storage), pool, surroundings: realSurroundings, signal: this.signal }
  }

  /**
   * A store that retries, and a reporter whose progress shows the objects in flight. The progress is also updated while
   * the command only waits for these objects.
   */
  showingFlight(store: Storage, reporter = this.console.reporter): { storage: Storage; reporter: Reporter } {
    let latest: ProgressUpdate | undefined
    const report = (): void => {
      if (latest) reporter.progress({ ...latest, inFlight: storage.objects })
    }
    const storage = new InFlightStorage(this.retrying(store), report)
    const progress = (update: ProgressUpdate): void => {
      latest = update
      report()
    }
    return { storage, reporter: { ...reporter, progress } }
  }

  private retrying(storage: Storage): Storage {
    const isDrive = storage.location.startsWith('drive:')
    return new RetryingStorage(storage, isDrive ? this.patience : this.newPatience(WITH_FOLDERS_MS))
  }

  /** A patience of its own, with `longestMs` instead of ten minutes. */
  newPatience(longestMs?: number): Patience {
    return new Patience({
      sleep,
      random: Math.random,
      now: () => performance.now(),
      ...(longestMs === undefined ? {} : { longestMs }),
      onOutage: outage => this.console.outage(outage),
      onRetry: ({ message }, delayMs) => this.console.reporter.detail(`${message}; retrying in ${Math.round(delayMs)} ms`),
    })
  }

  /**
   * Threads for compression: as many as `plainBytes` of content need, at most `most`. They are closed with the session.
   */
  pool(plainBytes: number, most = Infinity): CompressionPool {
    const jobs = Math.min(this.jobs(), most)
    const pool = new CompressionPool({
      workers: plainBytes < THREADS_FROM_BYTES ? 0 : jobs,
      workerUrl: this.workerUrl,
      ...(this.settings.zstd === undefined ? {} : { prefer: this.settings.zstd }),
    })
    this.pools.push(pool)
    return pool
  }

  private jobs(): number {
    const { jobs } = this.options
    if (jobs === undefined) return this.settings.cores
    if (!/^\d{1,2}$/.test(jobs))
      throw new AppError('usage', `--jobs ${jobs} is not a number of threads.`, { hint: 'Use a number from 0 to 99.' })
    return Number(jobs)
  }

  /**
   * The content of a local folder's files when they were last read. `source` is the folder's absolute path. With
   * `reread` it knows no file, so that all are read, and is renewed. It is that of plain repositories (`withKeys`).
   */
  async openCache(source: string, reread = false): Promise<StatCache> {
    const cache = new StatCache(this.inCache('files', `${fileNameFor(source)}.jsonl`), { changeTimes: new ChangeTimes(source) })
    if (!reread) await cache.load(this.console.reporter)
    return cache
  }

  /** Tensors of recently pushed files: when a file is overwritten in place, its new content is compared with them. */
  tensorCache(): TensorCache | undefined {
    const folder = this.inCache('tensors')
    return folder === undefined ? undefined : new TensorCache(folder, this.console.reporter)
  }

  /** The file in which this machine notes the newest version of a name in a store. Undefined without a cache. */
  notedVersionFile(location: string, name: string): string | undefined {
    return this.notedVersionFileOf(this.stores.keyOf(location), name)
  }

  /** `storeKey`: a key of the store, see `KnownStores`. */
  notedVersionFileOf(storeKey: string, name: string): string | undefined {
    return this.inCache('versions', `${fileNameFor(JSON.stringify([storeKey, name]))}.jsonl`)
  }

  /** Nothing is said about a cache that can't be used: the command may have ended already, or need none. */
  private storeNote(name: string): string | undefined {
    const folder = this.cache ? this.cache.folder : prepareCacheFolder(this.settings.cacheFolder, silentReporter)
    return folder === undefined ? undefined : join(folder, 'stores', name)
  }

  /** A path in the cache. Undefined if the cache can't be used. */
  private inCache(...path: string[]): string | undefined {
    const folder = this.cacheFolder()
    return folder === undefined ? undefined : join(folder, ...path)
  }

  /**
   * The folder of the cache, which is there. Undefined if it can't be used, because it can't be made, or because other
   * users could put something into it: what is in the cache is believed. A command without a cache only takes longer.
   */
  cacheFolder(): string | undefined {
    this.cache ??= { folder: prepareCacheFolder(this.settings.cacheFolder, this.console.reporter) }
    return this.cache.folder
  }

  /**
   * Data that is missing may have been deleted with a forgotten version, or moved to the trash. The error then says so.
   */
  async explain(error: unknown): Promise<unknown> {
    if (isAppError(error) && error.reason === NO_REPOSITORY) return this.withKnownStores(error)
    if (!isAppError(error, 'corrupt') || !error.isMissing) return error
    for (const { repository, snapshot } of this.reading) {
      if (!(await isStillThere(repository, snapshot).catch(() => true))) return forgottenMeanwhile(snapshot)
    }
    const hint = await this.trashHint()
    return hint === undefined ? error : new AppError('corrupt', error.message, { hint, list: error.list, cause: error })
  }

  /** Offers the stores that this machine has used. */
  private withKnownStores(error: AppError): AppError {
    // a cache that is not there is not made for this
    if (!existsSync(this.settings.cacheFolder)) return error
    const others = this.stores.locations().filter(location => !error.message.startsWith(`${location} `))
    if (others.length === 0) return error
    const list = others.slice(0, STORES_SHOWN).map(location => `colab-escape use ${shellQuoted(location)}`)
    return new AppError(error.code, error.message, {
      hint: `This machine has used the stores above before. ${error.hint}`,
      list,
      cause: error,
    })
  }

  /** A hint for missing data: the repository's objects in the trash. Undefined when there are none. */
  async trashHint(): Promise<string | undefined> {
    const trashed = await findTrashedObjects(this.trash, { signal: this.signal }).catch(() => undefined)
    return trashed === undefined || trashed.objects === 0 ? undefined : describeTrash(trashed)
  }

  async close(): Promise<void> {
    this.console.close()
    await this.stores.save()
    await Promise.all(this.pools.map(pool => pool.close()))
  }
}
