import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { writeLogin } from '../../src/auth/token-file.ts'
import { DEFAULT_CLIENT, DEFAULT_USER, type DriveEmulator } from '../drive-emulator/emulator.ts'
import type { CliResult } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { filesIn } from '../helpers/secrets.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { objectsOf } from './scene.ts'

/** A part of a secret as long as this is as bad as all of it. */
const PART = 16

/** Which texts hold a secret, or a part of one, as it is, URL-encoded or in base64. */
function leaks(texts: ReadonlyMap<string, string>, secrets: Iterable<string>): string[] {
  const parts = new Set<string>()
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex')])
      for (let at = 0; at + PART <= form.length; at += PART / 2) parts.add(form.slice(at, at + PART))
  }
  return [...texts].filter(([, text]) => [...parts].some(part => text.includes(part))).map(([where]) => where)
}

/** Every token, client secret and upload address that the emulator gives out from now on. */
function watchSecrets(emulator: DriveEmulator): Set<string> {
  const secrets = new Set([DEFAULT_CLIENT.secret!])
  const { accounts, uploads } = emulator
  const issueAccess = accounts.issueAccess.bind(accounts)
  const issueRefresh = accounts.issueRefresh.bind(accounts)
  const open = uploads.sessions.open.bind(uploads.sessions)
  const noted = (secret: string): string => {
    secrets.add(secret)
    return secret
  }
  accounts.issueAccess = (...grant) => {
    const access = issueAccess(...grant)
    noted(access.token)
    return access
  }
  accounts.issueRefresh = grant => noted(issueRefresh(grant))
  uploads.sessions.open = plan => noted(open(plan))
  return secrets
}

class Watched {
  readonly emulator: DriveEmulator
  readonly sandbox: DriveSandbox
  readonly secrets: Set<string>
  readonly said = new Map<string, string>()

  constructor(emulator: DriveEmulator, folder: string) {
    this.emulator = emulator
    this.secrets = watchSecrets(emulator)
    this.sandbox = new DriveSandbox(emulator, folder)
  }

  async run(args: string[], env: Record<string, string | undefined> = {}): Promise<CliResult> {
    const run = await this.sandbox.run(args, { env })
    this.said.set(`${this.said.size} ${args.join(' ')} -> ${run.code}`, run.stdout + run.stderr)
    return run
  }

  /** What was said and left behind, in which no secret may be. */
  everything(): Map<string, string> {
    // packs hold the pushed bytes and nothing of ours
    const ours = objectsOf(this.emulator).filter(({ name }) => !name.startsWith('pack-'))
    const stored = ours.map(({ name, content }): [string, string] => [`drive:${name}`, content!.bytes.toString('latin1')])
    return new Map([...this.said, ...filesIn(this.sandbox.in('cache')), ...filesIn(this.sandbox.in('config')), ...stored])
  }

  expectNoLeak(): void {
    expect(leaks(this.everything(), this.secrets)).toEqual([])
  }
}

/** Noise of so many bytes makes a pack too large for one request: it takes an upload session. */
const WITH_SESSION = 22_000_000

function watching(use: (watched: Watched) => Promise<void>): Promise<void> {
  return withDrive({}, emulator =>
    withFolder(async folder => {
      const watched = new Watched(emulator, folder)
      makeTree(watched.sandbox.in('data'), { 'big.bin': seededNoise(1, WITH_SESSION), 'a.txt': 'first' })
      await use(watched)
    }),
  )
}

const credentials = (refreshToken: string): string =>
  JSON.stringify({
    type: 'authorized_user',
    client_id: DEFAULT_CLIENT.id,
    client_secret: DEFAULT_CLIENT.secret,
    refresh_token: refreshToken,
  })

