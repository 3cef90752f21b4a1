// Runs docs/colab.ipynb from top to bottom against an emulator of Drive and writes what the cells show into it:
// `npm run docs:notebook`. The tests run it too.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startDriveEmulator, type DriveEmulator } from '../test/drive-emulator/emulator.ts'
import { packInto } from './try-package.ts'

/** Where the notebook is opened from. The repository has no public place yet: whoever publishes it writes it here. */
export const REPOSITORY = 'OWNER/colab-escape'

const NOTEBOOK = fileURLToPath(new URL('../docs/colab.ipynb', import.meta.url))
const RUNNER = fileURLToPath(new URL('./notebook-cells.py', import.meta.url))

interface Output {
  output_type: string
  text?: string | string[]
  data?: Record<string, string | string[]>
}

interface Cell {
  cell_type: string
  source: string[]
  outputs?: Output[]
  execution_count?: number | null
}

interface Notebook {
  cells: Cell[]
}

export interface RunCell {
  source: string
  outputs: Output[]
  /** What it shows, as text. */
  shown: string
}

interface Answer {
  outputs: Output[]
  error: string | null
  asked: boolean
}

export const readNotebook = (): Notebook => JSON.parse(readFileSync(NOTEBOOK, 'utf8')) as Notebook

/**
 * Runs all cells of code in `folder`, in one Python, as Colab does. `env` is added to this process's environment.
 * Throws at the first cell that fails. `onCell` gets each cell after it ran.
 */
export async function runCells(
  cells: readonly Cell[],
  {
    emulator,
    folder,
    env,
    onCell,
  }: { emulator: DriveEmulator; folder: string; env: NodeJS.Dict<string>; onCell?: (cell: RunCell) => void },
): Promise<RunCell[]> {
  const tool = packInto(folder)
  mkdirSync(join(folder, 'npm'))
  const child = spawn('/usr/bin/python3', [RUNNER], {
    cwd: folder,
    env: {
      ...process.env,
      ...env,
      CI: undefined,
      NO_COLOR: undefined,
      PATH: `${join(folder, 'npm', 'bin')}${delimiter}${process.env.PATH}`,
      npm_config_prefix: join(folder, 'npm'),
      npm_config_cache: join(folder, 'npm-cache'),
      npm_config_offline: 'true',
      npm_config_update_notifier: 'false',
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONWARNINGS: 'ignore',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const ran: RunCell[] = []
  try {
    for (const { source } of cells.filter(({ cell_type: type }) => type === 'code')) {
      const text = source.join('')
      child.stdin.write(`${JSON.stringify(text)}\n`)
      const line = await lines.next()
      if (line.done === true) throw new Error(`Python ended in the cell\n${text}`)
      const { outputs, error, asked } = JSON.parse(line.value) as Answer
      if (asked) emulator.consentInColab()
      const visible = outputs.map(asShown).filter(output => textOf(output) !== '')
      const cell = { source: text, outputs: visible, shown: visible.map(textOf).join('') }
      if (error !== null) throw new Error(`${error} in the cell\n${text}\n${cell.shown}`)
      ran.push(cell)
      onCell?.(cell)
    }
  } finally {
    child.stdin.end()
    await new Promise(resolve => child.once('close', resolve))
    rmSync(tool.path)
  }
  return ran
}

const textOf = ({ text, data }: Output): string => [text ?? data?.['text/plain'] ?? ''].flat().join('')

/** What stands on the screen when all is written: a line that is drawn over is what was drawn last. */
export function screenText(output: string): string {
  return output
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map(line => {
      // eslint-disable-next-line no-control-regex
      const plain = line.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, code => (/\[(2K|1G)$/.test(code) ? '\r' : ''))
      return plain.slice(plain.lastIndexOf('\r') + 1)
    })
    .join('\n')
}

/** An output as a notebook file has it: lines, without what was drawn over. */
function asShown(output: Output): Output {
  const lines = screenText(textOf(output)).split(/(?<=\n)/)
  if (output.text !== undefined) return { ...output, text: lines }
  return { ...output, data: { 'text/plain': lines } }
}

/** The environment of a Colab machine, with the emulator in the place of Google and of the broker for logins. */
function colabEnvironment(emulator: DriveEmulator, folder: string): NodeJS.Dict<string> {
  return {
    COLAB_ESCAPE_GOOGLE_ENDPOINT: emulator.url,
    COLAB_ESCAPE_CACHE: join(folder, '.cache'),
    COLAB_ESCAPE_CONFIG: join(folder, '.config'),
    TBE_EPHEM_CREDS_ADDR: new URL(emulator.url).host,
    TBE_CREDS_ADDR: '127.0.0.1:9',
    USE_AUTH_EPHEM: '1',
  }
}

async function main(): Promise<void> {
  const notebook = readNotebook()
  const folder = mkdtempSync(join(tmpdir(), 'content-'))
  const emulator = await startDriveEmulator({ profile: 'colab' })
  try {
    const env = colabEnvironment(emulator, folder)
    const ran = await runCells(notebook.cells, {
      emulator,
      folder,
      env,
      onCell: ({ source, shown }) => console.log(`${source}\n\n${shown}`),
    })
    const cells = notebook.cells.map(cell => {
      if (cell.cell_type !== 'code') return { ...cell, source: cell.source.map(withRepository) }
      const { outputs } = ran.shift()!
      return { ...cell, execution_count: null, outputs: outputs.map(output => withPlace(output, folder)) }
    })
    writeFileSync(NOTEBOOK, `${JSON.stringify({ ...notebook, cells }, undefined, 1)}\n`)
  } finally {
    await emulator.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const withRepository = (line: string): string => line.replace(/(colab\.research\.google\.com\/github\/)[^/]+\/[^/]+/, `$1${REPOSITORY}`)

/** The folder of a notebook in Colab is `/content`. */
const withPlace = (output: Output, folder: string): Output => JSON.parse(JSON.stringify(output).replaceAll(folder, '/content')) as Output

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
