import { isLog } from '../../local/log-files.ts'
import type { OwnFile, OwnFiles } from '../../local/own-files.ts'
import { takeInventory, type Inventory } from '../../repository/format/object-names.ts'
import { lineOf } from '../../repository/format/snapshot.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import type { PushResult } from '../../repository/push/push.ts'
import { rememberTombs } from '../../repository/watch/remember-tombs.ts'
import { asReadable, type Scan } from '../../repository/watch/scanner.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { BRIEF_MS } from '../../util/patience.ts'
import { asSentence } from '../../util/words.ts'
import { refuseLost } from '../shared/lost-store.ts'
import { wipedLines } from '../shared/mounts.ts'
import { ownFiles } from '../shared/own-files.ts'
import type { Session } from '../shared/session.ts'
import { chooseStore, prepareForPush, readBackFrom, type Store } from '../shared/store.ts'
import { forgetOlder } from '../space/forget-older.ts'
import { withProposals } from '../space/full-store.ts'
import { saveVersion } from '../versions/save-version.ts'
import { metricsReader, parseRetention, type WatchOptions } from './watch-options.ts'

async function openStore(session: Session): Promise<Store> {
  const store = await chooseStore(session)
  return { ...store, storage: rememberTombs(store.storage) }
}

/**
 * Saves versions with one pool of threads for all. Opens the store again after a login was refused: there may be a new
 * login by then.
 */
export class Saver {
  private readonly session: Session
  private readonly name: string
  private readonly options: WatchOptions
  private readonly context: RepositoryContext
  private store: Store | undefined
  /** Whether this run has seen a repository in the store. If it is gone then, no new one is made. */
  private found = false
  /** Whether the store is full and the user has already seen the proposals for what to forget. */
  private full = false
  /** What was forgotten after the last version. */
  forgotten: ForgetResult | undefined
  readonly location: string

  private constructor(session: Session, store: Store, name: string, options: WatchOptions) {
    this.session = session
    this.store = store
    this.name = name
    this.options = options
    this.context = session.context(store.storage, Infinity)
    this.location = store.storage.location
  }

  /** What is left out of the versions. */
  ownFiles(others: readonly OwnFile[]): OwnFiles {
    return ownFiles(this.session, this.store, others)
  }

  /** Whether what is saved is lost with the notebook. */
  wipedLines(): string[] {
    return this.store?.kind === 'folder' ? wipedLines(this.session, this.store.path, '--store drive:') : []
  }

  static async open(session: Session, name: string, options: WatchOptions): Promise<Saver> {
    const store = await openStore(session)
    if (store.kind === 'folder' && store.mounted && parseRetention(options))
      throw new AppError('unsupported', "Versions can't be forgotten through a mounted Drive, because deletions arrive late there.", {
        hint: 'Use --store drive:, or remove --keep-last and --keep-best.',
      })
    await prepareForPush(store, false)
    const saver = new Saver(session, store, name, options)
    await saver.tryOut()
    return saver
  }

  /**
   * Reports a refused login or an unusable store at the start. A network that is down at the moment is only a warning,
   * after a short time: whoever starts a watch waits for this.
   */
  private async tryOut(): Promise<void> {
    try {
      const { signal } = this.session
      const { storage } = await this.reopened()
      const begun = Date.now()
      const inventory = takeInventory(await this.session.newPatience(BRIEF_MS).persist(signal, () => storage.list({ signal })))
      this.found = inventory.hasConfig
      if (!this.found) await this.mayCreate(inventory, begun)
    } catch (error) {
      if (!isAppError(error, 'unavailable', 'throttled')) throw error
      this.session.console.reporter.warn(`${asSentence(error.message)} The next attempt is made when there is something to save.`)
    }
  }

  async save(scan: Scan, reporter: RepositoryContext['reporter'], signal: AbortSignal): Promise<PushResult> {
    const own = new AbortController()
    const onAbort = (): void => own.abort()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const store = await this.reopened()
      const context = { ...this.context, ...this.session.showingFlight(store.storage, reporter), signal: own.signal }
      const result = await this.saveWith(context, scan).catch(async (error: unknown) => {
        throw isAppError(error, 'quota') ? await this.whenFull(context, store, scan, error) : error
      })
      this.full = false
      this.found = true
      return result
    } catch (error) {
      if (isAppError(error, 'unauthenticated', 'denied')) this.store = undefined
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  private async mayCreate(inventory: Inventory, begun: number): Promise<void> {
    // a listing of Drive may lag behind the creation of the config
    if (this.found && (this.store?.kind === 'folder' || inventory.snapshots.length === 0))
      throw new AppError('unavailable', `The repository in ${this.location} is gone: its config.json is missing.`, {
        hint: 'No new one is made. Bring the store back: plug it in, mount it, or move its folder back.',
      })
    if (!this.found && this.options.create !== true) await refuseLost(this.session, this.location, begun)(inventory)
  }

  private async reopened(): Promise<Store> {
    this.store ??= await openStore(this.session)
    return this.store
  }

  /**
   * Frees what the rules no longer keep and what is due, because no new version can trigger it. Proposals for more are
   * made only once, because finding them takes a while.
   */
  private async whenFull(context: RepositoryContext, store: Store, scan: Scan, error: unknown): Promise<unknown> {
    const policy = parseRetention(this.options)
    if (policy) {
      const line = this.session.lines.read({ location: this.location, name: this.name, source: scan.source.root })
      await forgetOlder(context, { name: this.name, source: scan.source, line }, policy, undefined, this.session.trash)
    }
    if (this.full) return error
    this.full = true
    return withProposals(this.session, store, error)
  }

  private async saveWith(context: RepositoryContext, scan: Scan): Promise<PushResult> {
    this.forgotten = undefined
    const begun = Date.now()
    const policy = parseRetention(this.options)
    const source = asReadable(scan)
    const result = await saveVersion(this.session, context, this.options, {
      name: this.name,
      source,
      ...(await metricsReader(this.options)(scan, context.reporter)),
      policy,
      readBack: this.store && readBackFrom(this.store),
      mayCreate: inventory => this.mayCreate(inventory, begun),
      live: { held: new Set([...scan.held].filter(([, { kind }]) => kind !== 'unreadable').map(([file]) => file)), anyState: isLog },
    })
    if (policy && result.outcome === 'stored') {
      if (result.unread) context.reporter.warn("no older version is forgotten while some files can't be read")
      else {
        const line = result.snapshot && lineOf(result.snapshot)
        this.forgotten = await forgetOlder(context, { name: this.name, source, line }, policy, result.snapshot, this.session.trash)
      }
    }
    return result
  }
}
