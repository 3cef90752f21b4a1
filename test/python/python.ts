import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { refuseSecrets } from '../helpers/secrets.ts'

/** Debian's, which has PyTorch and IPython from Debian's packages. */
const PYTHON = '/usr/bin/python3'
export const MODULE_FOLDER = fileURLToPath(new URL('../../python', import.meta.url))
export const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

const LONGEST_MS = 45_000

export interface PythonResult {
  /** Null when a signal ended it. */
  code: number | null
  stdout: string
  stderr: string
}

export interface PythonOptions {
  cwd: string
  /** Added to this process's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>
  /** Gets the text printed so far, whenever more is printed, and the pid of Python. */
  onOutput?: (stdout: string, pid: number) => void
}

/** What a user's program has around it: the module, the program, and a store in `folder`. */
function pythonEnvironment(folder: string): Record<string, string | undefined> {
  return {
    PYTHONPATH: MODULE_FOLDER,
    PYTHONDONTWRITEBYTECODE: '1',
    COLAB_ESCAPE_PROGRAM: PROGRAM,
    COLAB_ESCAPE_STORE: `${folder}/store`,
    COLAB_ESCAPE_CACHE: `${folder}/cache`,
  }
}

const PRELUDE = `
import colab_escape as c
def write(path, text):
    with open(path, "w") as file:
        file.write(text)
`

/** Runs a Python program that has the module as `c`, and `write` for files. */
export async function runPython(source: string, { cwd, env = {}, onOutput }: PythonOptions): Promise<PythonResult> {
  const child = spawn(PYTHON, ['-W', 'error', '-u', '-c', PRELUDE + source], {
    cwd,
    env: { ...process.env, ...pythonEnvironment(cwd), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece
    onOutput?.(stdout, child.pid!)
  })
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  clearTimeout(limit)
  refuseSecrets(
    new Map([
      ['stdout of Python', stdout],
      ['stderr of Python', stderr],
    ]),
  )
  return { code, stdout, stderr }
}

/** Calls `act` once, as soon as `text` is printed. */
export function once(text: string, act: (pid: number) => void): NonNullable<PythonOptions['onOutput']> {
  let done = false
  return (stdout, pid) => {
    if (done || !stdout.includes(text)) return
    done = true
    act(pid)
  }
}
