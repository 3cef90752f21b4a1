import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { columnsOf, type OutputStream } from './output.ts'
import { textWidth } from './width.ts'

// ora puts synchronized-output sequences around each redraw
const REDRAW_BEGINS = '\x1b[?2026h'
const REDRAW_ENDS = '\x1b[?2026l'

/**
 * The terminal that ora draws on: one line, redrawn with a carriage return and spaces in a single write. Notebook cells
 * support the carriage return, but ignore cursor movements and line clearing, so each redraw would be appended to the
 * previous one. In a notebook a carriage return also empties the line at once, so a redraw begins with it and never
 * ends with it. The width is never 0 columns, because ora would then clear infinitely many lines.
 */
export class LineStream extends Writable {
  readonly isTTY = true
  private readonly target: OutputStream
  private redraw: string | undefined
  /** Columns of the line that is on the screen. */
  private shown = 0

  constructor(target: OutputStream) {
    super({ decodeStrings: false })
    this.target = target
  }

  get columns(): number {
    return columnsOf(this.target)
  }

  /** Writes whole lines above the live line. The next redraw shows the live line again. */
  above(text: string): void {
    this.clearLine()
    this.target.write(text)
  }

  cursorTo(): void {
    // every redraw begins with a carriage return anyway
  }

  clearLine(): void {
    if (this.redraw !== undefined || this.shown === 0) return
    // the whole width, because the terminal echoes ^C after the line
    this.target.write(`\r${' '.repeat(this.columns - 1)}\r`)
    this.shown = 0
  }

  override _write(chunk: unknown, _encoding: BufferEncoding, done: () => void): void {
    const text = String(chunk)
    if (text === REDRAW_BEGINS) {
      this.redraw = ''
    } else if (text === REDRAW_ENDS) {
      this.draw(this.redraw ?? '')
      this.redraw = undefined
    } else if (this.redraw !== undefined) {
      this.redraw += text
    } else {
      this.draw(text)
    }
    done()
  }

  private draw(line: string): void {
    const width = textWidth(stripVTControlCharacters(line))
    this.target.write(`\r${line}${' '.repeat(Math.max(0, this.shown - width))}`)
    this.shown = width
  }
}
