import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Sandbox } from '../helpers/cli.ts'
import { linesOf } from '../helpers/json-output.ts'
import { refuseSecrets } from '../helpers/secrets.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

export interface WatchLine {
  event: string
  [field: string]: unknown
}

/** Nothing these tests wait for takes a tenth of this on a machine that has nothing else to do. */
const PATIENCE_MS = 40_000

/** A watch that runs with --json, and its output so far. */
export class RunningWatch {
  readonly child: ChildProcess
  readonly lines: WatchLine[] = []
  stderr = ''
  private partial = ''
  private read = 0
  private readonly changed: (() => void)[] = []
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(sandbox: Sandbox, args: readonly string[], env: Record<string, string | undefined> = {}, uid?: number) {
    this.child = spawn(process.execPath, [PROGRAM, 'watch', ...args, '--json', '--store', sandbox.store], {
      cwd: sandbox.path,
      env: { ...process.env, COLAB_ESCAPE_STORE: undefined, COLAB_ESCAPE_CACHE: join(sandbox.path, 'cache'), NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    this.child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      const parts = (this.partial + piece).split('\n')
      this.partial = parts.pop()!
      this.lines.push(...(linesOf(parts.join('\n')) as WatchLine[]))
      this.wake()
    })
    this.child.stderr!.setEncoding('utf8').on('data', (piece: string) => (this.stderr += piece))
    this.ended = new Promise(resolve =>
      this.child.once('close', (code, signal) => {
        resolve({ code, signal })
        this.wake()
      }),
    )
  }

  /** The next line, after those already waited for, that is such an event. */
  async next(event: string, where: (line: WatchLine) => boolean = () => true): Promise<WatchLine> {
    const until = performance.now() + PATIENCE_MS
    for (;;) {
      while (this.read < this.lines.length) {
        const line = this.lines[this.read++]!
        if (line.event === event && where(line)) return line
      }
      const over = this.child.exitCode !== null || this.child.signalCode !== null
      if (over || performance.now() > until)
        throw new Error(`no ${event} came ${over ? 'before the end' : 'in time'}: ${JSON.stringify(this.lines)} ${this.stderr}`)
      await this.news(until - performance.now())
    }
  }

  /** Saved with this file in it. */
  saved(file: string): Promise<WatchLine> {
    return this.next('saved', ({ files }) => (files as string[]).includes(file))
  }

  all(event: string): WatchLine[] {
    return this.lines.filter(line => line.event === event)
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    this.child.kill(signal)
    const { code } = await this.ended
    refuseSecrets(
      new Map([
        ['stdout of watch', JSON.stringify(this.lines)],
        ['stderr of watch', this.stderr],
      ]),
    )
    return code
  }

  private wake(): void {
    for (const each of this.changed.splice(0)) each()
  }

  private news(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, Math.min(ms, 250))
      this.changed.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/** Runs a watch while `use` does its work. The watch has ended afterwards, also if `use` failed. */
export async function whileWatching<T>(
  sandbox: Sandbox,
  args: readonly string[],
  use: (watch: RunningWatch) => Promise<T>,
  env?: Record<string, string | undefined>,
  uid?: number,
): Promise<T> {
  const watch = new RunningWatch(sandbox, args, env, uid)
  try {
    await watch.next('watching')
    return await use(watch)
  } finally {
    watch.child.kill('SIGKILL')
    await watch.ended
  }
}

/** Waits until `what`, called every `pauseMs`, returns something. */
export async function until<T>(what: () => T | undefined | false, pauseMs = 50): Promise<T> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const found = what()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error('it did not come about in time')
    await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
}
