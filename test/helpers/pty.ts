import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export interface PtyOptions {
  /** Default 0 x 0, as in a Colab cell. */
  size?: { columns: number; rows: number }
  /** The command is killed (exit code 137) after so many seconds, 20 by default. */
  seconds?: number
  /** Sends SIGINT to the command after so many seconds. */
  interruptAfter?: number
  /** Added to this process's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>
}

export interface PtyResult {
  /** All that was written to the terminal, with its line ends `\r\n`. */
  output: string
  /** 128 + n for an end by signal n. */
  exitCode: number
  seconds: number
}

const HELPER = fileURLToPath(new URL('./pty.py', import.meta.url))

/** Runs a command with stdin, stdout and stderr on one pseudo-terminal, TERM=xterm-color and no controlling terminal. */
export async function runInPty(command: string, args: readonly string[], options: PtyOptions = {}): Promise<PtyResult> {
  const { size = { columns: 0, rows: 0 }, seconds = 20, interruptAfter, env = {} } = options
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
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TERM: 'xterm-color', ...env } },
  )
  const failed = new Promise<never>((_, reject) => helper.once('error', reject))
  const [output, report] = await Promise.race([Promise.all([text(helper.stdout), text(helper.stderr)]), failed])
  let end: { exitCode: number; seconds: number }
  try {
    end = JSON.parse(report) as typeof end
  } catch (error) {
    throw new Error(`pty.py failed: ${report}`, { cause: error })
  }
  return { output, ...end }
}
