import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CachedTokenSource, MARGIN_MS, type RequestToken } from '../../src/auth/token-source.ts'
import { failure } from './world.ts'

const HOUR = 3_600_000

/** A source that numbers its tokens, gives each an hour from `clock.now`, and waits for `go` before each. */
function numbered(clock: { now: number }, go: () => Promise<void> = async () => undefined) {
  const asked: Parameters<RequestToken>[0][] = []
  const source = new CachedTokenSource(
    'test login',
    async options => {
      const number = asked.push(options)
      await go()
      return { token: `token-${number}`, expiresAt: clock.now + HOUR }
    },
    () => clock.now,
  )
  return { source, asked }
}

function gate() {
  let open = (): void => undefined
  const passing = new Promise<void>(resolve => (open = resolve))
  return { open: () => open(), go: () => passing }
}

test('a token is kept until shortly before its end', async () => {
  const clock = { now: 0 }
  const { source, asked } = numbered(clock)
  expect(await source.getToken()).toBe('token-1')
  clock.now = HOUR - MARGIN_MS - 1
  expect(await source.getToken()).toBe('token-1')
  clock.now = HOUR - MARGIN_MS
  expect(await source.getToken()).toBe('token-2')
  expect(asked.length).toBe(2)
  expect(source.last?.token).toBe('token-2')
})

test('many who need a token at once cause one request', async () => {
  const { open, go } = gate()
  const { source, asked } = numbered({ now: 0 }, go)
  const all = Promise.all(Array.from({ length: 20 }, () => source.getToken()))
  await turn()
  open()
  expect(new Set(await all)).toEqual(new Set(['token-1']))
  expect(asked.length).toBe(1)
})

test('a refused token causes one request, however many were refused', async () => {
  const { source, asked } = numbered({ now: 0 })
  const old = await source.getToken()
  const fresh = await Promise.all(Array.from({ length: 20 }, () => source.getToken({ refuse: old })))
  expect(new Set(fresh)).toEqual(new Set(['token-2']))
  expect(asked.map(({ refuse }) => refuse)).toEqual([undefined, 'token-1'])
  // somebody who was slow to notice gets what is there
  expect(await source.getToken({ refuse: old })).toBe('token-2')
  expect(asked.length).toBe(2)
})

test('a source that has nothing but the refused token says so', async () => {
  const source = new CachedTokenSource(
    'test login',
    async () => ({ token: 'ever the same', expiresAt: HOUR }),
    () => 0,
  )
  await source.getToken()
  const error = await failure(source.getToken({ refuse: 'ever the same' }))
  expect(error.code).toBe('unauthenticated')
  expect(error.message).not.toContain('ever the same')
})

test('a failure is told to all who wait, and the next call tries again', async () => {
  let failing = true
  const source = new CachedTokenSource(
    'test login',
    async () => {
      if (failing) throw new Error('no luck')
      return { token: 'good', expiresAt: HOUR }
    },
    () => 0,
  )
  const results = await Promise.allSettled([source.getToken(), source.getToken()])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  failing = false
  expect(await source.getToken()).toBe('good')
})

test('who gives up does not disturb the others; when all have, the request is stopped', async () => {
  const { open, go } = gate()
  const { source, asked } = numbered({ now: 0 }, go)
  const [first, second] = [new AbortController(), new AbortController()]
  const one = source.getToken({ signal: first.signal })
  const two = source.getToken({ signal: second.signal })
  first.abort()
  expect((await failure(one)).code).toBe('interrupted')
  expect(asked[0]?.signal.aborted).toBe(false)
  second.abort()
  expect((await failure(two)).code).toBe('interrupted')
  expect(asked[0]?.signal.aborted).toBe(true)
  const again = source.getToken()
  open()
  expect(await again).toBe('token-2')
  expect((await failure(source.getToken({ signal: first.signal }))).code).toBe('interrupted')
})
