import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { isRunning } from '../../repository/watch/process-end.ts'
import { describeError, type ErrorDescription } from '../../ui/describe-error.ts'
import { formatDuration, plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import { makeFolder } from '../../util/file-system.ts'
import { fsPath } from '../../util/paths.ts'
import { sleep } from '../../util/waiting.ts'
import { prepareCacheFolder } from '../shared/cache-folder.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { logOf, readRecord, readRecords, recordFile, recordsFolder, type WatchRecord } from './records.ts'
import { placeOf } from './watched-folder.ts'

/** What a watch in the background tells the command that has started it: that it watches, or why it can't. */
interface Answer {
  error: ErrorDescription | null
}

/** More than a watch needs to write its last state after its last version. */
const STOP_SLACK_MS = 10_000
const POLL_MS = 100

/**
 * Starts a watch that outlives this command, its terminal and a notebook's cell: a process of its own session, which
 * gets no signal meant for this one. Returns when it watches. Errors: those of its start; `conflict` if this folder is
 * already watched as this name.
 */
export async function startInBackground(session: Session, watched: { path: string; name: string }): Promise<Outcome> {
  const record = recordFile(session.settings.cacheFolder, watched)
  const earlier = readRecord(session.settings.cacheFolder, watched)
  if (earlier !== undefined && runs(earlier))
    throw new AppError('conflict', `${watched.path} is already watched in the background, by process ${earlier.pid}.`, {
      hint: 'Look at it with `colab-escape watch --status`, or end it with `colab-escape watch --stop`.',
    })
  if (prepareCacheFolder(session.settings.cacheFolder, session.console.reporter) === undefined)
    throw new AppError('io', `The state of a watch in the background can't be kept in ${session.settings.cacheFolder}.`, {
      hint: 'Name a folder that only you can write with COLAB_ESCAPE_CACHE, or leave out --background.',
    })
  makeFolder(recordsFolder(session.settings.cacheFolder), { mode: 0o700 })
  rmSync(record, { force: true })
  const child = startDetached(session, record)
  const answer = await answerOf(child, session.signal)
  if (answer.error !== null) {
    const { code, message, hint, list } = answer.error
    throw new AppError(code === 'internal' ? 'io' : code, message, { list, hint })
  }
  const { path, name } = watched
  const lines = [
    `Watching ${path} in the background, as process ${child.pid}: finished files are saved as ${name}`,
    `  log: ${logOf(record)}`,
    '  state: colab-escape watch --status',
    '  end: colab-escape watch --stop',
  ]
  session.console.result(lines, { command: 'watch', name, path, pid: child.pid, log: logOf(record) })
  return 'done'
}

/** What this process was started with, without the options that concern only its parent. */
function ownArguments(): string[] {
  const args = process.argv.slice(2)
  const token = args.findIndex(arg => arg === '--token' || arg === '--token-file')
  if (token >= 0) args.splice(token, 2)
  return args.filter(arg => arg !== '--background' && arg !== '--json' && !/^--token(-file)?=/.test(arg))
}

function startDetached({ options, settings }: Session, record: string): ChildProcess {
  rmSync(logOf(record), { force: true })
  const log = openSync(fsPath(logOf(record)), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND, 0o600)
  try {
    // other users can read the arguments of a process, but not its environment
    const env = { ...settings.environment, ...(options.token === undefined ? {} : { COLAB_ESCAPE_TOKEN: options.token }) }
    return spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...ownArguments(), '--background-record', record], {
      detached: true,
      windowsHide: true,
      env,
      stdio: ['ignore', log, log, 'ipc'],
    })
  } finally {
    closeSync(log)
  }
}

/** The first answer of a watch in the background, which is left alone from then on. */
async function answerOf(child: ChildProcess, signal: AbortSignal): Promise<Answer> {
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await new Promise<Answer>((done, reject) => {
      child.once('message', answer => done(answer as Answer))
      child.once('error', reject)
      child.once('exit', code => {
        const message = `The watch ended before it had begun (exit code ${code ?? 'none'}).`
        done({ error: { code: signal.aborted ? 'interrupted' : 'io', message, hint: 'Run it without --background to see why.', list: [] } })
      })
    })
  } finally {
    signal.removeEventListener('abort', stop)
    if (child.connected) child.disconnect()
    child.unref()
  }
}

