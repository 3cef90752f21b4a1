import { dirname, resolve } from 'node:path'
import { lookAt } from '../../local/look-at.ts'
import type { OwnFile, OwnFiles } from '../../local/own-files.ts'
import { realPathOf } from '../../local/real-path.ts'
import { temporaryName } from '../../local/replace-file.ts'
import { walk } from '../../local/walk.ts'
import { takeInventory, type Inventory } from '../../repository/format/object-names.ts'
import { lineOf } from '../../repository/format/snapshot.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import type { PushResult } from '../../repository/push/push.ts'
import { startOf, watchProcess } from '../../repository/watch/process-end.ts'
import { rememberTombs } from '../../repository/watch/remember-tombs.ts'
import { asReadable, isLog, Scanner, type Scan } from '../../repository/watch/scanner.ts'
import { Watcher } from '../../repository/watch/watcher.ts'
import { durationOption } from '../../util/duration.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { BRIEF_MS } from '../../util/patience.ts'
import type { Reporter } from '../../util/reporter.ts'
import { sleep } from '../../util/waiting.ts'
import { leftOutToJson } from '../shared/left-out-report.ts'
import { wipedLines } from '../shared/mounts.ts'
import { ownFiles, prepareCache } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { refuseLost } from '../shared/lost-store.ts'
import { chooseStore, prepareForPush, readBackFrom, requireOnDisk, type Store } from '../shared/store.ts'
import { forgetOlder } from '../space/forget-older.ts'
import { withProposals } from '../space/full-store.ts'
import { checkSaveOptions, saveVersion, versionName } from '../versions/save-version.ts'
import { answerParent, startInBackground } from './background.ts'
import { logOf } from './records.ts'
import { metricsReader, parsePid, parseRetention, type WatchOptions } from './watch-options.ts'
import { describeEnd, onceReporter, WatchScreen, type Background } from './watch-screen.ts'

/** npx forwards a Ctrl-C that the terminal has already sent: a second signal within this time is the same one. */
const ONE_PRESS_MS = 1000
const LOOK_EVERY_MS = 500

/** Saves a folder whenever files in it are finished, until a signal arrives or a process ends. */
export async function watchCommand(session: Session, path: string | undefined, options: WatchOptions): Promise<Outcome> {
  if (path === undefined) throw new AppError('usage', 'No folder to watch is named.', { hint: 'For example: colab-escape watch runs' })
  requireOnDisk(path)
  const name = versionName(path, options)
  const times = checkOptions(options)
  if (options.backgroundRecord === undefined) {
    if (options.background === true) return startInBackground(session, { path: realPathOf(resolve(path)), name })
    return watchFolder(session, { path, name, times, options })
  }
  const background = { start: startOf(process.pid) ?? null, log: logOf(options.backgroundRecord), graceMs: times.graceMs }
  try {
    return await watchFolder(session, { path, name, times, options, record: { file: options.backgroundRecord, background } })
  } catch (error) {
    answerParent(await session.explain(error))
    throw error
  }
}

interface Times {
  everyMs: number
  settleMs: number
  graceMs: number
}

/** All options that can be wrong are looked at before anything is done. */
function checkOptions(options: WatchOptions): Times {
  checkSaveOptions(options)
  parseRetention(options)
  metricsReader(options)
  if (options.untilExit !== undefined) parsePid(options.untilExit)
  return {
    everyMs: durationOption('--every', options.every),
    settleMs: durationOption('--settle', options.settle),
    graceMs: durationOption('--grace', options.grace),
  }
}

interface WatchRequest {
  path: string
  name: string
  times: Times
  options: WatchOptions
  /** Where a watch in the background keeps its state. */
  record?: { file: string; background: Background }
}

