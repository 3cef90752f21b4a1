import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { PROGRAM } from '../drive/drive-cli.ts'
import { eventsOf, expectError, withSandbox, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { runInPty } from '../helpers/pty.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { until } from '../watch/running.ts'
import { expectSameTree, expectWholeFiles, makeTree, pictureOf } from '../helpers/trees.ts'

const MiB = 1024 * 1024
/** A second or so; several on a machine that has other work to do. */
const SOON_MS = 4000

let big: Buffer
beforeAll(() => {
  big = seededNoise(1, 40 * MiB)
})

const has = (store: string, prefix: string) => (): boolean => existsSync(store) && readdirSync(store).some(name => name.startsWith(prefix))

async function expectComplete(sandbox: Sandbox): Promise<void> {
  expect(await sandbox.json('check')).toMatchObject({ damaged: false, incomplete: 0 })
}

function expectInterrupted(run: CliResult): void {
  expectError(run, 130, /Interrupted/)
  expect(run.endedAfterMs).toBeLessThan(SOON_MS)
}

describe('Ctrl-C', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('%s during a push: exit 130 soon, the repository is valid, the next run goes on', signal =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.txt': 'first' })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('data'), { 'big.bin': big })
      const first = readdirSync(sandbox.store).filter(name => name.startsWith('pack-')).length
      const packs = (): boolean => readdirSync(sandbox.store).filter(name => name.startsWith('pack-')).length > first
      expectInterrupted(await sandbox.run(['push', 'data'], { kill: { signal, when: packs } }))
      await expectComplete(sandbox)
      expect(readdirSync(sandbox.store).filter(name => name.startsWith('.tmp-'))).toEqual([])
      await sandbox.ok('pull', 'data', 'old')
      expect(readdirSync(sandbox.in('old'))).toEqual(['a.txt'])
      const { newBytes } = await sandbox.json<{ newBytes: number }>('push', 'data')
      expect(newBytes).toBeLessThan(37 * MiB) // the first pack at least, of 4 MiB, is found again
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }),
  )

  test('during a first push: nothing is offered, and the next run completes', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'big.bin': big })
      const run = await sandbox.run(['--json', 'push', 'data'], { kill: { signal: 'SIGINT', when: has(sandbox.store, '.tmp-') } })
      expect(run.code).toBe(130)
      expect(eventsOf(run).at(-1)).toMatchObject({ event: 'error', code: 'interrupted' })
      expectError(await sandbox.run(['pull', 'data', 'out']), 5, /holds no repository/)
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      await expectComplete(sandbox)
    }))

  test('during a pull: exit 130 soon, no half file, and the next run goes on', () =>
    withSandbox(async sandbox => {
      const files = Array.from({ length: 20 }, (_, i) => [`${i}.bin`, big.subarray(2 * i * MiB, 2 * (i + 1) * MiB)] as const)
      makeTree(sandbox.in('data'), { ...Object.fromEntries(files), 'twice.bin': big.subarray(5) })
      await sandbox.ok('push', 'data')
      const out = sandbox.in('out')
      const oneIsPlaced = (): boolean => existsSync(out) && readdirSync(out).some(name => name.endsWith('.bin'))
      expectInterrupted(await sandbox.run(['pull', 'data', 'out'], { kill: { signal: 'SIGINT', when: oneIsPlaced } }))
      const placed = expectWholeFiles(out, pictureOf(sandbox.in('data')))
      expect(placed).toBeGreaterThan(0)
      expect(placed).toBeLessThanOrEqual(files.length)
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('the end of a session does not end a push without a terminal', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'big.bin': big })
      const run = await sandbox.run(['push', 'data'], { kill: { signal: 'SIGHUP', when: has(sandbox.store, '.tmp-') } })
      expect(run.endedAfterMs).toBeDefined()
      expect([run.code, run.signal], run.stderr).toEqual([0, null])
      await expectComplete(sandbox)
    }))

  test('a terminal that is closed ends a push at the next safe point', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'big.bin': big })
      const pid = sandbox.in('pid')
      const inTerminal = spawn('script', ['-qec', `echo $$ > ${pid}; exec node ${PROGRAM} push data`, '/dev/null'], {
        cwd: sandbox.path,
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { ...process.env, COLAB_ESCAPE_STORE: sandbox.store, COLAB_ESCAPE_CACHE: sandbox.in('cache') },
      })
      await until(has(sandbox.store, '.tmp-'), 5)
      const child = readFileSync(pid, 'utf8').trim()
      inTerminal.kill('SIGKILL')
      await until(() => !existsSync(`/proc/${child}`))
      expect(readdirSync(sandbox.store).filter(name => /^(\.tmp-|snapshot-)/.test(name))).toEqual([])
      await sandbox.ok('push', 'data')
      await expectComplete(sandbox)
    }))

  test('at once, before anything has begun', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.txt': 'x' })
      for (const afterMs of [60, 120, 180, 240]) {
        const run = await sandbox.run(['push', 'data'], { kill: { signal: 'SIGINT', afterMs } })
        // before there is a handler the signal itself ends the program; a push that was quicker is done
        expect([0, 130, null], run.stderr).toContain(run.code)
        expect(run.stderr).not.toMatch(/^\s+at /m)
      }
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))
})

