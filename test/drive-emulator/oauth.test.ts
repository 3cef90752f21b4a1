import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SCOPES } from './access.ts'
import { DriveClient, errorOf, failure, query, send } from './client.ts'
import type { Answer } from './client.ts'
import { DEFAULT_CLIENT, DEFAULT_USER, startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'

let emulator: DriveEmulator
let now = Date.UTC(2026, 0, 1)

beforeEach(async () => {
  emulator = await startDriveEmulator({ surroundings: { now: () => now }, violations: 'noted' })
})
afterEach(() => emulator.close())

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const post = (path: string, fields: Record<string, string>) => send(emulator.url + path, 'POST', { body: query(fields), headers: FORM })
const errorName = (answer: Answer) => `${answer.status} ${String(answer.json.error)}`

const redirect = 'http://127.0.0.1:4321/'
const verifier = randomBytes(48).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')
const clientFields = { client_id: DEFAULT_CLIENT.id, client_secret: DEFAULT_CLIENT.secret ?? '' }
const request = {
  client_id: DEFAULT_CLIENT.id,
  redirect_uri: redirect,
  response_type: 'code',
  scope: SCOPES.drive,
  state: 'st/a te',
  access_type: 'offline',
  code_challenge: challenge,
  code_challenge_method: 'S256',
}

const authorize = (changes: Record<string, string> = {}, choice = 'approve') =>
  send(`${emulator.url}/o/oauth2/v2/auth?${query({ ...request, ...changes, emulator_consent: choice })}`, 'GET')
const code = async (changes: Record<string, string> = {}) =>
  new URL((await authorize(changes)).headers.get('location') ?? '').searchParams.get('code') ?? ''
const exchange = (given: string, changes: Record<string, string> = {}) =>
  post('/token', {
    grant_type: 'authorization_code',
    code: given,
    redirect_uri: redirect,
    code_verifier: verifier,
    ...clientFields,
    ...changes,
  })
const refresh = (token: string, changes: Record<string, string> = {}) =>
  post('/token', { grant_type: 'refresh_token', refresh_token: token, ...clientFields, ...changes })
const works = async (token: string) => (await new DriveClient(emulator, token).list({})).status

describe('the consent page', () => {
  it('sends back a code with the state, or a refusal', async () => {
    const approved = await authorize()
    const target = new URL(approved.headers.get('location') ?? '')
    expect([approved.status, target.origin, target.searchParams.get('state')]).toEqual([302, 'http://127.0.0.1:4321', 'st/a te'])
    const denied = new URL((await authorize({}, 'deny')).headers.get('location') ?? '')
    expect(Object.fromEntries(denied.searchParams)).toEqual({ error: 'access_denied', state: 'st/a te' })
  })

  it('shows a form that can be sent, or decides by itself', async () => {
    const page = await send(`${emulator.url}/o/oauth2/auth?${query(request)}`, 'GET')
    expect([page.status, page.bytes.toString()]).toEqual([200, expect.stringContaining('<form method="post"')])
    const sent = await send(`${emulator.url}/o/oauth2/v2/auth`, 'POST', {
      body: query({ ...request, emulator_consent: 'approve' }),
      headers: FORM,
    })
    expect(sent.status).toBe(302)
    emulator.consentPage.consent = 'approve'
    expect((await send(`${emulator.url}/o/oauth2/v2/auth?${query(request)}`, 'GET')).status).toBe(302)
  })

  it.each<Record<string, string>>([
    { client_id: 'nobody' },
    { redirect_uri: 'http://example.com/' },
    { redirect_uri: 'https://127.0.0.1:4321/' },
    { redirect_uri: 'http://127.0.0.1.example.com/' },
    { redirect_uri: 'urn:ietf:wg:oauth:2.0:oob' },
    { response_type: 'token' },
    { scope: '' },
    { scope: `${SCOPES.drive} https://www.googleapis.com/auth/nope` },
    { scope: 'drive' },
    { code_challenge: 'short' },
    { code_challenge_method: 'plain' },
    { nope: '1' },
  ])('shows an error and redirects nowhere for %o', async changes => {
    expect((await authorize(changes)).status).toBe(400)
  })

  it('insists on PKCE from an installed app', async () => {
    const bare = new URLSearchParams({ ...request, emulator_consent: 'approve' })
    bare.delete('code_challenge')
    bare.delete('code_challenge_method')
    expect((await send(`${emulator.url}/o/oauth2/v2/auth?${bare.toString()}`, 'GET')).status).toBe(400)
  })
})

describe('the token endpoint', () => {
  it('gives tokens for a code, once, and only to whom it was sent', async () => {
    const given = await code()
    const answer = await exchange(given)
    expect(answer.json).toMatchObject({
      expires_in: 3599,
      token_type: 'Bearer',
      scope: SCOPES.drive,
      refresh_token: expect.any(String) as string,
    })
    expect(await works(String(answer.json.access_token))).toBe(200)
    expect(errorName(await exchange(given))).toBe('400 invalid_grant')
    expect(errorName(await exchange(await code(), { redirect_uri: 'http://127.0.0.1:4322/' }))).toBe('400 redirect_uri_mismatch')
    expect(errorName(await exchange(await code(), { code_verifier: randomBytes(48).toString('base64url') }))).toBe('400 invalid_grant')
    expect(errorName(await exchange(await code(), { code_verifier: '' }))).toBe('400 invalid_grant')
    expect(errorName(await exchange(await code(), { client_secret: 'wrong' }))).toBe('401 invalid_client')
    expect(errorName(await exchange(await code(), { client_id: 'nobody' }))).toBe('401 invalid_client')
    expect(errorName(await exchange('made-up'))).toBe('400 invalid_grant')
    const short = 'x'.repeat(42)
    const challenged = await code({ code_challenge: createHash('sha256').update(short).digest('base64url') })
    expect(errorName(await exchange(challenged, { code_verifier: short }))).toBe('400 invalid_grant')
    const late = await code()
    now += 600_000
    expect(errorName(await exchange(late))).toBe('400 invalid_grant')
  })

  it('gives a refresh token with the first consent, and then when consent is asked for', async () => {
    expect((await exchange(await code({ access_type: 'online' }))).json).not.toHaveProperty('refresh_token')
    expect((await exchange(await code())).json).not.toHaveProperty('refresh_token')
    expect((await exchange(await code({ prompt: 'consent' }))).json).toHaveProperty('refresh_token')
  })

  it('refreshes until the grant is revoked, by whichever of its tokens', async () => {
    const { accessToken, refreshToken } = emulator.issueToken()
    now += 3_599_000
    const expired = await new DriveClient(emulator, accessToken).list({})
    expect([failure(expired), errorOf(expired).status]).toEqual(['401 authError', 'UNAUTHENTICATED'])
    const fresh = String((await refresh(refreshToken)).json.access_token)
    expect(await works(fresh)).toBe(200)
    expect(errorName(await refresh(refreshToken, { client_secret: 'wrong' }))).toBe('401 invalid_client')
    expect((await post('/revoke', { token: fresh })).status).toBe(200)
    expect(await works(fresh)).toBe(401)
    const revoked = await refresh(refreshToken)
    expect([revoked.status, revoked.json]).toEqual([
      400,
      { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' },
    ])
    expect(errorName(await post('/revoke', { token: refreshToken }))).toBe('400 invalid_token')
  })

  it('ends the refresh tokens of an app in testing after a week', async () => {
    emulator.addClient({ id: 'unpublished', testing: true })
    const { refreshToken } = emulator.issueToken({ clientId: 'unpublished' })
    const ask = () => post('/oauth2/v4/token', { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: 'unpublished' })
    expect((await ask()).json).toMatchObject({ refresh_token_expires_in: 7 * 24 * 3600 })
    now += 7 * 24 * 3600 * 1000
    expect(errorName(await ask())).toBe('400 invalid_grant')
  })

  it('refuses what it does not know', async () => {
    expect(errorName(await post('/token', { grant_type: 'password', ...clientFields }))).toBe('400 unsupported_grant_type')
    expect(errorName(await send(`${emulator.url}/token`, 'POST', { body: '{}', headers: { 'content-type': 'application/json' } }))).toBe(
      '400 invalid_request',
    )
  })

  it('tells what a token is good for', async () => {
    const { accessToken } = emulator.issueToken({ scope: `drive ${SCOPES.email}` })
    const info = await send(`${emulator.url}/tokeninfo?access_token=${accessToken}`, 'GET')
    expect(info.json).toMatchObject({
      aud: DEFAULT_CLIENT.id,
      email: DEFAULT_USER,
      expires_in: '3599',
      scope: `${SCOPES.drive} ${SCOPES.email}`,
    })
    expect((await send(`${emulator.url}/tokeninfo?access_token=x`, 'GET')).status).toBe(400)
    const headers = { authorization: `Bearer ${accessToken}` }
    expect((await send(`${emulator.url}/oauth2/v3/userinfo`, 'GET', { headers })).json).toMatchObject({ email: DEFAULT_USER })
  })
})

describe('service accounts', () => {
  const account = 'robot@project.iam.gserviceaccount.com'
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

  function assertion(changes: object = {}, { alg = 'RS256', key = keys.privateKey } = {}): string {
    const iat = Math.floor(now / 1000)
    const claims = { iss: account, scope: SCOPES.drive, aud: 'https://oauth2.googleapis.com/token', iat, exp: iat + 3600, ...changes }
    const text = `${part({ alg, typ: 'JWT' })}.${part(claims)}`
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
  }
  const ask = (signed: string) => post('/token', { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: signed })

  beforeEach(() => {
    emulator.addServiceAccount(account, keys.publicKey.export({ type: 'spki', format: 'pem' }).toString())
  })

  it('come in with a signed claim, and have no storage', async () => {
    const { json } = await ask(assertion())
    expect(json).not.toHaveProperty('refresh_token')
    const client = new DriveClient(emulator, String(json.access_token))
    expect((await client.create({ mimeType: 'application/vnd.google-apps.folder' })).status).toBe(200)
    expect(failure(await client.multipart({}, Buffer.from('x')))).toBe('403 storageQuotaExceeded')
  })

  it('are refused for any flaw in the claim', async () => {
    const seconds = Math.floor(now / 1000)
    const flawed = [
      assertion({ iss: 'nobody' }),
      assertion({ aud: 'https://example.com/token' }),
      assertion({ exp: seconds + 3601 }),
      assertion({ iat: seconds - 7200, exp: seconds - 3600 }),
      assertion({ iat: seconds + 100 }),
      assertion({}, { alg: 'none' }),
      assertion({}, { key: other.privateKey }),
      `${assertion()}.x`,
      'x.y.z',
    ]
    for (const claim of flawed) expect(errorName(await ask(claim))).toBe('400 invalid_grant')
    expect(errorName(await ask(assertion({ sub: DEFAULT_USER })))).toBe('401 unauthorized_client')
    expect(errorName(await ask(assertion({ scope: 'nope' })))).toBe('400 invalid_scope')
  })
})

describe("Colab's credentials broker", () => {
  const path = '/computeMetadata/v1/instance/service-accounts/default'
  const ask = (more = '', headers: Record<string, string> = { 'metadata-flavor': 'Google' }) =>
    send(emulator.url + path + more, 'GET', { headers })

  it('has no account until the user consents', async () => {
    for (const more of ['', '/', '/token', '/?recursive=true']) expect((await ask(more)).status).toBe(404)
    emulator.consentInColab()
    const first = await ask(`/token?scopes=${encodeURIComponent(SCOPES.drive)}`)
    expect(first.json).toEqual({ access_token: expect.any(String) as string, expires_in: 3599, token_type: 'Bearer' })
    expect(first.headers.get('metadata-flavor')).toBe('Google')
    expect(await works(String(first.json.access_token))).toBe(200)
    expect((await ask('/?recursive=true')).json).toMatchObject({ email: DEFAULT_USER, scopes: [SCOPES.drive, SCOPES.email] })
    expect((await ask('/email')).bytes.toString()).toBe(DEFAULT_USER)
    expect((await ask('/nope')).status).toBe(404)
  })

  it('wants its header, and renews a token near its end', async () => {
    emulator.consentInColab()
    expect((await ask('/token', {})).status).toBe(403)
    const token = async () => (await ask('/token')).json.access_token
    const first = await token()
    expect(await token()).toBe(first)
    now += 3_300_000
    expect(await token()).not.toBe(first)
  })
})
