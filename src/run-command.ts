import { join } from 'node:path'
import type { Execute } from './commands/shared/lazy-command.ts'
import { Session, type GlobalOptions } from './commands/shared/session.ts'
import { exitCodeOf } from './exit-codes.ts'
import { readSettings } from './settings.ts'
import { createConsole } from './ui/console.ts'
import { describeError } from './ui/describe-error.ts'
import type { AppError } from './util/errors.ts'
import { createFetch } from './util/http.ts'
import { keepHeapSmall } from './util/memory/heap.ts'
import { PACKAGE } from './util/package-source.ts'
import { VERSION } from './version.ts'

const interrupt = new AbortController()

let session: Session | undefined

/** Ends what nobody waits for. */
const ended = new AbortController()

/**
 * After the first signal, the command ends at the next safe point. A second signal ends it at once, but not a second
 * SIGHUP: for a terminal that is closed, its shell and the system each send one. Without a terminal, as with nohup,
 * neither the end of a session nor that of a notebook's cell ends the command.
 */
function onSignal(signal: NodeJS.Signals): void {
  const isHangUp = signal === 'SIGHUP'
  if (isHangUp && !(process.stdout.isTTY || process.stderr.isTTY)) return
  if (interrupt.signal.aborted) return isHangUp ? undefined : process.exit(130)
  if (session?.onSignal?.(signal) === true) return
  interrupt.abort()
  process.exitCode = 130
}

export const runCommand: Execute = async (options, run) => {
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // the one signal that a program on Windows can send to another
  process.on('SIGBREAK', onSignal)
  process.on('SIGHUP', onSignal)
  keepHeapSmall()
  try {
    const isIndirect = options.token === '-' || options.tokenFile !== undefined
    session = new Session({
      options: isIndirect ? await (await import('./commands/shared/given-token.ts')).withToken(options, interrupt.signal) : options,
      settings: readSettings(options),
      program: `colab-escape ${VERSION}`,
      signal: interrupt.signal,
      workerUrl: new URL('./worker.js', import.meta.url),
    })
    for (const note of session.settings.notes) session.console.reporter.note(note)
    beginUpdateNotice(session)
    const outcome = await run(session)
    const lost = await session.console.lost()
    if (lost) session.console.error(lost)
    process.exitCode = exitCodeOf(lost && outcome === 'done' ? lost.code : outcome)
  } catch (thrown) {
    const error = session ? await session.explain(thrown) : thrown
    const screen = session?.console ?? plainConsole(options)
    screen.error(error)
    process.exitCode = interrupt.signal.aborted ? 130 : exitCodeOf(describeError(error).code)
  } finally {
    ended.abort()
    await session?.close()
  }
}

/** Tells of a newer version, if the package is published, while the command runs. */
function beginUpdateNotice(session: Session): void {
  const { console, options, settings } = session
  const { registry } = PACKAGE
  if (registry === undefined) return
  void import('./commands/shared/update-notice.ts').then(({ tellOfUpdate, wantsUpdateNotice }) => {
    const folder = wantsUpdateNotice(options, settings.environment, process.stderr.isTTY) ? session.cacheFolder() : undefined
    if (folder === undefined) return
    const services = {
      file: join(folder, 'update.json'),
      version: VERSION,
      now: Date.now,
      fetch: createFetch(settings.proxy),
      reporter: console.reporter,
      signal: ended.signal,
    }
    return tellOfUpdate({ ...PACKAGE, registry }, services)
  })
}

/** Shows an error that no command has met: one in the arguments, or of the help. */
export function showError(error: AppError, options: GlobalOptions): void {
  plainConsole(options).error(error)
}

/** For errors that occur before the settings are read. */
function plainConsole(options: GlobalOptions): Session['console'] {
  const { json = false, quiet = false, verbose = false } = options
  return createConsole({
    json,
    quiet,
    verbose,
    progress: false,
    colour: false,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => performance.now(),
  })
}
