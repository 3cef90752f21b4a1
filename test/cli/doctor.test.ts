import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { runChecks, type DoctorCheck, type CheckResult } from '../../src/commands/doctor/checks.ts'
import { describeResults } from '../../src/commands/doctor/doctor.ts'
import { judgeClock, judgeColab, judgeSpace } from '../../src/commands/doctor/judgements.ts'
import { checkNode, checkProxy, checkTerminal } from '../../src/commands/doctor/machine.ts'
import type { Store } from '../../src/commands/shared/store.ts'
import { SECRETS } from '../auth/world.ts'
import { DriveEmulator, startDriveEmulator } from '../drive-emulator/emulator.ts'
import { resultOf, runCli, Sandbox, withSandbox, type CliResult } from '../helpers/cli.ts'
import { withTmpfs } from '../helpers/mounts.ts'
import { runInPty } from '../helpers/pty.ts'
import { makeTree } from '../helpers/trees.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
const never = new AbortController().signal

interface Doctor {
  problems: number
  attentions: number
  checks: { name: string; state: string; message: string; hint: string | null }[]
}

type Env = Record<string, string | undefined>

const NOBODY: Env = Object.fromEntries(
  [
    ...['COLAB_ESCAPE_TOKEN', 'COLAB_ESCAPE_CREDENTIALS', 'GOOGLE_APPLICATION_CREDENTIALS', 'TBE_EPHEM_CREDS_ADDR', 'TBE_CREDS_ADDR'],
    ...['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy', 'COLAB_ESCAPE_ZSTD'],
  ].map(name => [name, undefined]),
)

/** Runs it with folders of the sandbox, and nobody logged in unless `env` says so. */
function doctor(sandbox: Sandbox, env: Env = {}, store: string | null = sandbox.store): Promise<CliResult> {
  const folders = { COLAB_ESCAPE_CONFIG: sandbox.in('config'), COLAB_ESCAPE_CACHE: sandbox.in('cache') }
  const named = store === null ? [] : ['--store', store]
  return runCli(['doctor', '--json', ...named], { cwd: sandbox.path, env: { ...NOBODY, ...folders, ...env } })
}

function found(run: CliResult): { byName: Record<string, Doctor['checks'][number]>; result: Doctor } {
  const result = resultOf<Doctor>(run)
  expect(run.stdout + run.stderr).not.toMatch(SECRETS)
  expect(run.code).toBe(result.problems > 0 ? 1 : 0)
  expect(result.problems).toBe(result.checks.filter(({ state }) => state === 'problem').length)
  expect(result.attentions).toBe(result.checks.filter(({ state }) => state === 'attention').length)
  for (const { state, hint } of result.checks) expect(hint === null).toBe(state === 'ok')
  return { byName: Object.fromEntries(result.checks.map(check => [check.name, check])), result }
}

async function withEmulator<T>(use: (google: DriveEmulator) => Promise<T>): Promise<T> {
  const google = await startDriveEmulator()
  try {
    return await use(google)
  } finally {
    await google.close()
  }
}

