/*
 * The output for people and scripts: the live line, plain lines, JSON lines, tables and formatting. It makes no
 * decisions and does not know commands.
 */

import type { Outage } from '../util/patience.ts'
import type { Reporter } from '../util/reporter.ts'
import { isClosedStream } from './closed-stream.ts'
import { describeError, stackLines } from './describe-error.ts'
import { createJsonReporter, jsonLine } from './json.ts'
import { createLiveReporter } from './live.ts'
import { type Line, type OutputStream, type StoppableReporter, columnsOf, lines, proseWidth, rowsOf } from './output.ts'
import { createPlainReporter } from './plain.ts'
import { printable, redacted } from './printable.ts'
import { wrapLine } from './wrap.ts'

/** Maximum number of list lines. More would scroll the message itself off the screen. */
const LISTED_ITEMS = 20

export interface ConsoleOptions {
  json: boolean
  quiet: boolean
  verbose: boolean
  /** False for `--no-progress`. */
  progress: boolean
  /** False when NO_COLOR is set. A stream that is no terminal never gets colour. */
  colour: boolean
  /** False if no line can be redrawn, even on a terminal. Progress is then shown in separate lines. */
  redraws?: boolean
  stdout: OutputStream
  stderr: OutputStream
  /** Monotonic ms. */
  now: () => number
  /** Overrides the width of stdout. */
  columns?: number
}

/**
 * Everything that a command shows goes through this. Results go to stdout; progress, notes, warnings and errors to
 * stderr. With `json` everything goes to stdout.
 */
export interface Console {
  readonly reporter: Reporter
  /** Shows that the command waits for the store. */
  outage(outage: Outage): void
  /** What a terminal shows while a command waits for something to do: it is asked for the line again and again. */
  idle(line: (width: number) => string): void
  /** Width for tables. Infinity if stdout is no terminal, so that nothing is shortened in a pipe. */
  readonly columns: number
  /** Height of the terminal, for lists that should fit. Infinity if stdout is no terminal. */
  readonly rows: number
  /** Lines of prose, broken where the terminal ends. A pipe, and a terminal without a size, get them as they are. */
  prose(lines: readonly string[]): string[]
  /**
   * The receipt of a command: the lines of prose `human`, or the event `result` with the fields of `machine`. Silent
   * with `quiet`. A line break within a line is escaped.
   */
  result(human: readonly Line[], machine: object): void
  /** The requested output of a command: like `result`, but `quiet` does not silence it. */
  print(human: readonly Line[], machine: object): void
  /** An event of a running command: the lines `human` on stdout, or the event `machine`. Silent with `quiet`. */
  event(human: readonly string[], machine: { event: string; [field: string]: unknown }): void
  /**
   * Writes bytes to stdout unchanged, with any options. Resolves to true when more may be written, to false when the
   * reader has ended.
   */
  write(bytes: Uint8Array): Promise<boolean>
  /** Removes the progress from the screen until the next update, for a question. */
  pause(): void
  /**
   * Shows two lines: what failed, and what to do next. The error's list comes between them, and `verbose` adds stack
   * traces.
   */
  error(error: unknown): void
  /** Removes the progress from the screen and ends it. A live line keeps the process running until then. */
  close(): void
}

/** `stream`, but errors of writing into a closed pipe are ignored. */
function tolerant(stream: OutputStream): OutputStream & { readonly gone: boolean } {
  let gone = false
  // saved before ora hooks `write`: through the hook, a note would cause two redraws
  const write = stream.write.bind(stream)
  stream.on('error', error => {
    if (!isClosedStream(error, stream)) throw error
    gone = true
  })
  return {
    write: (data, done) => {
      if (!gone) return write(data, done)
      done?.()
      return true
    },
    on: (event, listener) => stream.on(event, listener),
    get isTTY() {
      return stream.isTTY
    },
    get columns() {
      return stream.columns
    },
    get rows() {
      return stream.rows
    },
    get gone() {
      return gone
    },
  }
}

export function createConsole(options: ConsoleOptions): Console {
  const { json, quiet, verbose, progress, redraws = true, now } = options
  const stdout = tolerant(options.stdout)
  const stderr = tolerant(options.stderr)
  const colour = options.colour && stderr.isTTY === true
  const paints = options.colour && stdout.isTTY === true
  let closed = false

  const choose = (): StoppableReporter => {
    if (json) return createJsonReporter({ write: line => stdout.write(line), verbose, quiet, progress, now })
    if (progress && redraws && !quiet && stderr.isTTY === true) return createLiveReporter({ stream: stderr, colour, verbose, now })
    return createPlainReporter({ stream: stderr, colour, verbose, quiet, now, ...(progress ? {} : { everyMs: Infinity }) })
  }
  const chosen = choose()

  const show = (human: readonly Line[], machine: object, silent: boolean): void => {
    chosen.stop()
    if (json) {
      stdout.write(jsonLine({ event: 'result', ...machine }))
    } else if (!silent) {
      if (human.length > 0) stdout.write(human.map(line => lines.result(line, paints)).join(''))
    }
  }

  const prose = (texts: readonly string[]): string[] => texts.flatMap(text => wrapLine(printable(text), proseWidth(stdout)))

  return {
    prose,
    reporter: {
      progress: update => {
        if (!closed) chosen.progress(update)
      },
      note: message => chosen.note(message),
      warn: message => chosen.warn(message),
      detail: message => chosen.detail(message),
    },
    outage: outage => {
      if (!closed) chosen.outage(outage)
    },
    idle: line => {
      if (!closed) chosen.idle(line)
    },
    columns: options.columns ?? (stdout.isTTY === true ? columnsOf(stdout) : Infinity),
    rows: stdout.isTTY === true ? rowsOf(stdout) : Infinity,
    result: (human, machine) =>
      show(
        human.flatMap<Line>(line => (typeof line === 'string' ? prose([line]) : [line])),
        machine,
        quiet,
      ),
    print: (human, machine) => show(human, machine, false),
    event: (human, machine) => {
      chosen.stop()
      if (quiet) return
      stdout.write(
        json
          ? jsonLine(machine)
          : prose(human)
              .map(line => `${line}\n`)
              .join(''),
      )
    },
    write: bytes => {
      chosen.stop()
      return new Promise(resolve => stdout.write(bytes, error => resolve(!error && !stdout.gone)))
    },
    pause: () => chosen.stop(),
    error: error => {
      chosen.stop()
      const { code, message, hint, list } = describeError(error)
      const stack = verbose ? stackLines(error) : []
      if (json) {
        const event = {
          event: 'error',
          code,
          message: redacted(message),
          hint: redacted(hint),
          ...(list.length > 0 ? { list: list.map(redacted) } : {}),
        }
        stdout.write(jsonLine(verbose ? { ...event, stack: stack.map(redacted) } : event))
        return
      }
      const width = proseWidth(stderr)
      const items = list.slice(0, LISTED_ITEMS).map(lines.item)
      if (list.length > LISTED_ITEMS) items.push(lines.item(`... and ${list.length - LISTED_ITEMS} more`))
      stderr.write([lines.error(message, colour, width), ...items, lines.hint(hint, colour, width), ...stack.map(lines.detail)].join(''))
    },
    close: () => {
      closed = true
      chosen.stop()
    },
  }
}
