import { renameSync, rmSync, writeFileSync } from 'node:fs'
import type { LeftOut } from '../../local/left-out.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import type { HeldFile } from '../../repository/watch/scanner.ts'
import type { WatchEvent } from '../../repository/watch/watcher.ts'
import { describeIncomplete, formatDuration, plural } from '../../ui/format.ts'
import { jsonPath } from '../../ui/shown-path.ts'
import { messageOf, type AppError } from '../../util/errors.ts'
import type { Reporter } from '../../util/reporter.ts'
import { asSentence } from '../../util/words.ts'
import { describeLeftOut, leftOutText, leftOutToJson } from '../shared/left-out-report.ts'
import type { Session } from '../shared/session.ts'
import { forgottenOf } from '../space/forgotten-text.ts'
import { doingLine, forgottenLine, INDENT, savedLine, type Doing } from './watch-lines.ts'

export interface WatchTarget {
  name: string
  /** Absolute path. */
  path: string
  store: string
}

interface StatusFile {
  path: string
  /** Beside it, for content that is not complete yet. */
  temporary: string
}

/** What a watch in the background adds to its state. */
export interface Background {
  /** Tells its process from a later one with the same pid; null where that is not known. */
  start: string | null
  /** Path of its log. */
  log: string
  /** Its time limit (ms) for the last version. */
  graceMs: number
}

export interface Status extends WatchTarget {
  state: 'watching' | 'stopping' | 'stopped'
  pid: number
  /** Versions made by this run. */
  versions: number
  last: { version: string; time: string; metrics: object } | null
  /** Finished, and in no version yet. */
  waiting: string[]
  /** Not finished, or not readable. */
  held: { path: string; kind: string; why: string }[]
  /** Why no version can be saved now. */
  trouble: { code: string; message: string; hint: string | null; list: readonly string[]; since: string } | null
  /** Of a watch in the background only. */
  background?: Background
  updated: string
}

/** The status is written at least this often, so that a reader can see that the watch is alive. */
const HEARTBEAT_MS = 30_000

/**
 * Shows what a watch does: a line, or with --json an event, for each important step, and everything in its status
 * files.
 */
export class WatchScreen {
  readonly status: Status
  /** What is left out of the last version. */
  leftOut: readonly LeftOut[] = []
  /** What was forgotten after the last version. */
  forgotten: ForgetResult | undefined
  private readonly session: Session
  private readonly files: readonly StatusFile[]
  private written = ''
  /** Status files that could not be written. This is told once for each. */
  private readonly toldUnwritten = new Set<string>()
  private toldLeftOut = ''
  private readonly doing: Pick<Doing, 'nextLook' | 'nextVersion' | 'storedBytes'>
  private writtenAt = -Infinity

  constructor(session: Session, watched: WatchTarget, files: readonly StatusFile[], background?: Background) {
    this.session = session
    this.files = files
    const updated = new Date().toISOString()
    this.status = {
      ...watched,
      state: 'watching',
      pid: process.pid,
      versions: 0,
      last: null,
      waiting: [],
      held: [],
      trouble: null,
      ...(background === undefined ? {} : { background }),
      updated,
    }
    const { name, path, store } = watched
    const now = performance.now()
    this.doing = { nextLook: Infinity, nextVersion: now, storedBytes: 0 }
    this.say([`watching ${path}: finished files are saved as ${name} to ${store}`], { event: 'watching', name, path, store })
    this.write()
  }

  show(event: WatchEvent): void {
    if (event.kind === 'looked') this.looked(event)
    else if (event.kind === 'pushed') this.pushed(event)
    else if (event.kind === 'trouble') this.trouble(event.error)
    else if (event.kind === 'recovered') {
      this.status.trouble = null
      this.say([`Saving works again after ${formatDuration(event.afterMs)}.`], { event: 'recovered', afterMs: Math.round(event.afterMs) })
    } else {
      this.status.state = 'stopping'
      this.say([event.why === 'signal' ? 'Stopping: saving finished files…' : 'The process has ended: saving finished files…'], {
        event: 'stopping',
        why: event.why,
      })
    }
    this.write()
    this.session.console.idle(width => this.doingNow(width))
  }

  private doingNow(width: number): string {
    const { name, state, versions, waiting, held, trouble } = this.status
    const written = held.filter(({ kind }) => kind === 'changing').map(({ path }) => path)
    const now = { ...this.doing, name, isStopping: state === 'stopping', versions, waiting, written, trouble: trouble?.message }
    return doingLine(now, performance.now(), width)
  }

  stopped(): void {
    this.status.state = 'stopped'
    this.write()
  }

  private looked({ scan: { fresh, held }, nextLookMs, nextPushMs }: WatchEvent & { kind: 'looked' }): void {
    const now = performance.now()
    Object.assign(this.doing, { nextLook: now + nextLookMs, nextVersion: now + nextPushMs })
    this.status.waiting = fresh.map(({ path }) => jsonPath(path))
    this.status.held = [...held].map(heldLine)
  }

