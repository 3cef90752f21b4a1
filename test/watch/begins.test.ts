import { spawn } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'
import { until, whileWatching } from './running.ts'

const QUICK = ['--settle', '200ms', '--every', '100ms']

test('a folder that is not there yet is watched as soon as it is', () =>
  withSandbox(sandbox =>
    whileWatching(sandbox, ['out/runs', ...QUICK], async watch => {
      const { message } = await watch.next('note')
      expect(message).toMatch(/out\/runs does not exist yet/)
      makeTree(sandbox.in('out/runs'), { 'a.txt': 'a' })
      await watch.saved('a.txt')
      makeTree(sandbox.in('out/runs'), { 'b.txt': 'b' })
      await watch.saved('b.txt')
      expect(await watch.stop()).toBe(0)
    }),
  ))

test('a watch whose folder never comes ends when it is asked to, or its process ends, and says that nothing was saved', () =>
  withSandbox(async sandbox => {
    await whileWatching(sandbox, ['runs', ...QUICK], async watch => {
      await watch.next('note')
      expect(await watch.stop('SIGTERM')).toBe(3)
      expect(watch.all('result')).toMatchObject([{ versions: 0, version: null }])
    })
    const training = spawn('sleep', ['60'])
    await whileWatching(sandbox, ['runs', '--until-exit', String(training.pid), ...QUICK], async watch => {
      await watch.next('note')
      training.kill()
      expect((await watch.ended).code).toBe(3)
    })
  }))

test('the end of a session does not end a watch without a terminal', () =>
  withSandbox(sandbox => {
    makeTree(sandbox.in('runs'), { 'a.txt': 'a' })
    return whileWatching(sandbox, ['runs', ...QUICK], async watch => {
      await watch.saved('a.txt')
      watch.child.kill('SIGHUP')
      makeTree(sandbox.in('runs'), { 'b.txt': 'b' })
      await watch.saved('b.txt')
      expect(await watch.stop()).toBe(0)
    })
  }))

test('a terminal that is closed ends a watch, after it has saved what is finished', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('runs'), { 'a.txt': 'a' })
    const status = sandbox.in('status.json')
    const inTerminal = spawn(
      'script',
      ['-qec', `node ${process.cwd()}/bin/colab-escape.cjs watch runs --settle 200ms --every 100ms --status-file ${status}`, '/dev/null'],
      {
        cwd: sandbox.path,
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { ...process.env, COLAB_ESCAPE_STORE: sandbox.store, COLAB_ESCAPE_CACHE: sandbox.in('cache') },
      },
    )
    const state = (): { state: string; versions: number; pid: number } => JSON.parse(readFileSync(status, 'utf8')) as never
    const { pid } = await until(() => {
      try {
        return state().versions === 1 && state()
      } catch {
        return undefined
      }
    })
    makeTree(sandbox.in('runs'), { 'b.txt': 'b' })
    inTerminal.kill('SIGKILL')
    await until(() => state().state === 'stopped')
    const { entries } = await sandbox.json<{ entries: { path: string }[] }>('ls', 'runs')
    expect(entries.map(({ path }) => path)).toEqual(['a.txt', 'b.txt'])
    await until(() => !existsSync(`/proc/${pid}`))
  }))

test('a link to a folder that is not there yet is waited for like that folder', () =>
  withSandbox(sandbox => {
    symlinkSync('disk/runs', sandbox.in('runs'))
    return whileWatching(sandbox, ['runs', ...QUICK], async watch => {
      const { message } = await watch.next('note')
      expect(message).toMatch(/disk\/runs does not exist yet/)
      makeTree(sandbox.in('disk/runs'), { 'a.txt': 'a' })
      await watch.saved('a.txt')
      expect(await watch.stop()).toBe(0)
    })
  }))

test('a folder that is waited for may come as a link', () =>
  withSandbox(sandbox =>
    whileWatching(sandbox, ['runs', ...QUICK], async watch => {
      await watch.next('note')
      makeTree(sandbox.in('disk'), { 'a.txt': 'a' })
      symlinkSync('disk', sandbox.in('runs'))
      await watch.saved('a.txt')
      expect(await watch.stop()).toBe(0)
    }),
  ))

test('a process that has ended already lets a watch save what is there and end', () =>
  withSandbox(async sandbox => {
    const training = spawn('true')
    await new Promise(resolve => training.once('exit', resolve))
    makeTree(sandbox.in('runs'), { 'a.txt': 'a' })
    await whileWatching(sandbox, ['runs', ...QUICK, '--until-exit', String(training.pid)], async watch => {
      expect((await watch.next('note')).message).toMatch(/has ended, or never ran: what is finished is saved/)
      await watch.saved('a.txt')
      expect((await watch.ended).code).toBe(0)
    })
  }))
