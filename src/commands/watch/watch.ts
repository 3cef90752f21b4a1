import { dirname, resolve } from 'node:path'
import { readGitState } from '../../local/git-state.ts'
import { walk } from '../../local/walk.ts'
import { checkName } from '../../repository/format/object-names.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import { push, type PushResult } from '../../repository/push/push.ts'
import { saveNotedVersion } from '../../repository/versions/noted-version.ts'
import { checkTags } from '../../repository/versions/tags.ts'
import { watchProcess } from '../../repository/watch/process-end.ts'
import { rememberTombs } from '../../repository/watch/remember-tombs.ts'
import { isLog, Scanner, type Scan } from '../../repository/watch/scanner.ts'
import { Watcher } from '../../repository/watch/watcher.ts'
import { durationOption } from '../../util/duration.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { sleep } from '../../util/waiting.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore, pathsOf, prepareForPush, type ChosenStore } from '../shared/store.ts'
import { forgetOlder } from '../space/forget-older.ts'
import { withProposals } from '../space/full-store.ts'
import { basesFor, checkMessage, nameOf } from '../versions/push.ts'
import { metricsReader, parsePid, parseRetention, type WatchOptions } from './watch-options.ts'
import { describeEnd, onceReporter, WatchScreen } from './watch-screen.ts'

/** npx passes a Ctrl-C on that the terminal has sent already: a second one so soon is the same. */
const ONE_PRESS_MS = 1000

/** Saves a folder as files in it are finished, until it is told to stop or a process ends. */
export async function watchCommand(session: Session, path: string, options: WatchOptions, program: string): Promise<Outcome> {
  const times = {
    everyMs: durationOption('--every', options.every),
    settleMs: durationOption('--settle', options.settle),
    graceMs: durationOption('--grace', options.grace),
  }
  const name = options.name === undefined ? nameOf(path) : checkName(options.name)
  checkMessage(options.message)
  checkTags(options.tag ?? [])
  parseRetention(options)
  metricsReader(options)
  const untilExit = options.untilExit === undefined ? undefined : parsePid(options.untilExit)
  const statusFile = options.statusFile === undefined ? undefined : resolve(options.statusFile)
  const reporter = onceReporter(session.console.reporter)
  // what is wrong from the start is told at once, and not tried again
  const { root } = await walk(path, { excludes: options.exclude ?? [], reporter, signal: session.signal })
  const saver = await Saver.open(session, root, name, options, program)
  const screen = new WatchScreen(session, { name, path: root, store: saver.location }, statusFile)
  const process = untilExit === undefined ? undefined : watchProcess(untilExit)
  if (process?.hasEnded() === true) reporter.note(`there is no process ${untilExit} (any more)`)

  const abort = new AbortController()
  session.signal.addEventListener('abort', () => abort.abort(), { once: true })
  const scanner = new Scanner({
    path: root,
    excludes: options.exclude ?? [],
    skip: [...saver.skip, ...(statusFile === undefined ? [] : [statusFile, `${statusFile}.${globalThis.process.pid}.tmp`])],
    settleMs: times.settleMs,
    monotonic: () => performance.now(),
    reporter,
    signal: abort.signal,
  })
  const watcher = new Watcher({
    ...times,
    scanner,
    push: scan => saver.save(scan, reporter, abort.signal),
    hasEnded: process?.hasEnded,
    stop: stopSignal(session),
    abort,
    monotonic: () => performance.now(),
    random: Math.random,
    sleep,
    onEvent: event => screen.show(event),
  })
  try {
    const last = await watcher.run()
    const held = last?.held ?? new Map<string, never>()
    for (const [file, { why }] of held) reporter.warn(`${file} was not saved as it is now: ${why}`)
    const { versions, last: newest } = screen.status
    session.console.result(describeEnd(screen.status, held), {
      command: 'watch',
      name,
      versions,
      version: newest?.version ?? null,
      notSaved: [...held].map(([file, { kind, why }]) => ({ path: file.toWellFormed(), kind, why })),
    })
    return held.size > 0 || last === undefined ? 'partly' : 'done'
  } finally {
    screen.stopped()
  }
}

