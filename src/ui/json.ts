import type { Outage } from '../util/patience.ts'
import type { StoppableReporter } from './output.ts'
import { redacted } from './printable.ts'

/** Minimum time (ms) between two lines of progress. */
const EVERY_MS = 500

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** One line of printable JSON: also escapes the unprintable characters that JSON itself allows. */
export function jsonLine(event: object): string {
  return `${JSON.stringify(event).replace(UNPRINTABLE, escaped)}\n`
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
}

export interface JsonOptions {
  write: (line: string) => void
  verbose: boolean
  quiet: boolean
  progress: boolean
  now: () => number
}

/**
 * Events as JSON lines: `progress`, `note`, `warning`, and `detail` with `verbose`. Counters are those of
 * `ProgressUpdate`.
 */
export function createJsonReporter({ write, verbose, quiet, progress, now }: JsonOptions): StoppableReporter {
  let last = -Infinity
  let isWaiting = false
  const message = (event: string, text: string): void => write(jsonLine({ event, message: redacted(text) }))

  return {
    progress(update) {
      const time = now()
      if (!progress || quiet || time - last < EVERY_MS) return
      last = time
      write(jsonLine({ event: 'progress', ...update }))
    },
    note(text) {
      if (!quiet) message('note', text)
    },
    warn: text => message('warning', text),
    detail(text) {
      if (verbose && !quiet) message('detail', text)
    },
    outage(outage) {
      const { kind } = outage
      if (!quiet && kind === 'waiting' && !isWaiting) write(jsonLine(waitingEvent(outage)))
      if (!quiet && kind === 'over') write(jsonLine({ event: 'resumed', afterMs: Math.round(outage.afterMs) }))
      isWaiting = kind === 'waiting'
    },
    idle: () => undefined,
    stop: () => undefined,
  }
}

function waitingEvent({ error, nextTryMs, leftMs }: Outage & { kind: 'waiting' }): object {
  const time = (ms: number): string => new Date(Date.now() + ms).toISOString()
  return { event: 'waiting', code: error.code, message: redacted(error.message), nextTry: time(nextTryMs), until: time(leftMs) }
}
