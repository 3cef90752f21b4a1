import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readAccount } from '../../src/auth/account.ts'
import { isUsable, chooseCredentials, type CredentialChoice, type CredentialSettings } from '../../src/auth/choose.ts'
import { parseCredentials, toAuthorizedUser } from '../../src/auth/credentials.ts'
import { revokeToken } from '../../src/auth/token-endpoint.ts'
import { readLogin, writeLogin, type SavedLogin } from '../../src/auth/token-file.ts'
import { AppError } from '../../src/util/errors.ts'
import type { EmulatorOptions } from '../drive-emulator/emulator.ts'
import { withFolder } from '../helpers/folders.ts'
import { CLIENT, failure, withWorld, type World } from './world.ts'

interface Place extends World {
  settings: CredentialSettings
  choose: (more?: Partial<CredentialSettings>) => Promise<CredentialChoice>
  /** Saves a login of `user` whose last access token is over. */
  logIn: (user?: string, more?: Partial<SavedLogin>) => Promise<SavedLogin>
  file: (name: string, json: object) => Promise<string>
}

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const ROBOT = 'robot@project.iam.gserviceaccount.com'
const robotKey = {
  type: 'service_account',
  client_email: ROBOT,
  private_key_id: 'k1',
  private_key: privateKey,
  token_uri: 'http://evil.example/token',
}

function withPlace<T>(use: (place: Place) => Promise<T>, options?: EmulatorOptions): Promise<T> {
  return withFolder(folder =>
    withWorld(async world => {
      const settings: CredentialSettings = {
        token: undefined,
        credentials: undefined,
        applicationCredentials: undefined,
        loginFile: join(folder, 'login.json'),
        colabBroker: undefined,
      }
      const choose: Place['choose'] = async more => (await chooseCredentials({ ...settings, ...more }, world.context))!
      const logIn: Place['logIn'] = async (user = 'someone@example.com', more = {}) => {
        const { refreshToken } = world.google.issueToken({ user })
        const scope = 'https://www.googleapis.com/auth/drive'
        const login: SavedLogin = {
          type: 'user',
          client: CLIENT,
          refreshToken,
          scope,
          account: user,
          endsAt: undefined,
          access: undefined,
          ...more,
        }
        await writeLogin(settings.loginFile, login)
        return login
      }
      const file: Place['file'] = async (name, json) => {
        await writeFile(join(folder, name), JSON.stringify(json))
        return join(folder, name)
      }
      return await use({ ...world, settings, choose, logIn, file })
    }, options),
  )
}

test('the sources come in their order, and without any there is none', () =>
  withPlace(async place => {
    const { google, context, settings, choose } = place
    const user = (email: string) =>
      toAuthorizedUser({ type: 'user', client: CLIENT, refreshToken: google.issueToken({ user: email }).refreshToken })
    for (const email of ['env@x', 'file@x', 'saved@x', 'colab@x', 'token@x']) google.addUser(email)
    google.consentInColab({ user: 'colab@x' })
    const all: Partial<CredentialSettings> = {
      token: google.issueToken({ user: 'token@x' }).accessToken,
      credentials: JSON.stringify(user('env@x')),
      applicationCredentials: await place.file('adc.json', user('file@x')),
      colabBroker: new URL(google.url).host,
    }
    const login = await place.logIn('saved@x')
    const steps: [keyof CredentialSettings | 'saved', string, string][] = [
      ['token', 'token', 'token@x'],
      ['credentials', 'credentials', 'env@x'],
      ['applicationCredentials', 'application-credentials', 'file@x'],
      ['saved', 'saved-login', 'saved@x'],
      ['colabBroker', 'colab', 'colab@x'],
    ]
    for (const [step, kind, email] of steps) {
      const chosen = await choose(all)
      expect(chosen.kind).toBe(kind)
      expect((await readAccount(context, chosen.source)).email).toBe(email)
      if (step === 'saved') all.loginFile = `${settings.loginFile}.none`
      else delete all[step]
    }
    expect(await choose(all)).toBeUndefined()
    expect((await readLogin(settings.loginFile))?.refreshToken).toBe(login.refreshToken)
  }))