describe('on a folder store', () => {
  test('all is well, and nothing is left behind', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: '1' })
      await sandbox.ok('push', 'data')
      const before = readdirSync(sandbox.store).sort()
      const { result, byName } = found(await doctor(sandbox))
      expect(result).toMatchObject({ problems: 0, attentions: 0 })
      expect(result.checks.map(({ name }) => name)).toEqual('node zstd terminal cache settings proxy login store clock space'.split(' '))
      expect(byName.node!.message).toBe(process.version)
      expect(byName.store!.message).toBe(`${sandbox.store}: a repository with 1 version of 1 name`)
      expect(byName.login!.message).toContain('nobody is logged in')
      expect(byName.cache!.message).toMatch(/cache, 2 files$/)
      expect(readdirSync(sandbox.store).sort()).toEqual(before)
      expect(readdirSync(sandbox.path)).not.toContain('config')
    }))

  test.each(['native', 'portable'])('with the %s codec', codec =>
    withSandbox(async sandbox => {
      const { byName } = found(await doctor(sandbox, { COLAB_ESCAPE_ZSTD: codec }))
      const isThere = codec === 'portable' || Number(process.versions.node.split('.')[0]) > 22
      expect(byName.zstd!.state).toBe(isThere ? 'ok' : 'problem')
      if (!isThere) expect(byName.zstd!.message).toContain('no zstd built in')
    }),
  )

  test('no store and no login: a problem that names the ways on', () =>
    withSandbox(async sandbox => {
      const { byName, result } = found(await doctor(sandbox, {}, null))
      expect(result.problems).toBe(1)
      expect(byName.login).toMatchObject({ state: 'attention', hint: 'Run `colab-escape auth login`, or name a folder with --store.' })
      expect(byName.store!.state).toBe('problem')
      expect(byName.store!.hint).toContain('COLAB_ESCAPE_STORE')
      expect(byName.clock).toBeUndefined()
    }))

  test('an empty place, a foreign folder, a file, a damaged config, a newer format', () =>
    withSandbox(async sandbox => {
      const store = async (): Promise<{ state: string; message: string; hint: string | null }> => found(await doctor(sandbox)).byName.store!
      expect(await store()).toMatchObject({ state: 'attention', message: `${sandbox.store} holds no repository yet.` })
      makeTree(sandbox.store, { 'holiday.jpg': '1' })
      expect(await store()).toMatchObject({ state: 'problem', message: expect.stringContaining('(holiday.jpg)') as string })
      writeFileSync(join(sandbox.store, 'config.json'), '{}')
      expect(await store()).toMatchObject({ state: 'problem', message: expect.stringContaining('it has no format') as string })
      writeFileSync(join(sandbox.store, 'config.json'), '{"format": 2}')
      expect((await store()).message).toContain('newer colab-escape')
      writeFileSync(sandbox.in('file'), '')
      expect(found(await doctor(sandbox, {}, sandbox.in('file'))).byName.store!.message).toContain('is a file, not a folder')
    }))

  test('a snapshot with a damaged name, and a lost config.json', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: '1' })
      await sandbox.ok('push', 'data')
      writeFileSync(join(sandbox.store, 'snapshot-oops'), '')
      const damaged = found(await doctor(sandbox)).byName.store!
      expect(damaged).toMatchObject({ state: 'attention', hint: 'Run `colab-escape repair`.' })
      expect(damaged.message).toContain('1 object under a name that another program changed, such as snapshot-oops')
      rmSync(join(sandbox.store, 'config.json'))
      expect(found(await doctor(sandbox)).byName.store!.message).toContain('has no config.json any more')
    }))

  test('a store and folders that cannot be written', () =>
    withTmpfs(4 << 20, tmpfs =>
      withSandbox(async sandbox => {
        makeTree(sandbox.in('data'), { a: '1' })
        const store = join(tmpfs.path, 'store')
        const env = { COLAB_ESCAPE_CACHE: join(tmpfs.path, 'cache'), COLAB_ESCAPE_CONFIG: join(tmpfs.path, 'config') }
        expect((await new Sandbox(sandbox.path, store).ok('push', 'data')).code).toBe(0)
        await tmpfs.remountReadOnly()
        const { byName, result } = found(await doctor(sandbox, env, store))
        expect(byName.cache!.message).toContain("can't be written to (read-only file system)")
        expect(byName.settings!.message).toContain("can't be written to (read-only file system)")
        expect(byName.store!.message).toBe(`${store} can be read, but not written (read-only file system).`)
        // so small a disk has no room for a push
        expect(byName.space!.message).toContain('too little for a push')
        expect(result).toMatchObject({ problems: 1, attentions: 3 })
      }),
    ))

  test.skipIf(process.platform !== 'linux')('a cache that the permissions allow, and the file system refuses', () =>
    withSandbox(async sandbox => {
      const { byName } = found(await doctor(sandbox, { COLAB_ESCAPE_CACHE: '/proc/colab-escape/cache' }))
      expect(byName.cache).toMatchObject({ state: 'attention', message: expect.stringContaining("can't be written to") as string })
    }),
  )

  test('damaged notes of this machine', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: '1' })
      await sandbox.ok('push', 'data')
      const folder = sandbox.in('cache/versions')
      const [name] = readdirSync(folder)
      writeFileSync(join(folder, name!), readFileSync(join(folder, name!), 'utf8').replace('"path":"a"', '"path":"b"'))
      const { byName } = found(await doctor(sandbox))
      expect(byName.cache!.state).toBe('attention')
      expect(byName.cache!.message).toMatch(/^1 file of 2 in .* can't be used: .*checksum/)
    }))
})

