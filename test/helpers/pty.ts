import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { refuseSecrets } from './secrets.ts'

export interface PtyOptions {
  /** Default 0 x 0, as in a Colab cell. */
  size?: { columns: number; rows: number }
  /** The command is killed (exit code 137) after so many seconds, 20 by default. */
  seconds?: number
  /**
   * Lines that are typed, each as soon as what the command has written since the line before ends as `after` says.
   */
  type?: readonly Typed[]
  /** Sends SIGINT to the command after so many seconds. */
  interruptAfter?: number
  /** Added to this process's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>
}

export interface Typed {
  after: RegExp
  /** Gets all output so far. */
  line: (output: string) => string | Promise<string>
}

export interface PtyResult {
  /** All that was written to the terminal, with its line ends `\r\n`. */
  output: string
  /** 128 + n for an end by signal n. */
  exitCode: number
  seconds: number
}

const HELPER = fileURLToPath(new URL('./pty.py', import.meta.url))

/**
 * Runs a command with stdin, stdout and stderr on one pseudo-terminal, TERM=xterm-color and no controlling terminal.
 */
export async function runInPty(command: string, args: readonly string[], options: PtyOptions = {}): Promise<PtyResult> {
  const { size = { columns: 0, rows: 0 }, seconds = 20, interruptAfter, type, env = {} } = options
  const helper = spawn(
    'python3',
    [
      HELPER,
      `${size.columns}x${size.rows}`,
      String(seconds),
      interruptAfter === undefined ? '-' : String(interruptAfter),
      command,
      ...args,
    ],
    // somebody looks at this terminal, also where the tests run in CI
    { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, CI: undefined, TERM: 'xterm-color', ...env } },
  )
  helper.stdin.on('error', () => undefined) // the command may have ended before it was told
  if (type === undefined) helper.stdin.end()
  let output = ''
  const left = [...(type ?? [])]
  let seen = 0
  const typeNext = (): void => {
    if (left[0] === undefined || !left[0].after.test(output.slice(seen))) return
    const { line } = left.shift()!
    seen = output.length
    const write = (text: string): void => {
      helper.stdin.write(`${text}\n`)
      if (left.length === 0) helper.stdin.end()
      typeNext()
    }
    Promise.resolve(line(output)).then(write, () => helper.stdin.end())
  }
  helper.stdout.setEncoding('utf8').on('data', (piece: string) => {
    output += piece
    typeNext()
  })
  const failed = new Promise<never>((_, reject) => helper.once('error', reject))
  const closed = new Promise<void>(resolve => helper.once('close', () => resolve()))
  const [report] = await Promise.race([Promise.all([text(helper.stderr), closed]), failed])
  let end: { exitCode: number; seconds: number }
  try {
    end = JSON.parse(report) as typeof end
  } catch (error) {
    throw new Error(`pty.py failed: ${report}`, { cause: error })
  }
  // a terminal shows what is typed, the code of a login too, which is spent at once
  if (type === undefined) refuseSecrets(new Map([[`the terminal of ${args.join(' ')}`, output]]))
  return { output, ...end }
}
