import { execFileSync, spawn } from 'node:child_process'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { expectError, resultOf, type CliOptions, type CliResult } from '../helpers/cli.ts'
import { onMachine, PROGRAM } from './machine.ts'
import { CLIENT, SECRETS } from './world.ts'

test('login, status, export, logout', () =>
  onMachine(async machine => {
    const { google, loginFile, auth } = machine
    const login = await machine.logIn()
    expect(login.stdout).toContain('Logged in as someone@example.com (drive: all files of your Drive')
    expect(login.stdout).toContain(loginFile)
    expect((await stat(loginFile)).mode & 0o777).toBe(0o600)

    const status = await auth(['status', '--verbose'])
    expect(status.code, status.stderr).toBe(0)
    expect(status.stdout).toMatch(/^account +someone@example\.com \(someone\)$/m)
    expect(status.stdout).toMatch(/^by +saved login of someone@example\.com \(drive\)$/m)
    expect(status.stdout).toMatch(/^token +ends in (59 m|1 h)/m)
    const json = resultOf(await auth(['status', '--json']))
    expect(json).toMatchObject({ account: 'someone@example.com', kind: 'saved-login', scope: 'drive', loginEnds: null })
    // the token that came with the login was enough for all of it
    expect(google.counts['oauth.token']).toBe(1)

    const refused = expectError(await auth(['export']), 2, /asks before/)
    expect(refused.hint).toContain('--yes')
    const exported = await auth(['export', '--yes'])
    const credentials = JSON.parse(exported.stdout) as Record<string, string>
    const saved = JSON.parse(await readFile(loginFile, 'utf8')) as Record<string, string>
    expect(credentials).toEqual({
      type: 'authorized_user',
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      refresh_token: saved.refresh_token,
    })
    const elsewhere = { COLAB_ESCAPE_CREDENTIALS: exported.stdout, COLAB_ESCAPE_CONFIG: machine.in('elsewhere') }
    expect((await auth(['status'], { env: elsewhere })).stdout).toMatch(/^from +COLAB_ESCAPE_CREDENTIALS$/m)

    expect((await auth(['logout', '--json'])).code).toBe(0)
    expectError(await auth(['status']), 4, /not logged in/)
    const ended = expectError(await auth(['status', '--verbose'], { env: elsewhere }).then(withoutStack), 4, /invalid_grant/)
    expect(ended.hint).toContain('colab-escape auth login')
    expect(resultOf(await auth(['logout', '--json']))).toMatchObject({ removed: false, revoked: false })
  }))

/** `--verbose` shows stack traces, which `expectError` forbids. */
function withoutStack(run: CliResult): CliResult {
  const lines = run.stderr.split('\n')
  return { ...run, stderr: `${lines.slice(0, lines.findIndex(line => line.startsWith('  -> ')) + 1).join('\n')}\n` }
}

test('a revoked login: exit code 4, the command that cures it, and it does without the client being named again', () =>
  onMachine(async ({ google, auth, logIn, withBrowser, loginFile }) => {
    expect(resultOf(await logIn('--json'))).toMatchObject({ account: 'someone@example.com', scope: 'drive', ends: null })
    const saved = JSON.parse(await readFile(loginFile, 'utf8')) as Record<string, string>
    google.accounts.revoke(saved.refresh_token!)
    const { hint } = expectError(
      await auth(['status']),
      4,
      /Google refuses the saved login of someone@example\.com \(drive\): invalid_grant/,
    )
    expect(hint).toContain('Run `colab-escape auth login` again')
    expect(hint).toContain('7 days')
    const json = await auth(['status', '--json'])
    expect(json.code).toBe(4)
    expect(JSON.parse(json.stdout.trim().split('\n').at(-1)!)).toMatchObject({ event: 'error', code: 'unauthenticated' })
    const again = await auth(['login', '--scope', 'drive.file'], { env: await withBrowser('approve') })
    expect(again.stdout).toContain('drive.file: only files that this same OAuth client made')
    expect((await auth(['status'])).code).toBe(0)
  }))

test('who denies access in the browser gets exit code 4 and no login', () =>
  onMachine(async ({ auth, withBrowser }) => {
    const env = { ...(await withBrowser('deny')), GOOGLE_CLIENT_ID: CLIENT.id, GOOGLE_CLIENT_SECRET: CLIENT.secret }
    expectError(await auth(['login'], { env }), 4, /denied/)
    expectError(await auth(['status']), 4, /not logged in/)
  }))

test('login --no-browser takes the pasted address from a stdin that stays open', () =>
  onMachine(async ({ env, loginFile, in: inside }) => {
    await writeFile(inside('.env'), `GOOGLE_CLIENT_ID=${CLIENT.id}\nGOOGLE_CLIENT_SECRET=${CLIENT.secret}\n`)
    const child = spawn(process.execPath, [PROGRAM, 'auth', 'login', '--no-browser', '--settings-file', '.env'], {
      cwd: inside('.'),
      env: { ...process.env, ...env },
      stdio: 'pipe',
    })
    let shown = ''
    const pasted = new Promise<void>((resolve, reject) => {
      child.once('close', () => resolve())
      child.stderr.on('data', (piece: Buffer) => {
        shown += piece.toString()
        const url = /^(http\S+)$[\s\S]*Paste it here: $/m.exec(shown)?.[1]
        if (url === undefined) return
        child.stderr.removeAllListeners('data')
        child.stderr.on('data', (more: Buffer) => (shown += more.toString()))
        fetch(`${url}&emulator_consent=approve`, { redirect: 'manual' }).then(
          response => child.stdin.write(`${response.headers.get('location')}\n`),
          reject,
        )
      })
    })
    child.stdout.on('data', (piece: Buffer) => (shown += piece.toString()))
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    await pasted
    expect(await ended, shown).toBe(0)
    expect(shown).toContain('Logged in as someone@example.com')
    expect(shown).not.toMatch(SECRETS)
    expect((await stat(loginFile)).mode & 0o777).toBe(0o600)
  }))

