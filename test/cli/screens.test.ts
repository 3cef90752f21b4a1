/*
 * What people see, as committed text: commands on terminals of several kinds, after all redrawing. Look at the
 * difference when a screen changes, then accept it with `npx vitest run test/cli/screens.test.ts -u`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROGRAM } from '../drive/drive-cli.ts'
import { Sandbox } from '../helpers/cli.ts'
import { runInPty } from '../helpers/pty.ts'
import { screenOf, type ScreenSize } from '../helpers/screen.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

interface Kind {
  name: string
  size: ScreenSize
  env?: Record<string, string | undefined>
  /** What a terminal without a size is shown on. */
  shownOn?: ScreenSize
}

const WINDOW = { columns: 80, rows: 24 }
const KINDS: readonly Kind[] = [
  { name: '80x24', size: WINDOW },
  { name: '200 columns', size: { columns: 200, rows: 50 } },
  { name: 'a Colab cell, 0x0', size: { columns: 0, rows: 0 }, shownOn: { columns: 200, rows: 50 } },
  { name: 'NO_COLOR', size: WINDOW, env: { NO_COLOR: '1' } },
  { name: 'a dumb terminal', size: WINDOW, env: { TERM: 'dumb' } },
]

const SHOWN: readonly { lines: readonly string[]; on?: readonly string[] }[] = [
  { lines: ['', '--help', '--version', 'push --help', 'help versions'], on: ['80x24', '200 columns'] },
  { lines: ['push project', 'log', 'log project', 'ls project', 'status project', 'diff project~1 project', 'du', 'find *.csv'] },
  { lines: ['forget project --keep-last 1 --dry-run', 'forget project --keep-last 1', 'prune', 'check'], on: ['80x24'] },
  { lines: ['pull project out', 'pull project out', 'pull project~1 project'], on: ['80x24', 'a Colab cell, 0x0'] },
  { lines: ['psh', 'pull projct', 'pull project@bset', 'push nothing --every x', 'forget project'], on: ['80x24'] },
]

describe.each(KINDS)('$name', ({ name, size, env = {}, shownOn = size }) => {
  let sandbox: Sandbox
  beforeAll(async () => {
    sandbox = new Sandbox(mkdtempSync('/tmp/colab-escape-screens-'))
    const rows = Array.from({ length: 5000 }, (_, i) => `${i},${(i * 48271) % 99_991}`)
    makeTree(sandbox.in('project'), { 'data.csv': rows.join('\n'), 'notes/first.md': 'to do\n', 'model.bin': seededNoise(1, 400_000) })
    await sandbox.ok('push', 'project', '--metric', 'val_loss=0.5', '--metric', 'acc=0.71', '-m', 'a first try', '--tag', 'base')
    makeTree(sandbox.in('project'), { 'data.csv': [...rows, '5000,1'].join('\n'), 'images/cat.png': seededNoise(2, 90_050) })
  })
  afterAll(() => rmSync(sandbox.path, { recursive: true, force: true }))

  test('shows what is committed', { timeout: 120_000 }, async () => {
    const shown: string[] = []
    const ids = new Map<string, string>()
    for (const { lines, on } of SHOWN) {
      if (on?.includes(name) === false) continue
      for (const line of lines) {
        const args = [...line.split(' ').filter(Boolean), ...(line === '' ? [] : ['--store', sandbox.store])]
        const { output, exitCode } = await runInPty(
          '/bin/sh',
          ['-c', 'cd "$0" && exec "$@"', sandbox.path, process.execPath, PROGRAM, ...args],
          {
            size,
            env: {
              COLAB_ESCAPE_CACHE: sandbox.in('cache'),
              COLAB_ESCAPE_CONFIG: sandbox.in('config'),
              COLAB_ESCAPE_STORE: undefined,
              ...env,
            },
          },
        )
        shown.push(`$ colab-escape ${line}`, ...(await screenOf(output, shownOn)).map(text => withoutChance(text, sandbox.path, ids)))
        shown.push(exitCode === 0 ? '' : `(exit code ${exitCode})\n`)
      }
    }
    await expect(shown.join('\n')).toMatchFileSnapshot(`screens/${name.replaceAll(/\W+/g, '-')}.txt`)
  })
})

/** A line without what differs between two runs, with the same number of columns. */
function withoutChance(line: string, folder: string, ids: Map<string, string>): string {
  const inOrder = (id: string): string => ids.get(id) ?? (ids.set(id, `id${String(ids.size + 1).padStart(6, '0')}`), ids.get(id)!)
  return line
    .replaceAll(folder, '~')
    .replaceAll(/\b[0-9a-f]{8}\b/g, inOrder)
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, '2026-11-30 12:00')
    .replaceAll(/\b[\d.]+ (?:ms|s)\b/g, '9 ms')
    .replace(/codec [\d.]+ kB/, 'codec 1.03 kB')
    .replace(/has [\d.]+ .B of [\d.]+ .B free/, 'has 50.0 GB of 100 GB free')
    .replace(/^Node .*/, 'Node 20.20.2, portable zstd, linux x64')
}
