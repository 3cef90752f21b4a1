/*
 * What a person gets for each of the wrong inputs in wrong-inputs.txt: exit code, what happened, what to do. To add
 * one, write its line there (`$ push data --level x`), run `npx vitest run test/cli/wrong-inputs.test.ts -u`, and read
 * what it says.
 */
import { readFileSync, symlinkSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { eventsOf, runCli, Sandbox, type CliResult } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const TABLE = new URL('./wrong-inputs.txt', import.meta.url)

/** As a shell does it: words, and what is between quotation marks. */
const wordsOf = (line: string): string[] => (line.match(/"[^"]*"|\S+/g) ?? []).map(word => word.replaceAll('"', ''))

test('a wrong input leads to the message and the exit code that a person needs', { timeout: 240_000 }, () =>
  withFolder(async folder => {
    const sandbox = new Sandbox(folder)
    makeTree(folder, { 'data/a.txt': 'one', 'data/sub/b.txt': 'two', 'runs/model.pt': 'no model' })
    symlinkSync('nowhere', sandbox.in('data', 'dangling'))
    await sandbox.ok('push', 'data', '--metric', 'acc=0.5')
    makeTree(folder, { 'data/a.txt': 'three' })
    await sandbox.ok('push', 'data', '--tag', 'best')
    await sandbox.ok('push', 'runs')

    const table = readFileSync(TABLE, 'utf8')
    const inputs = [...table.matchAll(/^\$(.*)$/gm)].map(([, line]) => line!.trim())
    expect(new Set(inputs).size).toBe(inputs.length)
    const env = { COLAB_ESCAPE_CONFIG: sandbox.in('config'), COLAB_ESCAPE_STORE: sandbox.store, COLAB_ESCAPE_CACHE: sandbox.in('cache') }
    const results: string[] = []
    let next = 0
    const work = async (): Promise<void> => {
      for (let at = next++; at < inputs.length; at = next++) {
        const line = inputs[at]!
        results[at] = `$ ${line}\n${told(await runCli(['--json', ...wordsOf(line)], { cwd: folder, env }), folder)}\n`
      }
    }
    await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
    await expect(results.join('\n')).toMatchFileSnapshot(TABLE.pathname)
  }),
)

/** Exit code, warnings, and the error with its hint or a sign that there is a result: exactly one of the two. */
function told(run: CliResult, folder: string): string {
  const events = eventsOf(run) as { event: string; message?: string; hint?: string }[]
  const ends = events.filter(({ event }) => event === 'error' || event === 'result')
  expect(ends, run.stdout + run.stderr).toHaveLength(1)
  expect(run.code === 0).toBe(ends[0]!.event === 'result')
  const lines = events.flatMap(({ event, message = '', hint }) =>
    event === 'warning' || event === 'error' ? [`${event}: ${message}`, ...(hint === undefined ? [] : [`  -> ${hint}`])] : [],
  )
  const text = lines.join('\n').replaceAll(folder, '~')
  return `[${run.code}] ${text}`.replaceAll(/\b[0-9a-f]{8}\b/g, '########').trimEnd()
}