test('a given access token is used as it is, until it is refused', () =>
  withPlace(async ({ google, context, choose }) => {
    const { accessToken } = google.issueToken({ expiresInMs: 0 })
    const { source } = await choose({ token: accessToken })
    expect(await source.getToken()).toBe(accessToken)
    const error = await failure(readAccount(context, source))
    expect(error.code).toBe('unauthenticated')
    expect(error.message).toContain('COLAB_ESCAPE_TOKEN')
    for (const token of ['two words', 'line\r\nbreak', 'ü']) expect((await failure(choose({ token }))).code).toBe('unauthenticated')
  }))

test('a saved login is refreshed when it must be, and the next process finds the token', () =>
  withPlace(async ({ google, clock, settings, choose, logIn }) => {
    await logIn()
    const chosen = await choose()
    expect(chosen.source.description).toBe('saved login of someone@example.com (drive)')
    const token = await chosen.source.getToken()
    expect((await readLogin(settings.loginFile))?.access?.token).toBe(token)
    expect(await (await choose()).source.getToken()).toBe(token)
    expect(google.counts['oauth.token']).toBe(1)
    clock.now += 3_600_000
    expect(await chosen.source.getToken()).not.toBe(token)
    expect(google.counts['oauth.token']).toBe(2)
  }))

test('a token refused with 401 causes one refresh, and the call succeeds', () =>
  withPlace(async ({ google, context, choose, logIn }) => {
    await logIn()
    const { source } = await choose()
    await source.getToken()
    google.accounts.expireAccessTokens()
    const accounts = await Promise.all(Array.from({ length: 5 }, () => readAccount(context, source)))
    expect(accounts[4]?.email).toBe('someone@example.com')
    expect(google.counts['oauth.token']).toBe(2)
  }))

test('when another process has refreshed already, its token is taken', () =>
  withPlace(async ({ google, choose, logIn }) => {
    await logIn()
    const [one, two] = [await choose(), await choose()]
    const old = await one.source.getToken()
    await two.source.getToken()
    const fresh = await one.source.getToken({ refuse: old })
    expect(await two.source.getToken({ refuse: old })).toBe(fresh)
    expect(google.counts['oauth.token']).toBe(2)
  }))

test('two who refresh at the same time leave a whole file with one of the two tokens', () =>
  withPlace(async ({ settings, choose, logIn }) => {
    const login = await logIn()
    const sources = await Promise.all(Array.from({ length: 8 }, () => choose()))
    const tokens = await Promise.all(sources.map(({ source }) => source.getToken()))
    const after = await readLogin(settings.loginFile)
    expect(after).toEqual({ ...login, access: after?.access })
    expect(tokens).toContain(after?.access?.token)
  }))

test('a revoked login is unauthenticated: what cures it, and the rule of seven days', () =>
  withPlace(async ({ context, choose, logIn }) => {
    const login = await logIn()
    await revokeToken(context, login.refreshToken)
    const error = await failure((await choose()).source.getToken())
    expect(error.code).toBe('unauthenticated')
    expect(error.message).toContain('saved login of someone@example.com')
    expect(error.hint).toMatch(/^Run `colab-escape auth login` again\..*7 days.*"testing".*publish/)
  }))

test('a login with a client in testing ends after a week', () =>
  withPlace(async ({ google, clock, choose, logIn }) => {
    google.addClient({ id: 'young', secret: CLIENT.secret, testing: true })
    const { refreshToken } = google.issueToken({ clientId: 'young' })
    await logIn('someone@example.com', { client: { id: 'young', secret: CLIENT.secret }, refreshToken })
    const { source } = await choose()
    await source.getToken()
    clock.now += 7 * 86_400_000
    expect((await failure(source.getToken())).hint).toContain('7 days')
  }))

test('a login that vanishes or becomes that of another account ends the run', () =>
  withPlace(async ({ google, settings, choose, logIn }) => {
    await logIn()
    const { source } = await choose()
    google.addUser('other@example.com')
    await logIn('other@example.com')
    expect((await failure(source.getToken())).message).toContain('other@example.com')
    await writeFile(settings.loginFile, '')
    expect((await failure(source.getToken())).message).toContain('damaged')
    expect((await failure(choose())).message).toContain('damaged')
  }))

