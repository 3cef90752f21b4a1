// Draws docs/screen.svg, the picture in README.md: what a terminal shows when the program runs in it, against the
// emulator of Drive: `npm run docs:screen`.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { driveEnvironment, PROGRAM } from '../test/drive/drive-cli.ts'
import { startDriveEmulator } from '../test/drive-emulator/emulator.ts'
import { runInPty } from '../test/helpers/pty.ts'
import { makeSampleData } from './demo-data.ts'

const COLUMNS = 80
const CHARACTER = 8.4
const LINE = 18
const MARGIN = 16
const FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
const BACKGROUND = '#1e1e2e'
const TEXT = '#cdd6f4'
/** Colours of the terminal by their SGR number. */
const COLOURS: Readonly<Record<number, string>> = {
  31: '#f38ba8',
  32: '#a6e3a1',
  33: '#f9e2af',
  34: '#89b4fa',
  35: '#cba6f7',
  36: '#94e2d5',
  90: '#7f849c',
}

// eslint-disable-next-line no-control-regex
const SEQUENCE = /(\u001B\[[\d;]*[A-Za-z])/
// eslint-disable-next-line no-control-regex
const STYLE = /^\u001B\[([\d;]*)m$/

interface Style {
  colour: string
  bold: boolean
  dim: boolean
}

const PLAIN: Style = { colour: TEXT, bold: false, dim: false }

const folder = mkdtempSync(join(tmpdir(), 'colab-escape-screen-'))
const emulator = await startDriveEmulator({ profile: 'colab' })
try {
  const screen: string[] = []
  const run = async (words: string): Promise<void> => {
    const env = { ...driveEnvironment(emulator, join(folder, 'own'), emulator.issueToken()), NO_COLOR: undefined }
    const args = words.match(/'[^']*'|\S+/g)!.map(word => word.replaceAll("'", ''))
    const sized = ['-c', `cd "$0" && exec "$@"`, folder, process.execPath, PROGRAM, ...args, '--no-progress']
    const { output, exitCode } = await runInPty('/bin/sh', sized, { env, size: { columns: COLUMNS, rows: 24 }, seconds: 60 })
    if (exitCode !== 0) throw new Error(`colab-escape ${words} ended with ${exitCode}: ${output}`)
    screen.push(
      `\u001B[32m$\u001B[0m \u001B[1mcolab-escape ${words}\u001B[0m`,
      ...output.replaceAll(folder, '~').trimEnd().split(/\r?\n/),
      '',
    )
  }
  makeSampleData(folder)
  mkdirSync(join(folder, 'own'))
  await run("push data --metric acc=0.83 -m 'first try'")
  appendFileSync(join(folder, 'data', 'orders.csv'), '60000,2026-11-23,99.90\n')
  await run('push data --metric acc=0.91')
  await run('log data')
  await run('pull data@best:max:acc on-another-machine')
  writeFileSync(fileURLToPath(new URL('../docs/screen.svg', import.meta.url)), draw(screen.slice(0, -1)))
} finally {
  await emulator.close()
  rmSync(folder, { recursive: true, force: true })
}

function draw(lines: readonly string[]): string {
  const width = Math.ceil(COLUMNS * CHARACTER + 2 * MARGIN)
  const height = lines.length * LINE + 2 * MARGIN
  const rows = lines.map((line, at) => `<text x="${MARGIN}" y="${MARGIN + at * LINE + 13}">${drawLine(line)}</text>`)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    '<title>Two pushes to Drive, the list of versions, and a pull on another machine</title>',
    `<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>`,
    `<g font-family="${FONT}" font-size="14" fill="${TEXT}" xml:space="preserve">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

/** A line as `tspan`s, each at its own column, so that no font shifts what follows. */
function drawLine(line: string): string {
  let style = PLAIN
  let column = 0
  const spans: string[] = []
  for (const piece of line.split(SEQUENCE)) {
    const codes = STYLE.exec(piece)
    if (codes) style = restyle(style, codes[1]!.split(';').map(Number))
    else if (!piece.startsWith('\u001B') && piece !== '') {
      if (piece.trim() !== '') spans.push(span(piece, column, style))
      column += [...piece].length
    }
  }
  return spans.join('')
}

function restyle(style: Style, codes: readonly number[]): Style {
  return codes.reduce((now: Style, code) => {
    if (code === 0) return PLAIN
    if (code === 1) return { ...now, bold: true }
    if (code === 2) return { ...now, dim: true }
    if (code === 22) return { ...now, bold: false, dim: false }
    return { ...now, colour: code === 39 ? TEXT : (COLOURS[code] ?? now.colour) }
  }, style)
}

function span(piece: string, column: number, { colour, bold, dim }: Style): string {
  const leading = piece.length - piece.trimStart().length
  const text = piece.trim().replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const looks = [colour === TEXT ? '' : ` fill="${colour}"`, bold ? ' font-weight="bold"' : '', dim ? ' opacity="0.6"' : ''].join('')
  const x = (MARGIN + (column + leading) * CHARACTER).toFixed(1)
  return `<tspan x="${x}" textLength="${([...text].length * CHARACTER).toFixed(1)}"${looks}>${text}</tspan>`
}