test('a planted leak is found: whole or in part, in any form, in what is said, in a cache and on Drive', () =>
  watching(async watched => {
    const { accessToken, refreshToken } = watched.emulator.issueToken()
    await watched.run(['push', 'data'])
    watched.expectNoLeak()
    const planted: [string, string][] = [
      ['config/settings.json', JSON.stringify({ token: accessToken })],
      ['cache/files/a.jsonl', `{"note": "...${refreshToken.slice(20, 50)}..."}`],
      ['cache/log', `client_secret=${encodeURIComponent(DEFAULT_CLIENT.secret!)}`],
      ['cache/binary', `\0\xff${Buffer.from(accessToken).toString('base64')}`],
      ['cache/session', `PUT /upload?upload_id=${[...watched.secrets].find(secret => secret.startsWith('AHmUCY'))!}`],
    ]
    for (const [path, text] of planted) {
      mkdirSync(watched.sandbox.in(path, '..'), { recursive: true })
      writeFileSync(watched.sandbox.in(path), text, 'latin1')
    }
    watched.said.set('a command', `error: the token ${accessToken.slice(0, 40)}… was refused`)
    const found = leaks(watched.everything(), watched.secrets)
    expect(found.sort()).toEqual(['a command', ...planted.map(([path]) => watched.sandbox.in(path))].sort())
  }))

test('whatever test runs the program finds a planted leak, in what is said and in a cache', () =>
  watching(async ({ emulator, sandbox }) => {
    const { accessToken, refreshToken } = emulator.issueToken()
    makeTree(sandbox.in('data'), { 'notes.txt': `my token is ${accessToken}` })
    await sandbox.ok('push', 'data')
    await expect(sandbox.run(['cat', 'data:notes.txt'])).rejects.toThrow(/leaked into stdout of cat/)
    mkdirSync(sandbox.in('cache', 'x'), { recursive: true })
    writeFileSync(sandbox.in('cache', 'x', 'log'), `refreshed ${refreshToken}`)
    await expect(sandbox.run(['log'])).rejects.toThrow(/leaked into .*cache/)
  }))

test('with an access token, with credentials and with a saved login: status, push, pull, log, in every manner of speaking', () =>
  watching(async watched => {
    const { emulator, sandbox } = watched
    const { accessToken } = emulator.issueToken()
    const { refreshToken } = emulator.issueToken()
    const saved = emulator.issueToken().refreshToken
    const client = { id: DEFAULT_CLIENT.id, secret: DEFAULT_CLIENT.secret }
    const rest = { type: 'user', scope: 'https://www.googleapis.com/auth/drive', account: DEFAULT_USER, endsAt: undefined } as const
    await writeLogin(sandbox.in('config', 'login.json'), { ...rest, client, refreshToken: saved, access: undefined })
    const logins: Record<string, string | undefined>[] = [
      { COLAB_ESCAPE_TOKEN: accessToken },
      { COLAB_ESCAPE_TOKEN: undefined, COLAB_ESCAPE_CREDENTIALS: credentials(refreshToken) },
      { COLAB_ESCAPE_TOKEN: undefined },
    ]
    for (const [i, env] of logins.entries()) {
      makeTree(sandbox.in('data'), { 'a.txt': `version ${i}`, 'big.bin': seededNoise(10 + i, WITH_SESSION) })
      for (const args of [
        ['auth', 'status', '--verbose'],
        ['push', 'data', '--verbose', ...(i === 1 ? ['--json'] : [])],
        ['pull', 'data', `out-${i}`, i === 2 ? '--json' : '--verbose'],
      ]) {
        const run = await watched.run(args, env)
        expect(run.code, run.stderr).toBe(0)
      }
    }
    await watched.run(['log', '--token', accessToken, '--verbose'])
    expect(readFileSync(sandbox.in('config', 'login.json'), 'utf8')).toContain(saved)
    // three access tokens, three refresh tokens, those renewed, the client's secret and a session for each large pack
    expect(watched.secrets.size).toBeGreaterThanOrEqual(1 + 4 + 4 + 2 + 3)
    watched.expectNoLeak()
  }))