  private pushed({ result, scan }: WatchEvent & { kind: 'pushed' }): void {
    const { snapshot, outcome, newBytes, storedBytes } = result
    const { name } = this.status
    if (!snapshot) return
    const { id, time, metrics, checkpoint = null, incomplete } = snapshot
    this.status.last = { version: id, time: new Date(time).toISOString(), metrics }
    this.status.waiting = []
    const files = [...scan.fresh, ...scan.grown].map(({ path }) => jsonPath(path))
    const version = versionLabel({ name, id })
    if (outcome === 'unchanged') {
      if (this.status.versions === 0)
        this.say([`nothing new since ${version}`, ...this.newlyLeftOut()], {
          event: 'unchanged',
          name,
          version: id,
          leftOut: leftOutToJson(this.leftOut),
        })
      return
    }
    this.status.versions++
    this.doing.storedBytes += storedBytes
    const forgotten = this.forgotten ? forgottenOf(this.forgotten) : []
    const line = savedLine(clock(), snapshot, files, storedBytes)
    const lacks = incomplete === undefined ? '' : describeIncomplete(incomplete)
    const lines = [
      line,
      ...(line.includes(lacks) ? [] : [`${INDENT}${lacks}`]),
      ...this.newlyLeftOut(),
      ...(forgotten.length > 0 ? [forgottenLine(forgotten)] : []),
    ]
    this.session.console.event(lines, {
      event: 'saved',
      name,
      version: id,
      time: new Date(time).toISOString(),
      files,
      metrics,
      checkpoint,
      newBytes,
      storedBytes,
      incomplete: incomplete ?? null,
      forgotten: forgotten.map(each => each.id),
      leftOut: leftOutToJson(this.leftOut),
    })
  }

  /** A line about what is left out, unless it was told before. */
  private newlyLeftOut(): string[] {
    const text = this.leftOut.length === 0 ? '' : `${INDENT}left out: ${leftOutText(this.leftOut)}`
    const isTold = text === this.toldLeftOut
    this.toldLeftOut = text
    return isTold || text === '' ? [] : [text]
  }

  private trouble({ code, message, hint, list }: AppError): void {
    this.status.trouble = { code, message, hint: hint ?? null, list, since: new Date().toISOString() }
    const sentences = [message, ...list, ...(hint === undefined ? [] : [hint]), 'watch keeps trying; this message is not repeated.']
    this.session.console.reporter.warn(sentences.map(asSentence).join(' '))
  }

  private say([first, ...more]: [string, ...string[]], machine: { event: string; [field: string]: unknown }): void {
    this.session.console.event([`${clock()} ${first}`, ...more], machine)
  }

  private write(): void {
    if (this.files.length === 0) return
    const content = JSON.stringify({ ...this.status, updated: undefined })
    if (content === this.written && performance.now() - this.writtenAt < HEARTBEAT_MS) return
    this.status.updated = new Date().toISOString()
    // what could not be written is tried again with the next event
    if (!this.files.map(file => this.replace(file)).every(isWritten => isWritten)) return
    this.written = content
    this.writtenAt = performance.now()
  }

  /** In one step, so that a reader never finds half of the file. False if it can't be written. */
  private replace({ path, temporary }: StatusFile): boolean {
    try {
      writeFileSync(temporary, `${JSON.stringify(this.status, undefined, 1)}\n`, { flag: 'wx' })
      renameSync(temporary, path)
      return true
    } catch (error) {
      removeQuietly(temporary)
      const say = this.toldUnwritten.has(path) ? 'detail' : 'warn'
      this.toldUnwritten.add(path)
      this.session.console.reporter[say](`the status file ${path} can't be written: ${messageOf(error)}. The watch goes on without it`)
      return false
    }
  }
}

/** `rmSync` throws where the folder may not be looked at. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // what could not be written is not there either
  }
}

function heldLine([path, { kind, why }]: [string, HeldFile]): Status['held'][number] {
  return { path: jsonPath(path), kind, why }
}

const clock = (): string => new Date().toTimeString().slice(0, 8)

/** The last lines of a watch. */
export function describeEnd({ versions, last, name }: Status, held: ReadonlyMap<string, HeldFile>, leftOut: readonly LeftOut[]): string[] {
  const newest = last === null ? 'nothing was saved' : `the newest is ${versionLabel({ name, id: last.version })}`
  const lines = [`Watched ${name}: ${plural(versions, 'version')} made, ${newest}`]
  lines.push(...describeLeftOut(leftOut))
  if (held.size > 0) lines.push(`  ${plural(held.size, 'file')} not finished or not readable (see the warnings)`)
  return lines
}

/** Reports each message only once: a watch sees the same files again and again. */
export function onceReporter(reporter: Reporter): Reporter {
  const reported = new Set<string>()
  const once = (say: (message: string) => void) => (message: string) => {
    if (reported.size > 1000) reported.clear()
    if (reported.has(message)) return
    reported.add(message)
    say(message)
  }
  return {
    progress: update => reporter.progress(update),
    note: once(message => reporter.note(message)),
    warn: once(message => reporter.warn(message)),
    detail: message => reporter.detail(message),
  }
}
