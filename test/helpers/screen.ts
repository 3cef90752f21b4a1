import { Terminal } from '@xterm/headless'

export interface ScreenSize {
  columns: number
  rows: number
}

/**
 * What a terminal of this size shows in the end when a program has written `output` to it: its lines without trailing
 * spaces and empty last lines, and lines that have scrolled out of sight first.
 */
export async function screenOf(output: string, { columns, rows }: ScreenSize): Promise<string[]> {
  const terminal = new Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true })
  await new Promise<void>(resolve => terminal.write(output, resolve))
  const buffer = terminal.buffer.active
  const lines = Array.from({ length: buffer.length }, (_, at) => buffer.getLine(at)?.translateToString(true).trimEnd() ?? '')
  terminal.dispose()
  return lines.slice(0, lines.findLastIndex(line => line !== '') + 1)
}
