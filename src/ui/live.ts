import type { Options, Ora } from 'ora'
import { LineStream } from './line-stream.ts'
import { OutageText } from './outage-text.ts'
import { type OutputStream, type StoppableReporter, lines, proseWidth } from './output.ts'
import { printable } from './printable.ts'
import { ProgressText } from './progress-text.ts'
import { shortenEnd } from './width.ts'

/** Minimum time (ms) between redraws: notebooks coalesce faster ones, and people can't read them. */
const REDRAW_MS = 200
/** Runs shorter than this (ms) show no line and don't load ora. */
const START_AFTER_MS = 250
/**
 * Columns that the text can't use: the spinner, the space after it, and the last column, which stays empty so that no
 * terminal wraps.
 */
const RESERVED_COLUMNS = 4

export interface LiveOptions {
  stream: OutputStream
  colour: boolean
  verbose: boolean
  now: () => number
}

/** One line at the bottom of a terminal. Notes and warnings scroll above it. */
export function createLiveReporter({ stream, colour, verbose, now }: LiveOptions): StoppableReporter {
  const screen = new LineStream(stream)
  let text = new ProgressText()
  let waiting: OutageText | undefined
  let idle: ((width: number) => string) | undefined
  let spinner: Ora | undefined
  let timer: NodeJS.Timeout | undefined
  let isShown = false

  const begin = async (): Promise<void> => {
    const { default: ora } = await import('ora')
    if (!isShown) return
    spinner ??= spinnerOf(ora, screen, colour, line)
    spinner.start()
  }

  const line = (): string => {
    const width = screen.columns - RESERVED_COLUMNS
    if (waiting) return shortenEnd(waiting.line(now()), width)
    return idle ? shortenEnd(printable(idle(width)), width) : text.line(now(), width)
  }

  const show = (): void => {
    if (isShown) return
    isShown = true
    // a run must not fail because its progress can't be drawn
    timer = setTimeout(() => void begin().catch(() => undefined), START_AFTER_MS)
    timer.unref()
  }

  return {
    progress(update) {
      idle = undefined
      text.update(update, now())
      show()
    },
    outage(outage) {
      waiting = outage.kind === 'waiting' ? new OutageText(outage, now()) : undefined
      if (waiting) show()
    },
    idle(line) {
      idle = line
      show()
    },
    note: message => screen.above(lines.note(message, colour, proseWidth(stream))),
    warn: message => screen.above(lines.warning(message, colour, proseWidth(stream))),
    detail: message => {
      if (verbose) screen.above(lines.detail(message))
    },
    stop() {
      isShown = false
      clearTimeout(timer)
      spinner?.stop()
      text = new ProgressText()
      waiting = undefined
      idle = undefined
    },
  }
}

function spinnerOf(ora: (options: Options) => Ora, stream: LineStream, colour: boolean, suffixText: () => string): Ora {
  const spinner = ora({
    stream,
    isEnabled: true,
    color: false,
    // ora must not handle Ctrl-C or keyboard input, and a killed process must not leave the cursor hidden
    discardStdin: false,
    hideCursor: false,
    suffixText,
  })
  // coloured here: ora's own colours check the environment (such as CI) again, which is already decided
  spinner.spinner = { interval: REDRAW_MS, frames: spinner.spinner.frames.map(frame => lines.frame(frame, colour)) }
  return spinner
}
