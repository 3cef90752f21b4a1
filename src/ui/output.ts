import type { Outage } from '../util/patience.ts'
import type { Reporter } from '../util/reporter.ts'
import { printable, redacted } from './printable.ts'

/** The used part of process.stdout and process.stderr. */
export interface OutputStream {
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  readonly isTTY?: boolean | undefined
  /** 0 in a terminal without a size, as in a Colab cell. */
  readonly columns?: number | undefined
}

const COLUMNS_OF_A_SIZELESS_TERMINAL = 80

export function columnsOf(stream: OutputStream): number {
  return stream.columns === undefined || !(stream.columns > 0) ? COLUMNS_OF_A_SIZELESS_TERMINAL : stream.columns
}

/** A reporter that removes its progress from the screen on `stop`. The next update shows it again. */
export interface StoppableReporter extends Reporter {
  /** Why the command waits, and that it does not any more. */
  outage(outage: Outage): void
  /** What a terminal shows while there is no progress, in so many columns. */
  idle(line: (width: number) => string): void
  stop(): void
}

const RED = 31
const YELLOW = 33
const CYAN = 36

function painted(text: string, code: number, colour: boolean): string {
  return colour ? `\x1b[${code}m${text}\x1b[39m` : text
}

const safe = (text: string): string => printable(redacted(text))

export const lines = {
  note: (message: string, colour: boolean): string => `${painted('note:', CYAN, colour)} ${safe(message)}\n`,
  warning: (message: string, colour: boolean): string => `${painted('warning:', YELLOW, colour)} ${safe(message)}\n`,
  detail: (message: string): string => `${safe(message)}\n`,
  error: (message: string, colour: boolean): string => `${painted('error:', RED, colour)} ${safe(message)}\n`,
  frame: (text: string, colour: boolean): string => painted(text, CYAN, colour),
  item: (text: string): string => `  ${safe(text)}\n`,
  hint: (text: string, colour: boolean): string => `  ${painted('->', CYAN, colour)} ${safe(text)}\n`,
}
