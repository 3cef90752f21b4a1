/*
 * The output for people and scripts: the live line, plain lines, JSON lines, tables and formatting. It makes no
 * decisions and does not know commands.
 */

import { type AppError, messageOf } from '../util/errors.ts'
import type { Outage } from '../util/patience.ts'
import type { Reporter } from '../util/reporter.ts'
import { describeError, stackLines } from './describe-error.ts'
import { createJsonReporter, jsonLine } from './json.ts'
import { createLiveReporter } from './live.ts'
import { type Line, type OutputStream, type StoppableReporter, columnsOf, lines, proseWidth, rowsOf } from './output.ts'
import { createPlainReporter } from './plain.ts'
import { printable, redacted } from './printable.ts'
import { lostOutput, Sink } from './sink.ts'
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
   * reader has ended. Errors: `quota` or `io` if they can't be written.
   */
  write(bytes: Uint8Array): Promise<boolean>
  /** Why what was printed or written is lost. Undefined if it is not, and if only its reader had ended. */
  lost(): Promise<AppError | undefined>
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

export function createConsole(options: ConsoleOptions): Console {
  const { json, quiet, verbose, progress, redraws = true, now } = options
  const stderr = new Sink(options.stderr)
  /** What was asked for and is lost. */
  let lost: AppError | undefined
  /** Whether it was told that receipts and events are lost. */
  let isTold = false
  const stdout = new Sink(options.stdout, failure => {
    if (!isAsked && !isTold)
      stderr.write(
        lines.warning(`the output can't be written: ${messageOf(failure)}. The command goes on without it`, colour, proseWidth(stderr)),
      )
    isTold = true
  })
  /** Whether what is written was asked for. What is told besides does not make a command fail. */
  let isAsked = false
  const colour = options.colour && stderr.isTTY === true
  const paints = options.colour && stdout.isTTY === true
  let closed = false

  const choose = (): StoppableReporter => {
    if (json) return createJsonReporter({ write: line => stdout.write(line), verbose, quiet, progress, now })
    if (progress && redraws && !quiet && stderr.isTTY === true) return createLiveReporter({ stream: stderr, colour, verbose, now })
    return createPlainReporter({ stream: stderr, colour, verbose, quiet, now, ...(progress ? {} : { everyMs: Infinity }) })
  }
  const chosen = choose()

  const textOf = (human: readonly Line[], machine: object): string =>
    json ? jsonLine({ event: 'result', ...machine }) : human.map(line => lines.result(line, paints)).join('')

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
    result: (human, machine) => {
      chosen.stop()
      if (quiet && !json) return
      stdout.write(
        textOf(
          human.flatMap<Line>(line => (typeof line === 'string' ? prose([line]) : [line])),
          machine,
        ),
      )
    },
    print: (human, machine) => {
      chosen.stop()
      isAsked = true
      stdout.write(textOf(human, machine), error => {
        if (error) lost ??= lostOutput(error)
      })
    },
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
      isAsked = true
      return new Promise((resolve, reject) => {
        stdout.write(bytes, error => (error ? reject(lostOutput(error)) : resolve(!stdout.isGone)))
      })
    },
    lost: async () => {
      if (isAsked) await new Promise<void>(resolve => stdout.write('', () => resolve()))
      return lost
    },
    pause: () => chosen.stop(),
    error: error => {
      chosen.stop()
      const { code, message, hint, list } = describeError(error)
      const stack = verbose ? stackLines(error) : []
      const tell = (): void => {
        const width = proseWidth(stderr)
        const items = list.slice(0, LISTED_ITEMS).map(lines.item)
        if (list.length > LISTED_ITEMS) items.push(lines.item(`... and ${list.length - LISTED_ITEMS} more`))
        stderr.write([lines.error(message, colour, width), ...items, lines.hint(hint, colour, width), ...stack.map(lines.detail)].join(''))
      }
      if (!json) return tell()
      const event = {
        event: 'error',
        code,
        message: redacted(message),
        hint: redacted(hint),
        ...(list.length > 0 ? { list: list.map(redacted) } : {}),
        ...(verbose ? { stack: stack.map(redacted) } : {}),
      }
      isAsked = true
      stdout.write(jsonLine(event), failure => {
        if (failure) tell()
      })
    },
    close: () => {
      closed = true
      chosen.stop()
    },
  }
}