describe('on Drive', () => {
  const drive = (google: DriveEmulator, more: Env = {}): Env => ({ COLAB_ESCAPE_GOOGLE_ENDPOINT: google.url, ...more })

  test('login, account, store, clock and space', () =>
    withEmulator(google =>
      withSandbox(async sandbox => {
        google.addUser('ada@example.com', { quota: 15e9 })
        const { accessToken } = google.issueToken({ user: 'ada@example.com' })
        const env = drive(google, { COLAB_ESCAPE_TOKEN: accessToken })
        makeTree(sandbox.in('data'), { a: '1' })
        expect((await new Sandbox(sandbox.path, 'drive:').run(['push', 'data'], { env: { ...NOBODY, ...env } })).code).toBe(0)
        const { byName, result } = found(await doctor(sandbox, env, 'drive:'))
        expect(result).toMatchObject({ problems: 0, attentions: 0 })
        expect(byName.login!.message).toBe('given access token, from COLAB_ESCAPE_TOKEN or --token')
        expect(byName.store!.message).toBe('drive:colab-escape: a repository with 1 version of 1 name')
        expect(byName.drive!.message).toMatch(/^Google Drive of ada@example\.com answers in /)
        expect(byName.space!.message).toBe('15.0 GB of 15.0 GB free')
      }),
    ))

  test('a login of another client, one in testing, one that Google refuses', () =>
    withEmulator(google =>
      withSandbox(async sandbox => {
        mkdirSync(sandbox.in('config'))
        const file = sandbox.in('config/login.json')
        const saved = (scope: string, more: object = {}): void => {
          const { accessToken, refreshToken } = google.issueToken({ scope })
          const access = { token: accessToken, expires: new Date(Date.now() + 3_000_000).toISOString() }
          const client = { client_id: 'test-client.apps.googleusercontent.com', client_secret: 'test-client-secret' }
          const login = { type: 'authorized_user', ...client, refresh_token: refreshToken, scope, account: 'someone@example.com', access }
          writeFileSync(file, JSON.stringify({ ...login, ...more }), { mode: 0o600 })
        }
        const login = async (): Promise<Doctor['checks'][number]> => found(await doctor(sandbox, drive(google), 'drive:')).byName.login!
        saved('https://www.googleapis.com/auth/drive')
        const good = await login()
        expect(good.state).toBe('ok')
        expect(good.message).toMatch(/^saved login of someone@example\.com \(drive\), from .*login\.json; its token ends in (49|50) m$/)
        saved('https://www.googleapis.com/auth/drive.file')
        expect(await login()).toMatchObject({
          state: 'attention',
          message: expect.stringContaining('not those pushed from Colab') as string,
        })
        saved('https://www.googleapis.com/auth/drive', { login_ends: new Date(Date.now() + 86_400_000).toISOString() })
        expect(await login()).toMatchObject({ state: 'attention', hint: expect.stringContaining('auth setup') as string })
        chmodSync(file, 0o644)
        expect(await login()).toMatchObject({ state: 'problem', message: expect.stringContaining('Others can read') as string })
        // on a folder store the same is no problem
        expect(found(await doctor(sandbox, drive(google))).byName.login!.state).toBe('attention')
        chmodSync(file, 0o600)
        google.faults.add({ on: 'about.get', nth: 1, do: { status: 403, reason: 'accessNotConfigured' } })
        saved('https://www.googleapis.com/auth/drive')
        const off = found(await doctor(sandbox, drive(google), 'drive:'))
        expect(off.byName.drive).toMatchObject({ state: 'problem', hint: expect.stringContaining('Enable it at') as string })
      }),
    ))

  test('in a notebook: the cell to run, then what its disk means', () =>
    withEmulator(google =>
      withSandbox(async sandbox => {
        const env = drive(google, {
          TBE_EPHEM_CREDS_ADDR: new URL(google.url).host,
          TBE_CREDS_ADDR: '172.28.0.1:8008',
          USE_AUTH_EPHEM: '1',
        })
        const before = found(await doctor(sandbox, env, 'drive:'))
        expect(before.byName.login).toMatchObject({ state: 'problem', hint: expect.stringContaining('auth.authenticate_user()') as string })
        google.consentInColab()
        const after = found(await doctor(sandbox, env, 'drive:'))
        expect(after.byName.login!.state).toBe('ok')
        expect(after.byName.login!.message).toContain("Colab's credentials")
        expect(after.byName.colab).toMatchObject({ state: 'ok', message: expect.stringContaining('wiped when the session ends') as string })
        const folder = found(await doctor(sandbox, env)).byName.colab!
        expect(folder).toMatchObject({ state: 'attention', hint: expect.stringContaining('--store drive:') as string })
      }),
    ))

  test('nothing listens: a problem, not a wait', () =>
    withSandbox(async sandbox => {
      const env = { COLAB_ESCAPE_GOOGLE_ENDPOINT: 'http://127.0.0.1:9', COLAB_ESCAPE_TOKEN: 'a-token' }
      const { byName } = found(await doctor(sandbox, env, 'drive:'))
      expect(byName.store!.state).toBe('problem')
      expect(byName.drive!.message).toContain("can't be reached")
    }))
})

