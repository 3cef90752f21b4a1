import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { beginAuthorization, finishAuthorization, readPasted, type Authorization } from '../../src/auth/authorization.ts'
import { parseClientFile, shortScope, type ClientFile } from '../../src/auth/credentials.ts'
import { authorizeInBrowser, type LoopbackOptions } from '../../src/auth/loopback.ts'
import type { SavedLogin } from '../../src/auth/token-file.ts'
import { CLIENT, failure, withWorld, type World } from './world.ts'

const DESKTOP: ClientFile = { ...CLIENT, redirectUri: undefined }

/** Where the browser of somebody who allows (or denies) access is sent to. */
async function sentTo(url: string, consent: 'approve' | 'deny' = 'approve'): Promise<string> {
  const response = await fetch(`${url}&emulator_consent=${consent}`, { redirect: 'manual' })
  expect(response.status, await response.clone().text()).toBe(302)
  return response.headers.get('location')!
}

interface Login {
  login: SavedLogin
  authorization: Authorization
}

/** A whole login, in which the person does `browse` with the address that is opened. */
async function logIn({ context }: World, browse: (url: string) => Promise<unknown>, more: Partial<LoopbackOptions> = {}): Promise<Login> {
  let browsing: Promise<unknown> = Promise.resolve()
  const open = (url: string): void => {
    browsing = browse(url)
  }
  try {
    const { authorization, code } = await authorizeInBrowser({ client: DESKTOP, scope: 'drive', open, ...more }, context)
    return { authorization, login: await finishAuthorization(authorization, code, context) }
  } finally {
    await browsing
  }
}

async function isClosed(address: string): Promise<boolean> {
  return fetch(address).then(
    () => false,
    () => true,
  )
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

test('a login through the browser: consent, page, tokens, and the server is closed', () =>
  withWorld(async world => {
    let page: Response | undefined
    const { login, authorization } = await logIn(world, async url => {
      page = await fetch(await sentTo(url))
      expect(await page.text()).toContain('close this page')
    })
    expect(page?.status).toBe(200)
    expect(page?.headers.get('content-type')).toContain('text/html')
    expect(login.refreshToken).toMatch(/^1\/\/0/)
    expect(login.access?.token).toMatch(/^ya29\./)
    expect(login.endsAt).toBeUndefined()
    expect(shortScope(login.scope)).toBe('drive')
    expect(authorization.redirectUri).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
    expect(await isClosed(authorization.redirectUri)).toBe(true)
  }))

test('the request carries PKCE, state, and what makes Google give a refresh token each time', () =>
  withWorld(async ({ context }) => {
    const one = beginAuthorization(CLIENT, 'drive.file', 'http://127.0.0.1:50000/', context)
    const two = beginAuthorization(CLIENT, 'drive.file', 'http://127.0.0.1:50000/', context)
    const query = new URL(one.url).searchParams
    expect(query.get('code_challenge_method')).toBe('S256')
    expect(query.get('scope')).toBe('https://www.googleapis.com/auth/drive.file')
    expect([query.get('access_type'), query.get('prompt')]).toEqual(['offline', 'consent'])
    expect(one.verifier).toMatch(/^[\w-]{64}$/)
    expect(one.url).not.toContain(one.verifier)
    expect(one.url).not.toContain(CLIENT.secret)
    expect(new Set([one.state, two.state, one.verifier, two.verifier]).size).toBe(4)
  }))

test('a stolen code is worth nothing without the verifier', () =>
  withWorld(async world => {
    const authorization = beginAuthorization(CLIENT, 'drive', 'http://127.0.0.1:50000/', world.context)
    const code = new URL(await sentTo(authorization.url)).searchParams.get('code')!
    const thief = { ...authorization, verifier: 'x'.repeat(64) }
    expect((await failure(finishAuthorization(thief, code, world.context))).message).toContain('invalid_grant')
    // and it works once at most
    expect((await failure(finishAuthorization(authorization, code, world.context))).code).toBe('unauthenticated')
  }))

test('answers of other logins, icons and strange requests are turned away, and the right answer still counts', () =>
  withWorld(async world => {
    const { login } = await logIn(world, async url => {
      const right = new URL(await sentTo(url))
      const status = async (address: string | URL, init?: RequestInit) => (await fetch(address, init)).status
      const wrong = new URL(right)
      wrong.searchParams.set('state', 'another')
      expect(await status(wrong)).toBe(400)
      wrong.searchParams.delete('state')
      expect(await status(wrong)).toBe(400)
      expect(await status(`${right.origin}/?error=access_denied`)).toBe(400)
      expect(await status(`${right.origin}/?state=${right.searchParams.get('state')}`)).toBe(400)
      expect(await status(`${right.origin}/favicon.ico`)).toBe(404)
      expect(await status(`${right.origin}/`)).toBe(404)
      expect(await status(`${right.origin}//`)).toBe(404)
      expect(await status(right, { method: 'POST' })).toBe(404)
      expect(await status(right)).toBe(200)
    })
    expect(login.refreshToken).toMatch(/^1\/\/0/)
  }))

test('who denies access is told so, in the browser and here', () =>
  withWorld(async world => {
    const error = await failure(
      logIn(world, async url => {
        const page = await fetch(await sentTo(url, 'deny'))
        expect(page.status).toBe(403)
        expect(await page.text()).toContain('refused')
      }),
    )
    expect(error.code).toBe('unauthenticated')
    expect(error.message).toContain('denied')
  }))

test('nobody waits for ever, an interrupt ends the waiting, and both close the server', () =>
  withWorld(async world => {
    const opened: string[] = []
    const open = async (url: string) => opened.push(new URL(url).searchParams.get('redirect_uri')!)
    const late = await failure(logIn(world, open, { timeoutMs: 30 }))
    expect(late.code).toBe('unauthenticated')
    expect(late.hint).toContain('--no-browser')
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 30)
    expect((await failure(logIn(world, open, { signal: stop.signal }))).code).toBe('interrupted')
    expect(await Promise.all(opened.map(isClosed))).toEqual([true, true])
  }))

