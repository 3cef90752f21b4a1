import { formatDuration } from './format.ts'
import { OutageText } from './outage-text.ts'
import { type OutputStream, type StoppableReporter, lines, proseWidth } from './output.ts'
import { ProgressText } from './progress-text.ts'

export interface PlainOptions {
  stream: OutputStream
  colour: boolean
  verbose: boolean
  now: () => number
  /** Milliseconds between two lines of progress; Infinity for none. */
  everyMs?: number
  /** Show only warnings. */
  quiet?: boolean
}

const EVERY_MS = 5_000

/**
 * Plain lines for logs. Notes and warnings appear at once. Progress appears every few seconds, so a short run shows
 * none.
 */
export function createPlainReporter({ stream, colour, verbose, now, everyMs = EVERY_MS, quiet = false }: PlainOptions): StoppableReporter {
  let text = new ProgressText()
  let lastLine: number | undefined
  let isWaiting = false

  const note = (message: string): void => {
    if (!quiet) stream.write(lines.note(message, colour, proseWidth(stream)))
  }

  return {
    progress(update) {
      if (quiet || everyMs === Infinity) return
      const time = now()
      text.update(update, time)
      lastLine ??= time
      if (time - lastLine < everyMs) return
      lastLine = time
      stream.write(`${text.line(time)}\n`)
    },
    note,
    outage(outage) {
      if (outage.kind === 'over') note(`requests succeed again after ${formatDuration(outage.afterMs)}`)
      else if (outage.kind === 'waiting' && !isWaiting) note(new OutageText(outage, now()).line(now()))
      isWaiting = outage.kind === 'waiting'
    },
    idle: () => undefined,
    warn(message) {
      stream.write(lines.warning(message, colour, proseWidth(stream)))
    },
    detail(message) {
      if (verbose && !quiet) stream.write(lines.detail(message))
    },
    stop() {
      lastLine = undefined
      text = new ProgressText()
    },
  }
}