/** In the watch itself: tells the command that started it how the start went, and lets go of it. */
export function answerParent(error: unknown): void {
  if (process.send === undefined || !process.connected) return
  const told = error === null ? null : describeError(error)
  process.send({ error: told } satisfies Answer, () => process.disconnect())
}

const runs = ({ pid, state, background }: WatchRecord): boolean => state !== 'stopped' && isRunning(pid, background.start ?? undefined)

/** `watch --status`: what watches in the background on this machine, and what did. */
export async function watchStatus(session: Session, path: string | undefined): Promise<Outcome> {
  const records = select(session, path)
  const lines = records.flatMap(record => [
    `${record.name}  ${stateOf(record)}, ${plural(record.versions, 'version')} made${newest(record)}`,
    `  ${record.path} -> ${record.store}`,
    `  process ${record.pid}, log: ${record.background.log}`,
    ...(record.waiting.length > 0 ? [`  ${plural(record.waiting.length, 'finished file')} not saved yet`] : []),
    ...(record.held.length > 0 ? [`  ${plural(record.held.length, 'file')} not finished or not readable`] : []),
    ...(record.trouble ? [`  trouble since ${record.trouble.since}: ${record.trouble.message}`] : []),
  ])
  const watches = records.map(({ background, ...record }) => ({ ...record, running: runs({ background, ...record }), log: background.log }))
  session.console.print(lines.length > 0 ? lines : ['No watch runs in the background.'], { command: 'watch', watches })
  return 'done'
}

function stateOf(record: WatchRecord): string {
  if (runs(record)) return record.state
  return record.state === 'stopped' ? 'ended' : 'DIED: it ended without a last version'
}

function newest({ name, last }: WatchRecord): string {
  if (last === null) return ''
  return `, the newest is ${name}@${last.version.slice(0, 8)} (${formatDuration(Math.max(0, Date.now() - Date.parse(last.time)))} ago)`
}

/** `watch --stop`: lets one watch in the background make its last version and end. */
export async function stopWatch(session: Session, path: string | undefined): Promise<Outcome> {
  const running = select(session, path).filter(runs)
  const [record] = running
  if (record === undefined)
    throw new AppError(
      'not-found',
      path === undefined ? 'No watch runs in the background.' : `No watch of ${path} runs in the background.`,
      {
        hint: 'Run `colab-escape watch --status` to see what did.',
      },
    )
  if (running.length > 1)
    throw new AppError('usage', `${running.length} watches run in the background.`, {
      list: running.map(each => each.path),
      hint: 'Say which: colab-escape watch --stop <path>',
    })
  process.kill(record.pid, 'SIGTERM')
  const waitMs = record.background.graceMs + STOP_SLACK_MS
  for (const end = performance.now() + waitMs; runs(record); await sleep(POLL_MS, session.signal))
    if (performance.now() > end)
      throw new AppError('io', `The watch of ${record.path} was told to stop, and still runs after ${formatDuration(waitMs)}.`, {
        hint: `Look at its log: ${record.background.log}`,
      })
  return reportEnd(session, readRecord(session.settings.cacheFolder, record) ?? record)
}

function reportEnd(session: Session, record: WatchRecord): Outcome {
  const { name, path, pid, state, versions, last, held, trouble } = record
  if (state !== 'stopped')
    throw new AppError('io', `The watch of ${path} ended without a last version.`, { hint: `Look at its log: ${record.background.log}` })
  const lines = [
    `Stopped watching ${path}: ${plural(versions, 'version')} made${newest(record)}`,
    ...(held.length > 0 ? [`  ${plural(held.length, 'file')} not finished or not readable, not saved`] : []),
    ...(trouble ? [`  not everything was saved: ${trouble.message}`] : []),
  ]
  session.console.result(lines, { command: 'watch', name, path, pid, versions, version: last?.version ?? null, held, trouble })
  return held.length > 0 || trouble !== null ? 'partly' : 'done'
}

function select(session: Session, path: string | undefined): WatchRecord[] {
  const records = readRecords(session.settings.cacheFolder)
  if (path === undefined) return records
  const wanted = placeOf(path)
  // a folder that was waited for may have come as a link
  return records.filter(record => record.path === wanted || placeOf(record.path) === wanted)
}