describe('the parts', () => {
  test('a check that hangs or throws is a problem like any other, and the others run', async () => {
    const checks: DoctorCheck[] = [
      { name: 'hangs', run: () => new Promise(() => undefined) },
      {
        name: 'throws',
        run: () => {
          throw new Error('no good')
        },
      },
      { name: 'silent', run: () => undefined },
      { name: 'fine', run: () => ({ state: 'ok', message: 'yes' }) },
    ]
    const results = await runChecks(checks, 50, never)
    expect(results.map(({ name, state, message }) => [name, state, message])).toEqual([
      ['hangs', 'problem', 'no answer within 0.05 s'],
      ['throws', 'problem', 'no good'],
      ['fine', 'ok', 'yes'],
    ])
  })

  test('an interrupt ends it at once', async () => {
    const interrupt = new AbortController()
    const running = runChecks([{ name: 'hangs', run: () => new Promise(() => undefined) }], 60_000, interrupt.signal)
    interrupt.abort()
    await expect(running).rejects.toMatchObject({ code: 'interrupted' })
  })

  test('the clock: what the store says must lie between our two looks at ours', () => {
    const minute = 60_000
    expect(judgeClock(1_000_000, 999_000, 1_001_000).state).toBe('ok')
    expect(judgeClock(1_000_000, 1_030_000, 1_031_000).state).toBe('ok')
    expect(judgeClock(0, 10 * minute, 10 * minute + 5)).toMatchObject({
      state: 'attention',
      message: "This machine's clock is 10 m 00 s ahead of the store's.",
    })
    expect(judgeClock(10 * minute, 0, 5).message).toMatch(/is (10 m 00|9 m 60|600) s behind the store's/)
  })

  test('the space', () => {
    expect(judgeSpace({ used: 5e9, limit: 15e9 })).toEqual({ state: 'ok', message: '10.0 GB of 15.0 GB free' })
    expect(judgeSpace({ used: 14.5e9, limit: 15e9 }).state).toBe('attention')
    expect(judgeSpace({ used: 16e9, limit: 15e9 })).toMatchObject({
      state: 'problem',
      message: expect.stringMatching(/^Only 0 B/) as string,
    })
    expect(judgeSpace({ used: 1e9, limit: undefined }).message).toBe('1.00 GB used, no limit')
    expect(judgeSpace({ used: undefined, limit: undefined }).state).toBe('ok')
  })

  test('Colab: the mount, its own disk, work on the mount', () => {
    const store = (more: object): Store => ({ kind: 'folder', ...more }) as Store
    expect(judgeColab(store({ mounted: true }), '/content', true)!.hint).toContain('drive.flush_and_unmount()')
    expect(judgeColab(store({ mounted: false }), '/content', true)!.message).toContain('wiped')
    expect(judgeColab({ kind: 'drive' } as Store, '/content/drive/MyDrive/x', true)!.message).toContain('slow')
    expect(judgeColab({ kind: 'drive' } as Store, '/content/x', true)!.state).toBe('ok')
    expect(judgeColab(store({ mounted: false }), '/home/x', false)).toBeUndefined()
  })

  test('another, older node comes first in PATH, as after apt install nodejs', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { node: { file: '#!/bin/sh\necho v12.22.9\n', mode: 0o755 } })
      expect(await checkNode('v20.19.0', { PATH: sandbox.path }, never)).toMatchObject({
        state: 'attention',
        message: expect.stringContaining('the first node in PATH is v12.22.9') as string,
      })
      expect(await checkNode('v20.19.0', { PATH: process.env.PATH }, never)).toEqual({ state: 'ok', message: 'v20.19.0' })
      expect(await checkNode('v20.19.0', { PATH: sandbox.in('none') }, never)).toMatchObject({ state: 'ok' })
    }))

  test('proxies are named without their passwords', () => {
    const { state, message } = checkProxy({ https: 'http://me:secret@proxy.example:3128', http: undefined, no: 'localhost' })
    expect([state, message]).toEqual(['ok', 'HTTPS through proxy.example:3128; directly to localhost'])
    expect(checkProxy({ https: undefined, http: undefined, no: undefined }).message).toBe('none')
    expect(() => checkProxy({ https: 'ftp://x', http: undefined, no: undefined })).toThrow('HTTPS_PROXY')
  })

  test('terminals', () => {
    expect(checkTerminal([120, 1]).message).toBe('120 columns, 1 row')
    expect(checkTerminal([0, 0]).message).toContain('80 columns are assumed')
    expect(checkTerminal(undefined).message).toContain('none')
  })

  test('lines break at words, below their beginning', () => {
    const results: CheckResult[] = [{ name: 'a', state: 'attention', message: 'one two three four', hint: 'five six seven' }]
    expect(describeResults(results, 24)).toEqual([
      'attention  a  one two',
      '              three four',
      '              -> five',
      '                 six',
      '                 seven',
    ])
    expect(describeResults(results, Infinity)).toEqual(['attention  a  one two three four', '              -> five six seven'])
  })
})

test('in a cell, whose terminal has no size', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: '1' })
    await sandbox.ok('push', 'data')
    const env = { ...NOBODY, COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_CONFIG: sandbox.in('config'), NO_COLOR: '1' }
    const { output, exitCode } = await runInPty(process.execPath, [PROGRAM, 'doctor', '--store', sandbox.store], { env })
    expect(exitCode, output).toBe(0)
    expect(output).toContain('ok         terminal  size unknown, as in a notebook: 80 columns are assumed\r\n')
    expect(output).toMatch(/\r\nNo problems found\.\r\n$/)
  }))
