import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { textWidth } from '../../src/ui/width.ts'
import { expectError, Sandbox } from '../helpers/cli.ts'
import { runInPty } from '../helpers/pty.ts'
import { makeTree } from '../helpers/trees.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
const LOSSES = [0.9, 0.512345678, 0.7, 0.3, 0.6, 0.55, 0.8, 0.4]
const MESSAGE = 'a message that is far longer than what is left of a line of eighty columns'

// one repository for all: nothing here changes it
let sandbox: Sandbox
let ids: string[]

beforeAll(async () => {
  sandbox = new Sandbox(mkdtempSync(join(tmpdir(), 'colab-escape-test-')))
  makeTree(sandbox.in('runs'), { 'model.bin': 'weights' })
  ids = []
  for (const [i, loss] of LOSSES.entries()) {
    writeFileSync(sandbox.in('runs/model.bin'), 'w'.repeat(10 * (i === 2 ? 100 : i + 1)))
    const metrics = {
      epoch: i + 1,
      lr: 0.0001,
      train_loss: loss + 0.1,
      val_loss: loss,
      long_name_of_a_metric: 123456 + i,
      'eval/acc': 1 - loss,
    }
    const given = Object.entries(metrics).flatMap(([name, value]) => ['--metric', `${name}=${value}`])
    const tags = i % 3 === 0 ? ['--tag', `third-${i}`] : []
    const { version } = await sandbox.json<{ version: string }>('push', 'runs', '-m', `${MESSAGE} ${i}`, ...given, ...tags)
    ids.push(version)
  }
  await sandbox.ok('push', 'runs', '--name', 'other')
})

afterAll(() => rmSync(sandbox.path, { recursive: true, force: true }))

/** The lines on a terminal, without colours. */
async function shown(args: readonly string[], size: { columns: number; rows: number }): Promise<string[]> {
  const { output, exitCode } = await runInPty(process.execPath, [PROGRAM, ...args, '--store', sandbox.store], {
    size,
    env: { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: undefined, NO_COLOR: '1' },
  })
  expect(exitCode, output).toBe(0)
  // eslint-disable-next-line no-control-regex
  return output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').split(/[\r\n]+/)
}

const listed = async (...args: string[]): Promise<number[]> =>
  (await sandbox.ok('log', 'runs', '--ids', ...args)).stdout
    .trimEnd()
    .split('\n')
    .map(id => ids.indexOf(id))

test('each metric has a column, and no number and no heading of those shown is cut', async () => {
  const lines = await shown(['log', 'runs'], { columns: 80, rows: 30 })
  expect(lines.filter(line => textWidth(line) > 80)).toEqual([])
  // what tells versions apart on data that was held out comes before counters and settings
  expect(lines[0]).toMatch(/^ *version +time +size +new +val_loss +eval\/acc +tags, message$/)
  expect(lines[7]).toMatch(/ 0\.512346 +0\.487654 +a message that .*…$/)
  expect(lines[9]).toMatch(/^\+4 metrics: --metrics train_loss,long_name_of_a_metric,epoch,lr$/)
  const wide = await shown(['log', 'runs'], { columns: 200, rows: 30 })
  expect(wide[0]).toMatch(/ val_loss +eval\/acc +train_loss +long_name…a_metric +epoch +lr +tags, message$/)
  expect(wide.join('\n')).not.toContain('--metrics')
  const piped = (await sandbox.ok('log', 'runs')).stdout
  for (const name of ['epoch', 'lr', 'train_loss', 'val_loss', 'long_name_of_a_metric', 'eval/acc']) expect(piped).toContain(` ${name}`)
  expect(piped).toContain(`${MESSAGE} 7`)
})

test('--metrics chooses them, and one that no version has is told', async () => {
  expect((await sandbox.ok('log', 'runs', '--metrics', 'lr,epoch')).stdout).toMatch(
    /^ *version +time +size +new +lr +epoch +tags, message\n/,
  )
  expect(expectError(await sandbox.run(['log', 'runs', '--metrics', 'lr,valloss']), 5, /has the metric "valloss"/).hint).toContain(
    'val_loss',
  )
})

test('a terminal shows the newest versions that fit, a pipe all; --all and -n decide otherwise', async () => {
  const small = { columns: 80, rows: 11 }
  const lines = await shown(['log', 'runs'], small)
  expect(lines.filter(line => line !== '')).toHaveLength(9)
  expect(lines[1]).toContain(ids[7]!.slice(0, 8))
  expect(lines).toContain('... and 2 older (--all shows them, -n limits)')
  expect((await shown(['log', 'runs', '--all'], small)).join('\n')).toContain(ids[0]!.slice(0, 8))
  expect((await shown(['log', 'runs'], { columns: 0, rows: 0 })).join('\n')).toContain(ids[0]!.slice(0, 8))
  expect((await shown(['log', 'runs', '-n', '1'], small)).filter(line => line !== '')).toHaveLength(3)
  expect((await sandbox.ok('log', 'runs')).stdout.trimEnd().split('\n')).toHaveLength(9)
  const { versions, more } = await sandbox.json<{ versions: object[]; more: number }>('log', 'runs', '-n', '3')
  expect([versions.length, more]).toEqual([3, 5])
  const all = await shown(['log'], small)
  expect(all).toContain('2 names in all: colab-escape ls')
  expectError(await sandbox.run(['log', '-n', '0']), 2, /is not a number of versions/)
})

