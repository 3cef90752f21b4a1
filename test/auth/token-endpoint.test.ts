import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { googleEndpoints } from '../../src/auth/endpoints.ts'
import { callTokenEndpoint, readTokenAnswer, revokeToken } from '../../src/auth/token-endpoint.ts'
import { CLIENT, failure, withWorld, type World } from './world.ts'

const TEXTS = { subject: 'the saved login', cure: 'Run `colab-escape auth login`.' }

function refresh({ context, google }: World, more: Record<string, string> = {}, signal?: AbortSignal) {
  const fields = { grant_type: 'refresh_token', client_id: CLIENT.id, client_secret: CLIENT.secret, ...more }
  return callTokenEndpoint(context, { refresh_token: google.issueToken().refreshToken, ...fields }, TEXTS, signal)
}

/** The context of `world`, speaking to a server that answers as told. */
async function instead<T>(world: World, answer: RequestListener, use: (world: World) => Promise<T>): Promise<T> {
  const server = createServer(answer)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    const endpoints = googleEndpoints(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    return await use({ ...world, context: { ...world.context, endpoints } })
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

test('a refresh token gives an access token, with its end and its scope', () =>
  withWorld(async world => {
    const answer = await refresh(world)
    expect(answer).toEqual({
      accessToken: expect.stringMatching(/^ya29\./) as string,
      expiresAt: world.clock.now + 3_599_000,
      scope: 'https://www.googleapis.com/auth/drive',
    })
  }))

test('a revoked login is unauthenticated, with the command that cures it', () =>
  withWorld(async world => {
    const { refreshToken } = world.google.issueToken()
    await revokeToken(world.context, refreshToken)
    const error = await failure(refresh(world, { refresh_token: refreshToken }))
    expect(error.code).toBe('unauthenticated')
    expect(error.message).toBe('Google refuses the saved login: invalid_grant, Token has been expired or revoked.')
    expect(error.hint).toBe(TEXTS.cure)
    expect(world.waits).toEqual([])
  }))

test('a wrong client is told apart from a wrong login', () =>
  withWorld(async world => {
    for (const more of [{ client_secret: 'wrong' }, { client_id: 'nobody' }]) {
      const error = await failure(refresh(world, more))
      expect(error.code).toBe('unauthenticated')
      expect(error.message).toContain('OAuth client')
      expect(error.hint).toContain('GOOGLE_CLIENT_ID')
    }
  }))

test('passing troubles are waited for, longer each time', () =>
  withWorld(async world => {
    world.google.faults.add({ on: 'oauth.token', nth: 1, do: { status: 503, reason: 'backendError' } })
    world.google.faults.add({ on: 'oauth.token', nth: 2, do: 'html-error' })
    world.google.faults.add({ on: 'oauth.token', nth: 3, do: { status: 429, reason: 'rateLimitExceeded' } })
    expect((await refresh(world)).accessToken).toMatch(/^ya29\./)
    expect(world.waits.length).toBe(3)
    expect(world.waits.every((wait, i) => wait >= 0 && wait <= 500 * 2 ** i)).toBe(true)
  }))

test('troubles that stay are unavailable', () =>
  withWorld(async world => {
    world.google.faults.add({ on: 'oauth.token', nth: 1, times: Infinity, do: { status: 500, reason: 'backendError' } })
    const error = await failure(refresh(world))
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain('failed with status 500. It was tried for 30 s.')
    expect(Math.round(world.waits.reduce((sum, wait) => sum + wait, 0) / 1000)).toBe(30)
  }))

test('a broken connection is waited for, and a server that is not there is unavailable', () =>
  withWorld(async world => {
    world.google.faults.add({ on: 'oauth.token', nth: 1, do: 'reset-before' })
    world.google.faults.add({ on: 'oauth.token', nth: 2, do: 'cut-body' })
    expect((await refresh(world)).accessToken).toMatch(/^ya29\./)
    const { refreshToken } = world.google.issueToken()
    await world.google.close()
    const error = await failure(refresh(world, { refresh_token: refreshToken }))
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain('ECONNREFUSED')
  }))

test('an abort ends the waiting for an answer', () =>
  withWorld(async world => {
    world.google.faults.add({ on: 'oauth.token', nth: 1, do: 'stall' })
    const stop = new AbortController()
    const pending = failure(refresh(world, {}, stop.signal))
    setTimeout(() => stop.abort(), 20)
    expect((await pending).code).toBe('interrupted')
  }))

test.each([
  ['a page of a captive portal', '<html>Welcome to the hotel</html>'],
  ['no token', '{"expires_in":3599}'],
  ['a token of another type', '{"access_token":7,"expires_in":3599}'],
  ['a token that would break a header', '{"access_token":"a\\r\\nb","expires_in":3599}'],
  ['no life', '{"access_token":"abc"}'],
  ['a life of nonsense', '{"access_token":"abc","expires_in":"3599"}'],
  ['a list', '[]'],
])('an answer with %s is no token', (_, body) =>
  withWorld(world =>
    instead(
      world,
      (_request, response) => response.end(body),
      async other => expect((await failure(refresh(other))).code).toBe('unavailable'),
    ),
  ),
)

test('an endless answer is cut off', () =>
  withWorld(world =>
    instead(
      world,
      (_request, response) => {
        const more = (): void => void (response.destroyed || response.write(Buffer.alloc(65_536), more))
        more()
      },
      async other => expect((await failure(refresh(other))).message).toContain('longer than'),
    ),
  ))

test('a redirection is not followed: what is sent is for Google only', () =>
  withWorld(async world => {
    await instead(
      world,
      (_request, response) => response.writeHead(307, { location: `${world.google.url}/token` }).end(),
      async other => expect((await failure(refresh(other))).code).toBe('unavailable'),
    )
    expect(world.google.counts['oauth.token']).toBeUndefined()
  }))

test('what Google says about a refusal is told without what was sent', () =>
  withWorld(world =>
    instead(
      world,
      (_request, response) => {
        const error_description = `Bad secret ${CLIENT.secret} for ${CLIENT.id}.`
        response.writeHead(400).end(JSON.stringify({ error: 'invalid_grant', error_description }))
      },
      async other => {
        const { message } = await failure(refresh(other))
        expect(message).toContain('Bad secret [secret]')
      },
    ),
  ))

test('lives are bounded, and the end of a login in testing is told', () => {
  const answer = readTokenAnswer({ access_token: 'a', expires_in: 1e12, refresh_token_expires_in: 604_799 }, 'it', 1000)
  expect(answer.expiresAt).toBe(1000 + 86_400_000)
  expect(answer.loginEndsAt).toBe(1000 + 604_799_000)
})

test('revoking what is revoked already is success; a server in trouble is not', () =>
  withWorld(async ({ google, context }) => {
    const { refreshToken } = google.issueToken()
    await revokeToken(context, refreshToken)
    await revokeToken(context, refreshToken)
    google.faults.add({ on: 'oauth.revoke', nth: 1, do: { status: 503, reason: 'backendError' } })
    expect((await failure(revokeToken(context, refreshToken))).code).toBe('unavailable')
  }))

test('an absent scope is the one that was asked for, an empty one is none', () => {
  const scopeOf = (more: object): string | undefined => readTokenAnswer({ access_token: 'a', expires_in: 0, ...more }, 'it', 1000).scope
  expect([scopeOf({}), scopeOf({ scope: null }), scopeOf({ scope: '' }), scopeOf({ scope: 'a b' })]).toEqual([
    undefined,
    undefined,
    '',
    'a b',
  ])
})
