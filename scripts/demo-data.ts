// Both demos make sample data, run the program and compare folders with these functions.
import { spawn } from 'node:child_process'
import { type Dirent, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../bin/colab-escape.cjs', import.meta.url))

/** Gives a function that runs the program in `folder` and shows its output. It rejects unless the exit code is 0. */
export function runIn(folder: string, environment: Record<string, string>): (...args: string[]) => Promise<void> {
  return async (...args) => {
    console.log(`\n$ colab-escape ${args.join(' ')}`)
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, env: { ...process.env, ...environment }, stdio: 'inherit' })
    const status = await new Promise<number | null>(resolve => child.on('exit', resolve))
    if (status !== 0) throw new Error(`it ended with exit code ${String(status)}`)
  }
}

export function makeSampleData(folder: string): string {
  const data = join(folder, 'data')
  mkdirSync(join(data, 'texts'), { recursive: true })
  mkdirSync(join(data, 'empty'))
  let row = 1
  const random = (): number => (row = (row * 48271) % 2147483647)
  const lines = Array.from(
    { length: 60_000 },
    (_, i) => `${i},2026-11-${String(1 + (random() % 28)).padStart(2, '0')},${(random() % 100000) / 100}`,
  )
  writeFileSync(join(data, 'orders.csv'), `id,day,price\n${lines.join('\n')}\n`)
  for (let i = 0; i < 300; i++) writeFileSync(join(data, 'texts', `${i}.txt`), `text ${i}: ${'lorem ipsum '.repeat(random() % 40)}\n`)
  writeFileSync(join(data, 'weights.bin'), Buffer.from(Float32Array.from({ length: 300_000 }, () => random() / 2147483647 - 0.5).buffer))
  symlinkSync('orders.csv', join(data, 'latest.csv'))
  return data
}

export function assertEqual(a: string, b: string): void {
  const names = (folder: string): Dirent[] => readdirSync(folder, { recursive: true, withFileTypes: true })
  const list = (folder: string): string[] => names(folder).map(entry => relative(folder, join(entry.parentPath, entry.name)))
  if (list(a).sort().join() !== list(b).sort().join()) throw new Error(`${a} and ${b} hold other files`)
  for (const entry of names(a)) {
    const path = relative(a, join(entry.parentPath, entry.name))
    if (entry.isFile() && !readFileSync(join(a, path)).equals(readFileSync(join(b, path)))) throw new Error(`${path} differs`)
  }
}