test('login says what it lacks: a client, a client file, an answer, a browser', () =>
  onMachine(async ({ auth, in: inside }) => {
    expect(expectError(await auth(['login']), 2, /No OAuth client/).hint).toContain('colab-escape auth setup')
    expect(expectError(await auth(['login', '--client-secret-file', 'none.json']), 2, /can't be read/).hint).toContain('auth setup')
    for (const path of ['/dev/zero', '.', 'large.json']) {
      await writeFile(inside('large.json'), ' '.repeat(100_000))
      expectError(await auth(['login', '--client-secret-file', path]), 2, /--client-secret-file can't be read: it is/)
    }
    execFileSync('mkfifo', [inside('pipe')])
    expectError(await auth(['login', '--client-secret-file', 'pipe']), 2, /it is not a regular file/)
    const client = { GOOGLE_CLIENT_ID: CLIENT.id, GOOGLE_CLIENT_SECRET: CLIENT.secret }
    expect((await auth(['login', '--no-browser'], { env: client, input: '' })).code).toBe(2)
    expect((await auth(['login', '--scope', 'gmail'], { env: client })).code).toBe(2)
    await mkdir(inside('empty'))
    const noBrowser = { ...client, PATH: inside('empty') }
    const stop: CliOptions['kill'] = { signal: 'SIGINT', when: stdout => stdout.includes('No browser could be opened') }
    const stopped = await auth(['login', '--json'], { env: noBrowser, kill: stop })
    expect(stopped.code, stopped.stdout).toBe(130)
    expect(stopped.stdout).toMatch(/Opening your browser.*http:\/\/127\.0\.0\.1:\d+\/o\/oauth2\/v2\/auth\?/)
    expect(stopped.stdout).toContain('--no-browser')
  }))

test('a client in testing and a Drive API that is off are told at the login', () =>
  onMachine(async ({ google, auth, logIn }) => {
    google.addClient({ ...CLIENT, testing: true })
    google.faults.add({ on: 'about.get', nth: 1, do: { status: 403, reason: 'accessNotConfigured' } })
    const login = await logIn()
    expect(login.stderr).toMatch(/warning: .*Drive API is not enabled.*console\.cloud\.google\.com/)
    expect(login.stderr).toMatch(/warning: This login ends at 20.*publish/)
    expect((await auth(['status'])).stdout).toMatch(/^login +ends at 20/m)
  }))

test('status shows the room that is left', () =>
  onMachine(async ({ google, auth }) => {
    google.addUser('full@x', { quota: 15e9 })
    const { accessToken } = google.issueToken({ user: 'full@x' })
    const given = await auth(['status'], { env: { COLAB_ESCAPE_TOKEN: accessToken } })
    expect(given.stdout).toMatch(/^space +0 B of 15\.0 GB used, 15\.0 GB free$/m)
    expect(given.stdout).toMatch(/^from +COLAB_ESCAPE_TOKEN or --token$/m)
  }))

test("in a Colab notebook: the cell to run, then the notebook's own credentials", () =>
  onMachine(async ({ google, auth }) => {
    const env = { TBE_EPHEM_CREDS_ADDR: new URL(google.url).host, USE_AUTH_EPHEM: '1' }
    expect(expectError(await auth(['status'], { env }), 4, /no credentials yet/).hint).toContain('auth.authenticate_user()')
    google.consentInColab()
    const status = await auth(['status'], { env })
    expect(status.stdout).toMatch(/^by +Colab's credentials$/m)
    // with USE_AUTH_EPHEM=0 they are in a file
    expectError(await auth(['status'], { env: { ...env, USE_AUTH_EPHEM: '0' } }), 4, /not logged in/)
  }))

test('logout removes a login that Google could not be told about, and says so', () =>
  onMachine(async ({ google, auth, logIn, loginFile }) => {
    await logIn()
    google.faults.add({ on: 'oauth.revoke', nth: 1, do: 'reset-before' })
    const offline = await auth(['logout'])
    expect(offline.code).toBe(3)
    expect(offline.stderr).toContain('https://myaccount.google.com/connections')
    await writeFile(loginFile, 'damaged')
    await chmod(loginFile, 0o600)
    expectError(await auth(['status']), 4, /damaged/)
    expect((await auth(['logout'])).code).toBe(3)
    expectError(await auth(['status']), 4, /not logged in/)
  }))

test('setup names each page, as text and as JSON', () =>
  onMachine(async ({ auth }) => {
    const text = (await auth(['setup'])).stdout
    for (const page of ['projectcreate', 'apis/library/drive.googleapis.com', 'auth/audience', 'auth/clients'])
      expect(text).toContain(`https://console.cloud.google.com/${page}`)
    expect(resultOf<{ steps: unknown[] }>(await auth(['setup', '--json'])).steps.length).toBe(6)
  }))
