import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { expectError, runCli, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { filesIn } from '../helpers/secrets.ts'
import { makeTree } from '../helpers/trees.ts'
import { until } from './running.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
const QUICK = ['--settle', '200ms', '--every', '100ms']

interface Watched {
  name: string
  path: string
  pid: number
  running: boolean
  state: string
  versions: number
  log: string
}

const watches = async (sandbox: Sandbox): Promise<Watched[]> => (await sandbox.json<{ watches: Watched[] }>('watch', '--status')).watches

async function saved(sandbox: Sandbox, versions: number): Promise<Watched> {
  for (let look = 0; look < 200; look++) {
    const found = (await watches(sandbox)).find(each => each.versions >= versions)
    if (found) return found
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`${versions} versions were not saved in time`)
}

/** Gives `use` a sandbox with the folder `runs`. No watch of it runs afterwards. */
function withRuns(use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  return withSandbox(async sandbox => {
    makeTree(sandbox.in('runs'), { 'a.txt': 'a' })
    try {
      await use(sandbox)
    } finally {
      for (const { pid, running } of await watches(sandbox)) if (running) process.kill(pid, 'SIGKILL')
    }
  })
}

describe('a watch in the background', () => {
  test('goes on when its cell, terminal and process group are ended, and saves the rest when it is stopped', () =>
    withRuns(async sandbox => {
      // a kernel signals the whole process group of its cells; the end of a terminal is a SIGHUP
      const command = [process.execPath, PROGRAM, 'watch', 'runs', '--background', ...QUICK, '--store', sandbox.store]
      const cell = spawn('sh', ['-c', '"$@"; echo started; sleep 60', 'sh', ...command], {
        cwd: sandbox.path,
        env: { ...process.env, COLAB_ESCAPE_CACHE: sandbox.in('cache') },
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let out = ''
      cell.stdout.setEncoding('utf8').on('data', (piece: string) => (out += piece))
      await until(() => out.includes('started'))
      for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.kill(-cell.pid!, signal)
      const { pid } = await saved(sandbox, 1)
      process.kill(pid, 'SIGHUP')
      writeFileSync(sandbox.in('runs', 'b.txt'), 'b')
      expect(await saved(sandbox, 2)).toMatchObject({ pid, running: true, name: 'runs', path: sandbox.in('runs') })
      writeFileSync(sandbox.in('runs', 'c.txt'), 'c')
      await sandbox.ok('watch', '--stop')
      expect((await watches(sandbox))[0]).toMatchObject({ running: false, state: 'stopped' })
      await sandbox.ok('pull', 'runs', 'out')
      expect(readdirSync(sandbox.in('out')).sort()).toEqual(['a.txt', 'b.txt', 'c.txt'])
    }))

  test('is told from one that died', () =>
    withRuns(async sandbox => {
      await sandbox.ok('watch', 'runs', '--background', ...QUICK)
      const { pid } = await saved(sandbox, 1)
      process.kill(pid, 'SIGKILL')
      await until(() => !isAlive(pid))
      expect((await watches(sandbox))[0]).toMatchObject({ running: false, state: 'watching' })
      expect((await sandbox.ok('watch', '--status')).stdout).toContain('DIED')
      expectError(await sandbox.run(['watch', '--stop']), 5, /No watch runs in the background/)
      await sandbox.ok('watch', 'runs', '--background', ...QUICK)
      expect((await watches(sandbox)).map(({ running }) => running)).toEqual([true])
    }))

  test('is one for each folder and name, also by a link to the folder, and is stopped by its folder', () =>
    withRuns(async sandbox => {
      mkdirSync(sandbox.in('other'))
      symlinkSync('runs', sandbox.in('link'))
      await sandbox.ok('watch', 'runs', '--background', ...QUICK)
      expectError(
        await sandbox.run(['watch', 'link', '--name', 'runs', '--background']),
        1,
        /already watched in the background, by process \d+/,
      )
      await sandbox.ok('watch', 'other', '--background', ...QUICK)
      const { list } = expectError(await sandbox.run(['watch', '--stop']), 2, /2 watches run in the background/)
      expect(list).toEqual([sandbox.in('other'), sandbox.in('runs')])
      await sandbox.ok('watch', '--stop', 'link')
      expect((await watches(sandbox)).map(({ running }) => running)).toEqual([true, false])
      await sandbox.ok('watch', '--stop', 'other')
    }))

  test('that can’t start ends the command with the reason, as a watch in the foreground would', () =>
    withRuns(async sandbox => {
      expectError(await sandbox.run(['watch', 'runs/a.txt/nowhere', '--background']), 5, /nowhere does not exist/)
      expectError(await sandbox.run(['watch', 'runs', '--background', '--every', 'fast']), 2, /--every/)
      expectError(await sandbox.run(['watch', '--background']), 2, /No folder to watch/)
      writeFileSync(sandbox.in('file'), '')
      const inFile = ['watch', 'runs', '--background', '--store', sandbox.in('file')]
      expectError(
        await runCli(inFile, { cwd: sandbox.path, env: { COLAB_ESCAPE_CACHE: sandbox.in('cache') } }),
        5,
        /file is a file, not a folder/,
      )
      expect(await watches(sandbox)).toEqual([])
    }))

  test('shows no secret in its arguments, its state and its log, which only the user can read', () =>
    withRuns(async sandbox => {
      const token = `ya29.${'x'.repeat(30)}`
      await sandbox.ok('watch', 'runs', '--background', ...QUICK, '--token', token)
      await saved(sandbox, 1)
      const [{ pid, log }] = (await watches(sandbox)) as [Watched]
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(token)
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain(token)
      expect([...filesIn(sandbox.in('cache')).values()].filter(text => text.includes(token))).toEqual([])
      expect(statSync(log).mode & 0o777).toBe(0o600)
      expect(statSync(join(log, '..')).mode & 0o777).toBe(0o700)
      expect(readFileSync(log, 'utf8')).toMatch(/^\d\d:\d\d:\d\d watching /)
    }))

  test('is not believed of a state that others could have made, or that is damaged', () =>
    withRuns(async sandbox => {
      const victim = spawn('sleep', ['60'])
      try {
        const start = readFileSync(`/proc/${victim.pid!}/stat`, 'latin1').split(') ')[1]!.split(' ')[19]!
        const background = { start, log: '/nowhere', graceMs: 1 }
        const lists = { waiting: [], held: [], last: null, trouble: null }
        const record = {
          name: 'runs',
          path: '/runs',
          store: '/store',
          state: 'watching',
          pid: victim.pid,
          versions: 1,
          updated: '',
          ...lists,
          background,
        }
        mkdirSync(sandbox.in('ours'), { mode: 0o700 })
        writeFileSync(sandbox.in('ours', '0123456789abcdef.json'), JSON.stringify(record), { mode: 0o600 })
        mkdirSync(sandbox.in('cache'), { recursive: true })
        symlinkSync(sandbox.in('ours'), sandbox.in('cache', 'watches'))
        expect(await watches(sandbox)).toEqual([])
        expectError(await sandbox.run(['watch', '--stop']), 5, /No watch/)
        rmSync(sandbox.in('cache', 'watches'))
        mkdirSync(sandbox.in('cache', 'watches'), { mode: 0o700 })
        for (const damaged of [
          { pid: 1, background: null },
          { pid: 1, background: {} },
          { ...record, last: {} },
          [],
          null,
          { ...record, held: 1 },
        ])
          writeFileSync(
            sandbox.in('cache', 'watches', `${'0'.repeat(15)}${Math.floor(Math.random() * 10)}.json`),
            JSON.stringify(damaged),
            { mode: 0o600 },
          )
        expect(await watches(sandbox)).toEqual([])
        writeFileSync(sandbox.in('cache', 'watches', '0123456789abcdef.json'), JSON.stringify(record), { mode: 0o600 })
        chmodSync(sandbox.in('cache'), 0o777)
        expect(await watches(sandbox)).toEqual([])
        chmodSync(sandbox.in('cache'), 0o700)
        expect(await watches(sandbox)).toHaveLength(1)
        expect(victim.exitCode).toBe(null)
      } finally {
        victim.kill('SIGKILL')
      }
    }))
})

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0] !== 'Z'
  } catch {
    return false
  }
}