describe('two pushes at once', () => {
  test('into a new repository: both versions are complete', () =>
    withSandbox(async sandbox => {
      const shared = seededText(1, 3 * MiB)
      makeTree(sandbox.in('one'), { 'shared.csv': shared, 'own.bin': seededNoise(2, 2 * MiB) })
      makeTree(sandbox.in('two'), { 'shared.csv': shared, 'own.bin': seededNoise(3, 2 * MiB) })
      await Promise.all([sandbox.ok('push', 'one'), sandbox.ok('push', 'two')])
      await expectComplete(sandbox)
      for (const name of ['one', 'two']) {
        await sandbox.ok('pull', name, `out-${name}`)
        expectSameTree(sandbox.in(`out-${name}`), sandbox.in(name))
      }
      expect(await sandbox.json('push', 'one')).toMatchObject({ outcome: 'unchanged' })
    }))

  test('of one name into a repository that exists: both are versions of it', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('a'), { file: 'base' })
      await sandbox.ok('push', 'a', '--name', 'data')
      makeTree(sandbox.in('a'), { file: 'from a', 'a.bin': seededNoise(4, MiB) })
      makeTree(sandbox.in('b'), { file: 'from b', 'b.bin': seededNoise(5, MiB) })
      await Promise.all([sandbox.ok('push', 'a', '--name', 'data', '--tag', 'a'), sandbox.ok('push', 'b', '--name', 'data', '--tag', 'b')])
      await expectComplete(sandbox)
      const { versions } = await sandbox.json<{ versions: unknown[] }>('log', 'data')
      expect(versions).toHaveLength(3)
      for (const name of ['a', 'b']) {
        await sandbox.ok('pull', `data@${name}`, `out-${name}`)
        expectSameTree(sandbox.in(`out-${name}`), sandbox.in(name))
      }
      expect((await sandbox.ok('cat', 'data~2:file')).stdout).toBe('base')
    }))

  test('of the same source: both end well, and no content is lost', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.bin': seededNoise(6, 4 * MiB), 'b.csv': seededText(7, 2 * MiB) })
      await Promise.all(Array.from({ length: 3 }, () => sandbox.ok('push', 'data')))
      await expectComplete(sandbox)
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      expect(await sandbox.json('push', 'data')).toMatchObject({ outcome: 'unchanged', newBytes: 0 })
    }))

  test('a push while a pull of the same name runs: the pull gets the version it began with', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.bin': big.subarray(0, 12 * MiB) })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('next'), { 'a.bin': big.subarray(12 * MiB, 24 * MiB) })
      const [pulled] = await Promise.all([
        sandbox.json<{ version: string }>('pull', 'data', 'out'),
        sandbox.ok('push', 'next', '--name', 'data'),
      ])
      await sandbox.ok('pull', `data@${pulled.version}`, 'same')
      expectSameTree(sandbox.in('out'), sandbox.in('same'))
    }))
})

describe('in a terminal without a size', () => {
  test('push, pull and check end, and what they show is bounded', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'big.bin': big, ...Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`many/${i}`, `${i}`])) })
      const env = { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: sandbox.store }
      for (const args of [
        ['push', sandbox.in('data')],
        ['pull', 'data', sandbox.in('out')],
        ['check', '--read-data'],
        ['log'],
        ['ls', 'data'],
      ]) {
        const { output, exitCode } = await runInPty(process.execPath, [PROGRAM, ...args], { env })
        expect([args[0], exitCode, output.includes('error:')]).toEqual([args[0], 0, false])
        expect(output.length).toBeLessThan(64 * 1024)
      }
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('Ctrl-C gets through there too', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'big.bin': big, 'big2.bin': seededNoise(2, 60 * MiB) })
      const env = { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: sandbox.store }
      const { output, exitCode, seconds } = await runInPty(process.execPath, [PROGRAM, 'push', sandbox.in('data')], {
        env,
        interruptAfter: 0.5,
      })
      expect([exitCode, output.includes('Interrupted')]).toEqual([130, true])
      expect(seconds).toBeLessThan(SOON_MS / 1000)
      await sandbox.ok('push', 'data')
      await expectComplete(sandbox)
    }))
})