test('a service account signs for itself, with a word about its missing quota', () =>
  withPlace(async ({ google, context, choose, file }) => {
    google.addServiceAccount(ROBOT, publicKey)
    const chosen = await choose({ applicationCredentials: await file('robot.json', robotKey) })
    expect((await readAccount(context, chosen.source)).email).toBe(ROBOT)
    expect(chosen.note).toContain('no storage quota')
    expect((await choose({ credentials: JSON.stringify(robotKey) })).note).toContain('Unset COLAB_ESCAPE_CREDENTIALS to use')
    const bad = { ...robotKey, private_key: '-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n' }
    const { source } = await choose({ credentials: JSON.stringify(bad) })
    const error = await failure(source.getToken())
    expect(error.code).toBe('unauthenticated')
    expect(error.message).toContain(ROBOT)
  }))

test('a service account that Google does not know is told what to check', () =>
  withPlace(async ({ choose }) => {
    const { source } = await choose({ credentials: JSON.stringify(robotKey) })
    expect((await failure(source.getToken())).hint).toContain('clock')
  }))

test('what is set but unusable is an error that names it, never passed over', () =>
  withPlace(async ({ choose, logIn, file }) => {
    await logIn()
    expect((await failure(choose({ credentials: 'not json' }))).message).toContain('COLAB_ESCAPE_CREDENTIALS')
    expect((await failure(choose({ credentials: '{"type":"authorized_user","client_id":"x"}' }))).message).toContain('refresh_token')
    expect((await failure(choose({ credentials: '{"type":"external_account"}' }))).message).toContain('external_account')
    expect((await failure(choose({ credentials: '{"installed":{}}' }))).hint).toContain('--client-secret-file')
    const error = await failure(choose({ applicationCredentials: '/nowhere/adc.json' }))
    expect(error.code).toBe('unauthenticated')
    expect(error.hint).toContain('GOOGLE_APPLICATION_CREDENTIALS')
    expect((await failure(choose({ applicationCredentials: await file('empty.json', {}) }))).message).toContain('empty.json')
  }))

test('any text is credentials, or refused by name', () => {
  const field = fc.oneof(fc.jsonValue(), fc.constantFrom('authorized_user', 'service_account'))
  const names = ['type', 'client_id', 'client_secret', 'refresh_token', 'client_email', 'private_key', 'installed', 'web']
  const json = fc.dictionary(fc.constantFrom(...names), field).map(value => JSON.stringify(value))
  fc.assert(
    fc.property(fc.oneof(fc.string(), json), text => {
      try {
        parseCredentials(text, 'it')
      } catch (error) {
        expect(error).toBeInstanceOf(AppError)
      }
    }),
    { seed: 21 },
  )
})

test("Colab's broker: before the person agreed the error is the cell to run, afterwards it gives tokens", () =>
  withPlace(async ({ google, context, choose }) => {
    const chosen = await choose({ colabBroker: new URL(google.url).host })
    const { source } = chosen
    const error = await failure(source.getToken())
    expect(error.code).toBe('unauthenticated')
    expect(error.hint).toContain('from google.colab import auth; auth.authenticate_user()')
    expect(await isUsable(chosen)).toBe(false)
    google.consentInColab()
    expect(await isUsable(chosen)).toBe(true)
    expect((await readAccount(context, source)).email).toBe('someone@example.com')
    expect(google.requests.at(-2)?.path).toBe('/computeMetadata/v1/instance/service-accounts/default/token')
  }))

test("where Colab's broker is not there the metadata server is asked, and if that is not there either the broker is blamed", () =>
  withPlace(async ({ google, context, settings }) => {
    google.consentInColab()
    const asked: string[] = []
    let metadataServer = true
    const redirecting: typeof fetch = (input, init) => {
      const url = new URL(input)
      asked.push(url.hostname)
      if (url.hostname === '172.28.0.1' || !metadataServer)
        return Promise.reject(new TypeError('fetch failed', { cause: new Error('EHOSTUNREACH') }))
      return fetch(`${google.url}${url.pathname}`, init)
    }
    const inColab = { ...settings, colabBroker: '172.28.0.1:8009' }
    const chosen = (await chooseCredentials(inColab, { ...context, fetch: redirecting }))!
    expect(await chosen.source.getToken()).toMatch(/^ya29\./)
    expect(asked).toEqual(['172.28.0.1', 'metadata.google.internal'])
    metadataServer = false
    const error = await failure(chosen.source.getToken({ refuse: chosen.source.last!.token }))
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain('172.28.0.1:8009')
  }))