test('a web client listens at its registered address; where that is taken the error names the way out', () =>
  withWorld(async world => {
    const redirectUri = `http://127.0.0.1:${await freePort()}/back`
    const client = { ...world.google.addClient({ id: 'web', secret: 'web-secret', type: 'web', redirectUris: [redirectUri] }), redirectUri }
    const { authorization } = await logIn(
      world,
      async url => {
        const taken = await failure(logIn(world, async () => undefined, { client: { ...client, secret: 'web-secret' } }))
        expect(taken.hint).toContain('--no-browser')
        expect((await fetch(await sentTo(url))).status).toBe(200)
      },
      { client: { ...client, secret: 'web-secret' } },
    )
    expect(authorization.redirectUri).toBe(redirectUri)
  }))

test('what is pasted may be the whole address or the code alone', () =>
  withWorld(async world => {
    const begin = () => beginAuthorization(CLIENT, 'drive', 'http://127.0.0.1:50000/', world.context)
    const variants: ((address: string) => string)[] = [
      address => address,
      address => `  ${address}\r\n`,
      address => `${address}#`,
      address => address.replace('http://', ''),
      address => new URL(address).search.slice(1),
      address => new URL(address).searchParams.get('code')!,
      address => encodeURIComponent(new URL(address).searchParams.get('code')!),
    ]
    for (const variant of variants) {
      const authorization = begin()
      const code = readPasted(variant(await sentTo(authorization.url)), authorization)
      expect((await finishAuthorization(authorization, code, world.context)).refreshToken).toMatch(/^1\/\/0/)
    }
    const authorization = begin()
    const paste = async (text: string) => readPasted(text, authorization)
    expect((await failure(paste(await sentTo(begin().url)))).message).toContain('another login')
    expect((await failure(paste(await sentTo(authorization.url, 'deny')))).message).toContain('denied')
    for (const text of ['', 'yes', 'https://accounts.google.com/', authorization.redirectUri, '%', 'a b c d e f g h i'])
      expect((await failure(paste(text))).code).toBe('usage')
  }))

test('a login without access to Drive, or without a refresh token, is none', () =>
  withWorld(async world => {
    const authorization = beginAuthorization(CLIENT, 'drive', 'http://127.0.0.1:50000/', world.context)
    const other = authorization.url.replace(/scope=[^&]*/, 'scope=openid')
    const unticked = new URL(await sentTo(other)).searchParams.get('code')!
    expect((await failure(finishAuthorization(authorization, unticked, world.context))).hint).toContain('tick')
    // the same with an answer that names no scope at all
    const bare = beginAuthorization(CLIENT, 'drive', 'http://127.0.0.1:50000/', world.context)
    const answering = {
      ...world.context,
      fetch: async () => Response.json({ access_token: 'a', expires_in: 9, refresh_token: 'b', scope: '' }),
    }
    expect((await failure(finishAuthorization(bare, 'code', answering))).message).toContain('without access')
    const online = new URL(await sentTo(authorization.url.replace('offline', 'online'))).searchParams.get('code')!
    expect((await failure(finishAuthorization(authorization, online, world.context))).message).toContain('refresh token')
  }))

test('the end of a login with a client in testing is known from the start', () =>
  withWorld(async world => {
    world.google.addClient({ id: 'young', secret: 'test-client-secret', testing: true })
    const { login } = await logIn(world, async url => fetch(await sentTo(url)), { client: { ...DESKTOP, id: 'young' } })
    expect(login.endsAt).toBe(world.clock.now + 7 * 86_400_000)
  }))

test("Google's files of desktop and web clients are read, others refused by name", async () => {
  const read = (json: unknown) => parseClientFile(JSON.stringify(json), 'client.json')
  expect(read({ installed: { client_id: 'a', client_secret: 'b', redirect_uris: ['http://localhost'] } })).toEqual({
    id: 'a',
    secret: 'b',
    redirectUri: undefined,
  })
  const redirect_uris = ['https://example.com/', 7, 'http://localhost:8085/']
  expect(read({ web: { client_id: 'a', redirect_uris } })).toEqual({ id: 'a', secret: undefined, redirectUri: 'http://localhost:8085/' })
  for (const json of [{}, null, [], { installed: {} }, { installed: 'x' }, { web: { client_id: 'a' } }, { type: 'service_account' }])
    expect((await failure((async () => read(json))())).message).toContain('client.json')
  const said = async (json: unknown) => (await failure((async () => read(json))())).message
  expect(await said({ type: 'service_account' })).toContain('the key of a service account')
  expect(await said({ type: 'authorized_user' })).toContain('the login of somebody')
  expect(await said({ web: { client_id: 'a' } })).toContain('"Web application"')
})

test('the page of Google tells who is not let in, and so does the error', () =>
  withWorld(async ({ context }) => {
    const authorization = beginAuthorization(CLIENT, 'drive', 'http://127.0.0.1:50000/', context)
    const refused = (error: string) =>
      failure((async () => readPasted(`http://127.0.0.1:50000/?state=${authorization.state}&error=${error}`, authorization))())
    expect(await refused('admin_policy_enforced')).toMatchObject({
      code: 'unauthenticated',
      message: expect.stringMatching(/organisation.*administrator/) as string,
    })
    expect((await refused('org_internal')).hint).toContain('"External"')
    expect((await refused('server_error')).message).toContain('server_error')
  }))