async function watchFolder(session: Session, { path, name, times, options, record }: WatchRequest): Promise<Outcome> {
  const untilExit = options.untilExit === undefined ? undefined : parsePid(options.untilExit)
  const statusFile = options.statusFile === undefined ? undefined : resolve(options.statusFile)
  const reporter = onceReporter(session.console.reporter)
  const saver = await Saver.open(session, name, options)
  prepareCache(session)
  const statusFiles = [statusFile, record?.file]
    .filter(file => file !== undefined)
    .map(file => ({ path: file, temporary: temporaryName(file) }))
  const skip = saver.ownFiles(statusFiles.flatMap(file => Object.values(file)).map(file => ({ path: file, what: 'the status file' })))
  const root = realPathOf(resolve(path))
  // an error at the start ends the command; later errors are retried
  if (!mayStillCome(root)) await walk(path, { excludes: options.exclude ?? [], skip, reporter, signal: session.signal })
  const screen = new WatchScreen(session, { name, path: root, store: saver.location }, statusFiles, record?.background)
  for (const line of saver.wipedLines()) reporter.warn(`versions are saved o${line.trim().slice(1)}`)
  if (record !== undefined) answerParent(null)
  const process = untilExit === undefined ? undefined : watchProcess(untilExit)
  if (process?.hasEnded() === true) reporter.note(`process ${untilExit} is not running`)

  const abort = new AbortController()
  session.signal.addEventListener('abort', () => abort.abort(), { once: true })
  const stop = stopSignal(session)
  const isThere = await waitFor(root, { reporter, signal: AbortSignal.any([stop, abort.signal]), hasEnded: process?.hasEnded })
  const scanner = new Scanner({
    path: root,
    excludes: options.exclude ?? [],
    skip,
    settleMs: times.settleMs,
    monotonic: () => performance.now(),
    reporter,
    signal: abort.signal,
  })
  const watcher = new Watcher({
    ...times,
    scanner,
    push: async scan => {
      const result = await saver.save(scan, reporter, abort.signal)
      if (result.snapshot) screen.leftOut = await scan.source.leftOut.count()
      screen.forgotten = saver.forgotten
      return result
    },
    hasEnded: process?.hasEnded,
    stop,
    abort,
    monotonic: () => performance.now(),
    random: Math.random,
    sleep,
    onEvent: event => screen.show(event),
  })
  try {
    const last = isThere ? await watcher.run() : undefined
    const held = last?.held ?? new Map<string, never>()
    for (const [file, { why }] of held) reporter.warn(`the current state of ${file} was not saved: ${why}`)
    const { versions, last: newest } = screen.status
    screen.leftOut = last === undefined ? [] : await last.source.leftOut.count()
    session.console.result([...describeEnd(screen.status, held, screen.leftOut), ...saver.wipedLines()], {
      command: 'watch',
      name,
      versions,
      version: newest?.version ?? null,
      notSaved: [...held].map(([file, { kind, why }]) => ({ path: file.toWellFormed(), kind, why })),
      leftOut: leftOutToJson(screen.leftOut),
    })
    return held.size > 0 || last === undefined ? 'partly' : 'done'
  } finally {
    screen.stopped()
  }
}

const isAbsent = (path: string): boolean => lookAt(path).type === 'absent'

/** Whether a path is absent, and nothing but folders lies where it would be. */
function mayStillCome(path: string): boolean {
  if (!isAbsent(path)) return false
  const above = dirname(path)
  return lookAt(above).type === 'directory' || (above !== path && mayStillCome(above))
}

/** A training makes its folder when it begins. False if the watch shall end before the folder is there. */
async function waitFor(
  folder: string,
  { reporter, signal, hasEnded }: { reporter: Reporter; signal: AbortSignal; hasEnded: (() => boolean) | undefined },
): Promise<boolean> {
  if (!isAbsent(folder)) return true
  reporter.note(`${folder} does not exist yet: it is watched as soon as it does`)
  while (isAbsent(folder)) {
    if (signal.aborted || hasEnded?.() === true) return false
    await sleep(LOOK_EVERY_MS, signal).catch(() => undefined)
  }
  return true
}

/** Aborted by the first SIGINT or SIGTERM, and when a terminal is closed. A later one ends the session. */
function stopSignal(session: Session): AbortSignal {
  const stop = new AbortController()
  let pressedAt = 0
  // without a terminal, neither its end nor that of a notebook's cell ends the watch
  process.on('SIGHUP', () => {
    if (process.stdout.isTTY || process.stderr.isTTY) stop.abort()
  })
  session.onSignal = () => {
    if (stop.signal.aborted) return performance.now() - pressedAt < ONE_PRESS_MS
    pressedAt = performance.now()
    stop.abort()
    session.patience.hurry()
    return true
  }
  return stop.signal
}

async function openStore(session: Session): Promise<Store> {
  const store = await chooseStore(session)
  return { ...store, storage: rememberTombs(store.storage) }
}

/**
 * Saves versions with one pool of threads for all. Opens the store again after a login was refused: there may be a new
 * login by then.
 */
class Saver {
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
      const inventory = takeInventory(await this.session.newPatience(BRIEF_MS).persist(signal, () => storage.list({ signal })))
      this.found = inventory.hasConfig
      if (!this.found) await this.mayCreate(inventory)
    } catch (error) {
      if (!isAppError(error, 'unavailable', 'throttled')) throw error
      this.session.console.reporter.warn(`${error.message} The next attempt is made when there is something to save.`)
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

  private async mayCreate(inventory: Inventory): Promise<void> {
    // a listing of Drive may lag behind the creation of the config
    if (this.found && (this.store?.kind === 'folder' || inventory.snapshots.length === 0))
      throw new AppError('unavailable', `The repository in ${this.location} is gone: its config.json is missing.`, {
        hint: 'No new one is made. Bring the store back: plug it in, mount it, or move its folder back.',
      })
    if (!this.found && this.options.create !== true) await refuseLost(this.session, this.location)(inventory)
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
    const policy = parseRetention(this.options)
    const source = asReadable(scan)
    const result = await saveVersion(this.session, context, this.options, {
      name: this.name,
      source,
      metrics: await metricsReader(this.options)(scan, context.reporter),
      policy,
      readBack: this.store && readBackFrom(this.store),
      mayCreate: inventory => this.mayCreate(inventory),
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