/** Aborted by the first SIGINT or SIGTERM; what comes later ends the session. */
function stopSignal(session: Session): AbortSignal {
  const stop = new AbortController()
  let pressedAt = 0
  session.onSignal = () => {
    if (stop.signal.aborted) return performance.now() - pressedAt < ONE_PRESS_MS
    pressedAt = performance.now()
    stop.abort()
    return true
  }
  return stop.signal
}

async function openStore(session: Session): Promise<ChosenStore> {
  const store = await chooseStore(session)
  return { ...store, storage: rememberTombs(store.storage) }
}

/** Makes versions with one pool of threads for all, and opens the store anew where the login was refused: another one may be there by then. */
class Saver {
  private readonly session: Session
  private readonly root: string
  private readonly name: string
  private readonly options: WatchOptions
  private readonly program: string
  private readonly context: RepositoryContext
  private store: ChosenStore | undefined
  /** Full, and told what could be given up there. */
  private full = false
  readonly location: string
  readonly skip: readonly string[]

  private constructor(session: Session, store: ChosenStore, root: string, name: string, options: WatchOptions, program: string) {
    this.session = session
    this.store = store
    this.root = root
    this.name = name
    this.options = options
    this.program = program
    this.context = session.context(store.storage, Infinity)
    this.location = store.storage.location
    this.skip = pathsOf(store)
  }

  static async open(session: Session, root: string, name: string, options: WatchOptions, program: string): Promise<Saver> {
    const store = await openStore(session)
    if (store.kind === 'folder' && store.mounted && parseRetention(options))
      throw new AppError('unsupported', 'Versions are not forgotten through a mounted Drive, where deletions arrive late.', {
        hint: 'Use --store drive:, or leave out --keep-last and --keep-best.',
      })
    await prepareForPush(store, false)
    const saver = new Saver(session, store, root, name, options, program)
    await saver.tryOut()
    return saver
  }

  /** A login that is refused, or a store that is none, is told at the start; a network that is away just now is not worth an end. */
  private async tryOut(): Promise<void> {
    try {
      await this.context.storage.list({ signal: this.session.signal })
    } catch (error) {
      if (!isAppError(error, 'unavailable', 'throttled')) throw error
      this.session.console.reporter.warn(`${error.message} It is tried again when there is something to save.`)
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
        throw isAppError(error, 'quota') ? await this.whenFull(context, store, error) : error
      })
      this.full = false
      return result
    } catch (error) {
      if (isAppError(error, 'unauthenticated', 'denied')) this.store = undefined
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  private async reopened(): Promise<ChosenStore> {
    this.store ??= await openStore(this.session)
    return this.store
  }

  /** What the rules have given up is freed as soon as it is due, which mostly a new version does; what else could be given up is told once, as looking for it takes a while. */
  private async whenFull(context: RepositoryContext, store: ChosenStore, error: unknown): Promise<unknown> {
    const policy = parseRetention(this.options)
    if (policy) await forgetOlder(context, this.name, policy, undefined)
    if (this.full) return error
    this.full = true
    return withProposals(this.session, store, error)
  }

  private async saveWith(context: RepositoryContext, scan: Scan): Promise<PushResult> {
    const { source, held } = scan
    const { settings } = this.session
    const policy = parseRetention(this.options)
    const result = await push(context, {
      name: this.name,
      source,
      live: { held: new Set(held.keys()), anyState: isLog },
      level: this.options.level,
      blockBytes: context.pool.maxBlockBytes(this.options.level),
      cache: await this.session.openCache(this.root),
      bases: basesFor(this.session, this.options, policy),
      message: this.options.message,
      tags: checkTags(this.options.tag ?? []),
      metrics: await metricsReader(this.options)(scan, context.reporter),
      git: readGitState(source.rootType === 'file' ? dirname(source.root) : source.root),
      dryRun: false,
      host: settings.host,
      program: this.program,
    })
    const { snapshot, reading } = result
    if (snapshot) {
      const known = { id: snapshot.id, name: this.name, time: snapshot.time, entries: reading.entries }
      await saveNotedVersion(this.session.knownVersionFile(this.location, this.name), known, context.reporter)
    }
    if (policy && result.outcome === 'stored') await forgetOlder(context, this.name, policy, snapshot)
    return result
  }
}
