import { resolve } from 'node:path'
import { temporaryName } from '../../local/replace-file.ts'
import { walk } from '../../local/walk.ts'
import { startOf, watchProcess } from '../../repository/watch/process-end.ts'
import { Scanner } from '../../repository/watch/scanner.ts'
import { Watcher } from '../../repository/watch/watcher.ts'
import { jsonPath } from '../../ui/shown-path.ts'
import { durationOption } from '../../util/duration.ts'
import { AppError } from '../../util/errors.ts'
import { sleep } from '../../util/waiting.ts'
import { leftOutToJson } from '../shared/left-out-report.ts'
import { prepareCache } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { requireOnDisk } from '../shared/store.ts'
import { checkSaveOptions, versionName } from '../versions/save-version.ts'
import { answerParent, startInBackground } from './background.ts'
import { logOf } from './records.ts'
import { Saver } from './saver.ts'
import { metricsReader, parsePid, parseRetention, type WatchOptions } from './watch-options.ts'
import { describeEnd, onceReporter, WatchScreen, type Background } from './watch-screen.ts'
import { mayStillCome, placeOf, waitFor } from './watched-folder.ts'

/** npx forwards a Ctrl-C that the terminal has already sent: a second signal within this time is the same one. */
const ONE_PRESS_MS = 1000

/** Saves a folder whenever files in it are finished, until a signal arrives or a process ends. */
export async function watchCommand(session: Session, path: string | undefined, options: WatchOptions): Promise<Outcome> {
  if (path === undefined) throw new AppError('usage', 'No folder to watch is named.', { hint: 'For example: colab-escape watch runs' })
  requireOnDisk(path)
  const name = versionName(path, options)
  const times = checkOptions(options)
  if (options.backgroundRecord === undefined) {
    if (options.background === true) return startInBackground(session, { path: placeOf(path), name })
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
  const root = placeOf(path)
  // an error at the start ends the command; later errors are retried
  if (!mayStillCome(path)) await walk(path, { excludes: options.exclude ?? [], skip, reporter, signal: session.signal })
  const screen = new WatchScreen(session, { name, path: root, store: saver.location }, statusFiles, record?.background)
  for (const line of saver.wipedLines()) reporter.warn(`versions are saved o${line.trim().slice(1)}`)
  if (record !== undefined) answerParent(null)
  const process = untilExit === undefined ? undefined : watchProcess(untilExit)
  if (process?.hasEnded() === true)
    reporter.note(`process ${untilExit} has ended, or never ran: what is finished is saved, then the watch ends`)

  const abort = new AbortController()
  session.signal.addEventListener('abort', () => abort.abort(), { once: true })
  const stop = stopSignal(session)
  session.console.idle(() => `waiting for ${root}`)
  const isThere = await waitFor(path, { reporter, signal: AbortSignal.any([stop, abort.signal]), hasEnded: process?.hasEnded })
  const scanner = new Scanner({
    path: isThere ? placeOf(path) : root,
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
      notSaved: [...held].map(([file, { kind, why }]) => ({ path: jsonPath(file), kind, why })),
      leftOut: leftOutToJson(screen.leftOut),
    })
    return held.size > 0 || last === undefined ? 'partly' : 'done'
  } finally {
    screen.stopped()
  }
}

/** Aborted by the first SIGINT or SIGTERM, and when a terminal is closed. A later one ends the session. */
function stopSignal(session: Session): AbortSignal {
  const stop = new AbortController()
  let pressedAt = 0
  session.onSignal = signal => {
    const isHangUp = signal === 'SIGHUP'
    if (stop.signal.aborted) return isHangUp || performance.now() - pressedAt < ONE_PRESS_MS
    pressedAt = performance.now()
    stop.abort()
    session.patience.hurry()
    return true
  }
  return stop.signal
}