test('--sort goes by columns and metrics, the best first as @best has it', async () => {
  expect(await listed()).toEqual([7, 6, 5, 4, 3, 2, 1, 0])
  expect(await listed('--reverse', '-n', '2')).toEqual([0, 1])
  expect(await listed('--sort', 'val_loss', '-n', '3')).toEqual([3, 7, 1])
  expect(await listed('--sort', 'max:eval/acc', '-n', '2')).toEqual([3, 7])
  expect(await listed('--sort', 'val_loss', '--reverse', '-n', '2')).toEqual([0, 6])
  expect(await listed('--sort', 'size', '-n', '2')).toEqual([2, 7])
  const sorted = await shown(['log', 'runs', '--sort', 'lr'], { columns: 80, rows: 30 })
  expect(sorted[0]).toMatch(/ new +lr +/)
  const { hint } = expectError(await sandbox.run(['log', 'runs', '--sort', 'los']), 5, /No version of runs has the metric "los"/)
  expect(hint).toContain('train_loss')
  expectError(await sandbox.run(['log', 'runs', '--sort', 'a b']), 2, /neither a column nor a metric/)
  // versions without the metric come last, whatever the direction
  for (const more of [[], ['--reverse']]) {
    const { versions } = await sandbox.json<{ versions: { name: string }[] }>('log', '--sort', 'val_loss', ...more)
    expect(versions.at(-1)!.name).toBe('other')
  }
})

test('--tag, --since and --until choose versions', async () => {
  expect(await listed('--tag', 'third-3', '--tag', 'third-6')).toEqual([6, 3])
  expect((await sandbox.ok('log', 'runs', '--tag', 'none')).stdout).toBe('No version matches.\n')
  expect((await sandbox.ok('log', 'runs', '--ids', '--tag', 'none')).stdout).toBe('')
  expect(await listed('--since', '2h')).toHaveLength(8)
  expect((await sandbox.ok('log', 'runs', '--until', 'yesterday')).stdout).toBe('No version matches.\n')
  const { versions } = await sandbox.json<{ versions: { time: string }[] }>('log', 'runs')
  const second = (at: number): string => `${versions[at]!.time.slice(0, 19)}Z`
  expect(await listed('--since', second(2), '--until', second(2))).toContain(5)
  expect(await listed('--since', second(1))).not.toContain(0)
  expectError(await sandbox.run(['log', '--since', '2026-13-01']), 2, /--since "2026-13-01" is neither a date nor a duration/)
})

test('a terminal tells recent times as they are felt, a pipe and --time absolute as the clock has them', async () => {
  const size = { columns: 80, rows: 30 }
  expect((await shown(['log', 'runs'], size))[1]).toMatch(/ (just now|\d+ min ago) /)
  expect((await shown(['log', 'runs', '--time', 'absolute'], size))[1]).toMatch(/ \d{4}-\d\d-\d\d \d\d:\d\d /)
  expect((await sandbox.ok('log', 'runs')).stdout).toMatch(/ \d{4}-\d\d-\d\d \d\d:\d\d /)
  expect((await sandbox.ok('log', 'runs', '--time', 'relative')).stdout).toMatch(/ (just now|\d+ min ago) /)
})

test('--format ids and -q print full ids and nothing else', async () => {
  const out = (await sandbox.ok('log', 'runs', '--format', 'ids')).stdout
  expect(out).toBe(`${[...ids].reverse().join('\n')}\n`)
  await sandbox.ok('ls', `runs@${out.split('\n')[3]!}`)
})

test('a version that cannot be read has its line, in text and in JSON', async () => {
  const damaged = new Sandbox(sandbox.in('copy'))
  makeTree(damaged.path, {})
  for (const run of [0, 1]) {
    writeFileSync(damaged.in(`x${run}`), String(run))
    await damaged.ok('push', `x${run}`, '--name', 'x')
  }
  const [object] = readdirSync(damaged.store).filter(name => name.startsWith('snapshot-'))
  writeFileSync(join(damaged.store, object!), '{}')
  const text = await damaged.run(['log', 'x'])
  expect([text.code, text.stdout.split('\n').length]).toEqual([7, 4])
  expect(text.stdout).toMatch(/\(damaged: colab-escape check\)$/m)
  const [, short] = /-([0-9a-f]{16})-x\.json$/.exec(object!)!
  expect(text.stdout).toContain(short!.slice(0, 8))
  const json = await damaged.run(['log', 'x', '--json'])
  expect(JSON.parse(json.stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ damaged: [{ name: 'x', version: short }], versions: [{}] })
})
