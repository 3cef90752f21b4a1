import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { safetensors } from '../chunking/layouts/writers.ts'
import { eventsOf, Sandbox, withSandbox } from '../helpers/cli.ts'
import { KINDS, kindOfLine } from '../helpers/json-output.ts'
import { fp32, network, tuned } from '../helpers/tensors.ts'
import { RunningWatch } from '../watch/running.ts'

/**
 * Met by the tests of logging in (test/auth), of a store that goes away for a while (test/watch, test/drive) and of
 * sharing (test/drive/share.test.ts).
 */
const ELSEWHERE = ['auth-login', 'auth-status', 'auth-logout', 'recovered', 'waiting', 'resumed', 'share', 'share-revoke']

test('each kind of line that the schema tells of is printed as it says', () =>
  withSandbox(async sandbox => {
    const met = new Set<string>()
    const run = async (...args: string[]): Promise<void> => {
      const result = await sandbox.run(['--json', ...args], { env: { COLAB_ESCAPE_CONFIG: sandbox.in('config') } })
      for (const line of eventsOf(result)) met.add(kindOfLine(line))
    }
    const model = network(1, [3_000, 64])
    mkdirSync(sandbox.in('runs'))
    writeFileSync(sandbox.in('runs/model.safetensors'), safetensors(fp32(model)))
    await run('push', 'runs', '--tag', 'first', '--metric', 'loss=0.5', '--verbose', '-m', 'one')
    writeFileSync(sandbox.in('runs/model.safetensors'), safetensors(fp32(tuned(model, 2))))
    writeFileSync(sandbox.in('runs/log.txt'), 'epoch 1\n')
    await run('push', 'runs', '--dry-run')
    await run('status', 'runs')
    await run('push', 'runs', '--keep-last', '1')
    await run('push', 'runs', '--metric', 'loss=0.4')
    await run('unforget')
    await run('push', 'runs', '--name', 'renamed')
    await run('rename', 'renamed', 'named')
    await Promise.all([
      run('tag', 'runs', 'best'),
      run('note', 'runs', '-m', 'two'),
      run('log'),
      run('ls', 'runs'),
      run('ls'),
      run('find', '*'),
      run('du'),
      run('du', 'runs', '--by', 'extension'),
      run('check', '--read-data'),
      run('repair'),
      run('diff', 'runs', './runs'),
      run('inspect', 'runs:model.safetensors'),
      run('inspect', 'runs:model.safetensors', 'runs/model.safetensors'),
      run('pull', 'runs', 'back'),
      run('pull', 'runs:model.safetensors', '--tensor', '*.1.*', '-o', 'part.safetensors'),
      run('compress', 'runs', '-o', 'runs.tar.zst'),
      run('compress', 'runs', '--estimate'),
      run('doctor'),
      run('--version'),
      run('completion', 'bash'),
      run('completion', '--names'),
      run('use'),
      run('config'),
      run('python'),
      run('python', '--path'),
      run('auth', 'setup'),
      run('log', 'absent'),
    ])
    mkdirSync(sandbox.in('config'), { recursive: true })
    const login = { type: 'authorized_user', client_id: 'client', refresh_token: 'refresh', scope: 'https://www.googleapis.com/auth/drive' }
    writeFileSync(sandbox.in('config/login.json'), JSON.stringify(login), { mode: 0o600 })
    await Promise.all([
      run('extract', 'runs.tar.zst', 'out'),
      run('untag', 'runs', 'best'),
      run('prune'),
      run('unforget', 'runs'),
      run('forget', 'runs', 'absent', '--keep-last', '1', '--dry-run'),
      run('auth', 'export', '--yes'),
    ])

    const watch = new RunningWatch(sandbox, ['runs', '--settle', '100ms', '--every', '100ms'])
    try {
      await watch.next('unchanged')
      appendFileSync(sandbox.in('runs/model.safetensors.txt'), 'more')
      await watch.next('saved')
      await watch.stop()
      for (const line of watch.lines) met.add(kindOfLine(line))
    } finally {
      watch.child.kill('SIGKILL')
    }
    const sealed = new Sandbox(sandbox.path, sandbox.in('sealed'))
    const passwords = { COLAB_ESCAPE_PASSWORD: 'correct horse battery', COLAB_ESCAPE_NEW_PASSWORD: 'another good password' }
    const runSealed = async (...args: string[]): Promise<void> => {
      const result = await sealed.run(['--json', ...args], { env: { COLAB_ESCAPE_CONFIG: sandbox.in('config'), ...passwords } })
      for (const line of eventsOf(result)) met.add(kindOfLine(line))
    }
    await runSealed('push', 'runs', '--encrypt')
    for (const command of ['recovery', 'add', 'remember', 'list', 'forget']) await runSealed('key', command)

    await run('watch', 'runs', '--background', '--settle', '100ms')
    await run('watch', '--status')
    await run('watch', '--stop')
    expect([...met].sort()).toEqual(KINDS.filter(kind => !ELSEWHERE.includes(kind)).sort())
  }))

test('a line with a field that the schema does not tell of is refused, and so is one without a field that it promises', () => {
  const note = { event: 'note', message: 'm' }
  expect(kindOfLine(note)).toBe('note')
  expect(() => kindOfLine({ ...note, more: 1 })).toThrow('does not tell of')
  expect(() => kindOfLine({ event: 'note' })).toThrow('does not tell of')
  expect(() => kindOfLine({ event: 'result', command: 'none' })).toThrow('does not tell of')
})
