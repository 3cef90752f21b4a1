import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { withFolder } from './folders.ts'
import { linesOf } from './json-output.ts'
import { filesIn, refuseSecrets } from './secrets.ts'

export const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

/** What runs the program: this Node, or another one, such as that for Windows (scripts/test-windows.ts). */
const NODE = process.env.PROGRAM_NODE ?? process.execPath

/** Whether a command can be run as another user: this one is root, and the other one may run this Node. */
export const canBeNobody = process.getuid?.() === 0 && spawnSync(process.execPath, ['-v'], { uid: 65534, gid: 65534 }).status === 0

export interface CliOptions {
  cwd?: string
  /** What runs the program; default: `PROGRAM_NODE`, else this Node. */
  node?: string
  /** The file to run; default: `PROGRAM`. */
  program?: string
  /** Added to this process's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>
  input?: string | Uint8Array
  /** User and group to run as. */
  uid?: number
  /**
   * Sent after so many ms, or as soon as `when` (asked again and again, with stdout so far) says so. Nothing is sent to
   * a command that has ended.
   */
  kill?: { signal: NodeJS.Signals; afterMs: number } | { signal: NodeJS.Signals; when: (stdout: string) => boolean }
}

export interface CliResult {
  pid: number | undefined
  /** Null when a signal ended the command. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** Stdout, byte by byte. */
  bytes: Buffer
  /** Ms from the sending of `kill` to the end; undefined when nothing was sent. */
  endedAfterMs: number | undefined
}

/** No command of these tests takes a tenth of this: one that hangs is killed and fails its test by its signal. */
const LONGEST_MS = 45_000

/** Runs the built program as a user would. Needs `npm run build`. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { cwd, node = NODE, program = PROGRAM, env = {}, input, uid, kill } = options
  const child = spawn(node, [program, ...args], {
    cwd,
    env: { ...process.env, COLAB_ESCAPE_STORE: undefined, NO_COLOR: '1', ...env },
    stdio: 'pipe',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  // whoever watches a command must not be slower than the command
  if (child.pid !== undefined && kill && 'when' in kill) setPriority(child.pid, 5)
  const limit = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
  let sentAt: number | undefined
  const send = (signal: NodeJS.Signals): void => {
    if (child.exitCode === null && child.signalCode === null && child.kill(signal)) sentAt = performance.now()
  }
  if (kill && 'afterMs' in kill) setTimeout(() => send(kill.signal), kill.afterMs).unref()
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => out.push(piece))
  child.stderr.on('data', (piece: Buffer) => err.push(piece))
  child.stdin.on('error', () => undefined) // the command may end without reading its input
  child.stdin.end(input)
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve([code, signal]))
  })
  if (kill && 'when' in kill)
    void watch(
      child,
      () => kill.when(Buffer.concat(out).toString()),
      () => send(kill.signal),
    )
  const [code, signal] = await ended
  clearTimeout(limit)
  const bytes = Buffer.concat(out)
  const errors = Buffer.concat(err).toString()
  const said = new Map([
    [`stdout of ${args.join(' ')}`, bytes.toString('latin1')],
    [`stderr of ${args.join(' ')}`, errors],
  ])
  // the one command that prints a secret
  if (!(args.includes('export') && code === 0)) refuseSecrets(said)
  if (env.COLAB_ESCAPE_CACHE !== undefined) refuseSecrets(filesIn(env.COLAB_ESCAPE_CACHE))
  return {
    pid: child.pid,
    code,
    signal,
    stdout: bytes.toString(),
    stderr: errors,
    bytes,
    endedAfterMs: sentAt === undefined ? undefined : performance.now() - sentAt,
  }
}

async function watch(child: ChildProcess, when: () => boolean, act: () => void): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    if (when()) return act()
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** The result event of a command that ran with --json. */
export function resultOf<T = Record<string, unknown>>(run: CliResult): T {
  const events = eventsOf(run)
  const result = events.find(({ event }) => event === 'result')
  if (!result) throw new Error(`no result event (code ${run.code}): ${run.stdout}${run.stderr}`)
  return result as T
}

/** What a command printed with --json, each line one that is documented. */
export function eventsOf(run: CliResult): Record<string, unknown>[] {
  return linesOf(run.stdout)
}

/**
 * Expects an error as a person must get it: `error: what`, perhaps a list, `  -> what to do`, no stack trace; and
 * returns both texts and the list.
 */
export function expectError(run: CliResult, code: number, what: RegExp): { message: string; list: string[]; hint: string } {
  const lines = run.stderr.split('\n').filter(line => !/^(note|warning): /.test(line))
  const at = lines.findIndex(line => line.startsWith('error: '))
  expect(run.code, run.stderr + run.stdout).toBe(code)
  expect(at, run.stderr).toBeGreaterThanOrEqual(0)
  const [first, ...rest] = lines.slice(at)
  const hintAt = rest.findIndex(line => line.startsWith('  -> '))
  expect(first).toMatch(what)
  expect(hintAt, run.stderr).toBeGreaterThanOrEqual(0)
  expect(rest[hintAt]).toMatch(/^ {2}-> \S.{5,}/)
  expect(rest.slice(hintAt + 1), run.stderr).toEqual([''])
  expect(run.stderr).not.toMatch(/^\s+at .+[:(]/m)
  return { message: first!.slice(7), list: rest.slice(0, hintAt).map(line => line.trim()), hint: rest[hintAt]!.slice(5) }
}

/** A folder of its own for one test: a store, a cache of file states, and the program run with both. */
export class Sandbox {
  readonly path: string
  readonly store: string

  constructor(path: string, store = join(path, 'store')) {
    this.path = path
    this.store = store
  }

  in(...parts: string[]): string {
    return join(this.path, ...parts)
  }

  /** Runs with `--store` in this folder. */
  run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const env = { COLAB_ESCAPE_CACHE: this.in('cache'), ...options.env }
    return runCli([...args, '--store', this.store], { cwd: this.path, ...options, env })
  }

  /** Runs a command that must end with 0. */
  async ok(...args: string[]): Promise<CliResult> {
    const run = await this.run(args)
    expect(run.code, `${args.join(' ')}\n${run.stderr}${run.stdout}`).toBe(0)
    return run
  }

  /** The result event of a command that must end with 0. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    return resultOf<T>(await this.ok('--json', ...args))
  }

  async folder(name: string): Promise<string> {
    await mkdir(this.in(name), { recursive: true })
    return this.in(name)
  }
}

export function withSandbox<T>(use: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  return withFolder(path => use(new Sandbox(path)))
}
