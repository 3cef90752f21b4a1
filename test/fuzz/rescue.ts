import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const DRIVER = fileURLToPath(new URL('rescue_driver.py', import.meta.url))
const RESCUE = fileURLToPath(new URL('../../docs/rescue.py', import.meta.url))

/** What docs/rescue.py reads in bytes: JSON; undefined if it refuses them. */
export type Answer = Record<string, unknown> | undefined

/** docs/rescue.py in one process that answers many questions, one at a time. It starts with the first. */
export class Rescue {
  private child: ChildProcessByStdio<Writable, Readable, null> | undefined
  private received = Buffer.alloc(0)
  private answer: ((answer: string | undefined) => void) | undefined

  directory(bytes: Uint8Array): Promise<Answer> {
    return this.ask('directory', bytes)
  }

  index(bytes: Uint8Array): Promise<Answer> {
    return this.ask('index', bytes)
  }

  /** The versions and chunks of a repository of these objects. */
  repository(objects: ReadonlyMap<string, Uint8Array>): Promise<Answer> {
    const head = Buffer.from(`${JSON.stringify([...objects].map(([name, { length }]) => [name, length]))}\n`)
    return this.ask('repository', Buffer.concat([head, ...objects.values()]))
  }

  close(): void {
    this.child?.stdin.end()
    this.child = undefined
  }

  private async ask(kind: string, bytes: Uint8Array): Promise<Answer> {
    const { stdin } = (this.child ??= this.start())
    const head = Buffer.from(`${kind} ${bytes.length}\n`)
    const answered = new Promise<string | undefined>(resolve => (this.answer = resolve))
    stdin.write(Buffer.concat([head, bytes]))
    const line = await answered
    if (line === undefined) throw new Error('docs/rescue.py ended with an error of its own')
    return (JSON.parse(line) as { answer: Answer | null }).answer ?? undefined
  }

  private start(): ChildProcessByStdio<Writable, Readable, null> {
    const child = spawn('/usr/bin/python3', ['-IB', DRIVER, RESCUE], { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdout.on('data', (piece: Buffer) => {
      this.received = Buffer.concat([this.received, piece])
      const end = this.received.indexOf(10)
      if (end < 0) return
      const line = this.received.toString('utf8', 0, end)
      this.received = this.received.subarray(end + 1)
      this.answer?.(line)
    })
    child.on('close', () => this.answer?.(undefined))
    child.stdin.on('error', () => undefined)
    return child
  }
}