test('in errors, whatever Drive repeats in its own', () =>
  watching(async watched => {
    const { emulator } = watched
    const { accessToken, refreshToken } = emulator.issueToken()
    const session = `https://www.googleapis.com/upload/drive/v3/files?uploadType=resumable&upload_id=AHmUCY${'x7Q_'.repeat(20)}`
    watched.secrets.add(session.slice(session.indexOf('AHm')))
    const env = { COLAB_ESCAPE_TOKEN: accessToken }
    const echo = `Invalid Credentials: Bearer ${accessToken}, refresh_token=${refreshToken}, ${session}`

    for (const [status, reason] of [
      [403, 'insufficientPermissions'],
      [400, 'badRequest'],
      [404, 'notFound'],
      [401, 'authError'],
    ] as const) {
      // what earlier tries had stored would not be sent again
      makeTree(watched.sandbox.in('data'), { 'big.bin': seededNoise(status, WITH_SESSION) })
      // a folder that is young may not be found at first
      for (const file of emulator.files.values()) Object.assign(file, { createdTime: file.createdTime - 600_000 })
      emulator.faults.add({ on: 'upload.start', nth: 1, times: 3, do: { status, reason, message: echo } })
      const run = await watched.run(['push', 'data', status === 400 ? '--json' : '--verbose'], env)
      expect(run.code, run.stderr).not.toBe(0)
      emulator.faults.clear()
    }
    makeTree(watched.sandbox.in('data'), { 'big.bin': seededNoise(2, WITH_SESSION) })
    // broken connections, told as details of the retries
    emulator.faults.add({ on: 'upload.piece', nth: 1, do: 'reset-after-commit' })
    emulator.faults.add({ on: 'files.list', nth: 1, do: { status: 500, reason: 'internalError', message: echo } })
    const retried = await watched.run(['push', 'data', '--verbose'], env)
    expect([retried.code, retried.stderr]).toEqual([0, expect.stringMatching(/did not list .*retrying in/) as string])
    watched.expectNoLeak()
  }))

test('in errors about who somebody is', () =>
  watching(async watched => {
    const { emulator } = watched
    const { accessToken, refreshToken } = emulator.issueToken()
    const gone = emulator.issueToken()
    emulator.accounts.revoke(gone.refreshToken)
    const tries: [string[], Record<string, string | undefined>, number][] = [
      [['push', 'data'], { COLAB_ESCAPE_TOKEN: gone.accessToken }, 4],
      [['auth', 'status'], { COLAB_ESCAPE_TOKEN: gone.accessToken }, 4],
      [['push', 'data'], { COLAB_ESCAPE_TOKEN: `${accessToken} ${accessToken}` }, 4],
      [['push', 'data'], { COLAB_ESCAPE_TOKEN: undefined, COLAB_ESCAPE_CREDENTIALS: credentials(gone.refreshToken) }, 4],
      [['push', 'data'], { COLAB_ESCAPE_TOKEN: undefined, COLAB_ESCAPE_CREDENTIALS: credentials(refreshToken).slice(0, -2) }, 4],
      [['auth', 'status'], { COLAB_ESCAPE_TOKEN: undefined, COLAB_ESCAPE_CREDENTIALS: refreshToken }, 4],
      [['auth', 'status'], { COLAB_ESCAPE_TOKEN: accessToken, COLAB_ESCAPE_GOOGLE_ENDPOINT: 'http://127.0.0.1:9' }, 1],
      [['push', 'data', '--token', accessToken, '--tokens'], {}, 2],
      [['push', 'nothing-here', '--token', accessToken], {}, 5],
    ]
    for (const [i, [args, env, code]] of tries.entries()) {
      const run = await watched.run([...args, i % 3 === 2 ? '--json' : '--verbose'], env)
      expect([args, run.code]).toEqual([args, code])
    }
    watched.expectNoLeak()
  }))