test("a no of Colab's broker is not the last word, and a token that Google refused is no answer", () =>
  withPlace(async ({ google, context, settings }) => {
    // the broker knows of no consent, or repeats a token; the metadata server is Google's, as the emulator plays it
    const asked: string[] = []
    const ofBroker: object[] = []
    let agreed = true
    const redirecting: typeof fetch = (input, init) => {
      const url = new URL(input)
      asked.push(url.hostname)
      if (url.hostname !== '172.28.0.1' && agreed) return fetch(`${google.url}${url.pathname}`, init)
      return Promise.resolve(
        ofBroker.length === 0 || url.hostname !== '172.28.0.1' ? new Response('Not Found', { status: 404 }) : Response.json(ofBroker[0]),
      )
    }
    const source = async () =>
      (await chooseCredentials({ ...settings, colabBroker: '172.28.0.1:8009' }, { ...context, fetch: redirecting }))!.source
    const none = await failure((await source()).getToken())
    expect(none).toMatchObject({ code: 'unauthenticated', message: 'This notebook has no credentials yet.' })
    google.consentInColab()
    const token = await (await source()).getToken()
    expect(token).toMatch(/^ya29\./)
    expect(asked).toEqual(['172.28.0.1', 'metadata.google.internal', '172.28.0.1', 'metadata.google.internal'])

    // one that has ended is no answer either
    ofBroker.push({ access_token: 'ya29.of-yesterday', expires_in: 0 })
    expect(await (await source()).getToken()).toMatch(/^ya29\.(?!of-yesterday)/)
    agreed = false
    const past = await failure((await source()).getToken())
    expect([past.code, past.message]).toEqual([
      'unauthenticated',
      "The token of Colab's credentials has ended, and Colab has not renewed it.",
    ])
    expect(past.hint).toContain("Keep the notebook's tab open")
    agreed = true

    ofBroker[0] = { access_token: 'ya29.of-the-broker', expires_in: 2800 }
    expect(await (await source()).getToken()).toBe('ya29.of-the-broker')
    expect(await (await source()).getToken({ refuse: 'ya29.of-the-broker' })).toMatch(/^ya29\.(?!of-the-broker)/)
    agreed = false
    const repeated = await failure((await source()).getToken({ refuse: 'ya29.of-the-broker' }))
    expect(repeated.message).toBe("Google refuses the token of Colab's credentials, and Colab has no other.")
    expect(repeated.hint).toContain('from google.colab import auth; auth.authenticate_user()')
  }))

test("Drive's own answers: API off, no permission, no limit, trouble", () =>
  withPlace(async ({ google, context, choose }) => {
    google.addUser('small@x', { quota: 15_000_000_000, name: 'Small Person' })
    const ask = async (options: Parameters<typeof google.issueToken>[0] = {}) =>
      readAccount(context, (await choose({ token: google.issueToken(options).accessToken })).source)
    expect(await ask()).toEqual({ email: 'someone@example.com', name: 'someone', used: 0, limit: undefined })
    expect(await ask({ user: 'small@x' })).toEqual({ email: 'small@x', name: 'Small Person', used: 0, limit: 15_000_000_000 })
    expect((await failure(ask({ scope: 'openid' }))).code).toBe('unauthenticated')
    google.faults.add({ on: 'about.get', nth: 1, do: { status: 403, reason: 'accessNotConfigured' } })
    const off = await failure(ask())
    expect(off.code).toBe('denied')
    expect(off.hint).toContain('https://console.cloud.google.com/apis/library/drive.googleapis.com')
    google.faults.add({ on: 'about.get', nth: 1, do: 'html-error' })
    expect((await failure(ask())).code).toBe('unavailable')
  }))
