import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { textWidth } from '../../src/ui/width.ts'
import { runInPty } from '../helpers/pty.ts'
import { bundleDriver } from './drivers/bundle.ts'

let live: string
let lines: string

beforeAll(async () => {
  ;[live, lines] = await Promise.all([bundleDriver('live'), bundleDriver('lines')])
})

afterAll(async () => {
  await Promise.all([live, lines].map(path => rm(dirname(path), { recursive: true })))
})

/** What each redraw put on the screen. */
function drawn(output: string): string[] {
  return stripVTControlCharacters(output)
    .split(/[\r\n]+/)
    .filter(part => /^[⠀-⣿] {2}/.test(part))
}

/** What a terminal without any cursor movement but the carriage return shows in the end, as a notebook cell is. */
function screen(output: string): string[] {
  return stripVTControlCharacters(output)
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map(line => {
      let shown = ''
      for (const part of line.split('\r')) shown = part + shown.slice(part.length)
      return shown.trimEnd()
    })
    .filter(line => line !== '')
}

const RECEIPT = ['Pushed data: 4.56 GB in 12,345 files', 'Stored 1.69 GB, saved 63%']
const SECONDS = 1.6
// a machine that is busy may take longer, and then draws more often
const draws = (seconds: number): number => Math.ceil(seconds * 5) + 2

describe.concurrent('the live line', () => {
  it.each([
    { columns: 0, rows: 0, width: 79 },
    { columns: 80, rows: 24, width: 79 },
    { columns: 200, rows: 50, width: 199 },
    { columns: 20, rows: 5, width: 19 },
  ])('stays one calm line on $columns x $rows', async ({ columns, rows, width }) => {
    const { output, exitCode, seconds } = await runInPty(process.execPath, [live, String(SECONDS)], {
      size: { columns, rows },
      env: { FORCE_COLOR: '1', NO_COLOR: undefined },
    })
    const redraws = drawn(output)
    expect(exitCode).toBe(0)
    expect(redraws.length).toBeGreaterThan(2)
    expect(redraws.length).toBeLessThanOrEqual(draws(seconds))
    for (const line of redraws) expect(textWidth(line)).toBeLessThanOrEqual(width)
    expect(output.length).toBeLessThan(draws(seconds) * (width + 10) * 2 + 1000)
    // neither colour nor cursor movements, which a notebook cell would not understand
    expect(output).not.toContain('\x1b')
    // a narrow terminal gets notes and receipts in several lines
    const shown = screen(output)
    if (width === 19) for (const line of shown) expect(textWidth(line), line).toBeLessThanOrEqual(Math.max(20, longestWord(line)))
    expect(shown.join(' ').replace(/ +/g, ' ')).toBe(
      ['note: skipped the socket run/\\x1b[31mx\\n.sock', 'warning: could not read secret.bin: permission denied', ...RECEIPT].join(' '),
    )
    if (width > 20) expect(shown).toHaveLength(2 + RECEIPT.length)
    if (width > 20) expect(redraws.some(line => /^. {2}Storing [\d.]+ (?:MB )?of 4\.56 GB, .*saved 63%/.test(line))).toBe(true)
  })

  it('has colour when told so', async () => {
    const { output } = await runInPty(process.execPath, [live, '1', 'colour'], { env: { NO_COLOR: undefined, FORCE_COLOR: undefined } })
    expect(output).toMatch(/\r\p{Cc}\[36m[⠀-⣿]\p{Cc}\[39m {2}S/u)
    expect(output).toContain('\x1b[33mwarning:\x1b[39m')
    expect(output.replaceAll(/\p{Cc}\[\d+m/gu, '')).not.toContain('\x1b')
  })

  it('leaves Ctrl-C to the program and clears itself', async () => {
    const { output, exitCode, seconds } = await runInPty(process.execPath, [live, '20'], { interruptAfter: 2.5 })
    expect(exitCode).toBe(130)
    expect(seconds).toBeLessThan(15)
    expect(drawn(output).length).toBeGreaterThan(0)
    expect(screen(output)).toEqual(['error: Interrupted.', '  -> Run the same command again: it continues where it stopped.'])
  })

  it('draws nothing in a run that is over at once', async () => {
    const { output } = await runInPty(process.execPath, [live, '0.1'])
    expect(drawn(output)).toEqual([])
  })
})

const longestWord = (line: string): number => Math.max(...line.split(' ').map(textWidth)) + line.search(/\S/)

describe('a closed pipe', () => {
  it('ends quietly', async () => {
    const child = spawn(process.execPath, [lines], { stdio: ['ignore', 'pipe', 'pipe'] })
    const errors = text(child.stderr)
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [exitCode] = (await once(child, 'close')) as [number]
    expect(exitCode).toBe(0)
    expect(await errors).toBe('note: nobody reads\n')
  })
})
