import type { Outage } from '../util/patience.ts'
import type { Reporter } from '../util/reporter.ts'
import { printable, redacted } from './printable.ts'
import { wrapLine } from './wrap.ts'

/** The used part of process.stdout and process.stderr. */
export interface OutputStream {
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  readonly isTTY?: boolean | undefined
  /** Its file descriptor. */
  readonly fd?: number | undefined
  /** 0 in a terminal without a size, as in a Colab cell. */
  readonly columns?: number | undefined
  /** 0 or undefined in a terminal without a size. */
  readonly rows?: number | undefined
}

const COLUMNS_OF_A_SIZELESS_TERMINAL = 80
const ROWS_OF_A_SIZELESS_TERMINAL = 24

export function columnsOf(stream: OutputStream): number {
  return stream.columns === undefined || !(stream.columns > 0) ? COLUMNS_OF_A_SIZELESS_TERMINAL : stream.columns
}

export function rowsOf(stream: OutputStream): number {
  return stream.rows === undefined || !(stream.rows > 0) ? ROWS_OF_A_SIZELESS_TERMINAL : stream.rows
}

/** A line of a result. Its colour shows only on a terminal, and says nothing that the text does not say too. */
export type Line = string | { text: string; colour: 'red' | 'green' | 'yellow' }

/** Where lines of prose are broken: a pipe and a terminal without a size get whole lines. */
export function proseWidth(stream: OutputStream): number {
  return stream.isTTY === true && stream.columns !== undefined && stream.columns > 0 ? stream.columns : Infinity
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
const GREEN = 32
const YELLOW = 33
const CYAN = 36

function painted(text: string, code: number, colour: boolean): string {
  return colour ? `\x1b[${code}m${text}\x1b[39m` : text
}

const CODES = { red: RED, green: GREEN, yellow: YELLOW }

const safe = (text: string): string => printable(redacted(text))

/** A text after a coloured word, in lines of at most `width` columns. */
function told(word: string, code: number, text: string, colour: boolean, width: number, hanging = 2): string {
  const [first = '', ...rest] = wrapLine(`${word} ${safe(text)}`, width, hanging)
  const head = word.trimStart()
  return `${[first.replace(head, painted(head, code, colour)), ...rest].join('\n')}\n`
}

/** `width`: where they are broken. */
export const lines = {
  note: (message: string, colour: boolean, width = Infinity): string => told('note:', CYAN, message, colour, width),
  warning: (message: string, colour: boolean, width = Infinity): string => told('warning:', YELLOW, message, colour, width),
  detail: (message: string): string => `${safe(message)}\n`,
  error: (message: string, colour: boolean, width = Infinity): string => told('error:', RED, message, colour, width),
  frame: (text: string, colour: boolean): string => painted(text, CYAN, colour),
  result: (line: Line, colour: boolean): string =>
    typeof line === 'string' ? `${printable(line)}\n` : `${painted(printable(line.text), CODES[line.colour], colour)}\n`,
  item: (text: string): string => `  ${safe(text)}\n`,
  hint: (text: string, colour: boolean, width = Infinity): string => told('  ->', CYAN, text, colour, width, 3),
}
