import { AppError, throwIfAborted } from '../util/errors.ts'

export interface GetTokenOptions {
  signal?: AbortSignal
  /** A token that was just rejected with 401: the caller needs another one. */
  refuse?: string
}

/** Provides access tokens for Google. */
export interface TokenSource {
  /** For messages: `saved login of a@b (drive)`. */
  readonly description: string
  /** Errors: `unauthenticated` when there is no token, `unavailable` when the request failed, `interrupted`. */
  getToken(options?: GetTokenOptions): Promise<string>
}

export interface AccessToken {
  token: string
  /** ms since 1970; Infinity when unknown */
  expiresAt: number
  /** Granted scopes, separated by spaces; undefined when unknown. */
  scope?: string
}

/** Requests a new token. It must differ from `refuse`. */
export type RequestToken = (options: { signal: AbortSignal; refuse: string | undefined }) => Promise<AccessToken>

/** A token that ends sooner than this is not returned: it must still be valid when a request arrives. */
export const MARGIN_MS = 60_000

interface Run {
  result: Promise<AccessToken>
  waiting: number
  stop: AbortController
}

/**
 * Caches the token until shortly before it ends. Callers that need a new one at the same time share one request. The
 * request is aborted when all of them are.
 */
export class CachedTokenSource implements TokenSource {
  readonly description: string
  private readonly acquire: RequestToken
  private readonly now: () => number
  private current: AccessToken | undefined
  private run: Run | undefined

  constructor(description: string, acquire: RequestToken, now: () => number) {
    this.description = description
    this.acquire = acquire
    this.now = now
  }

  /** The token that was returned last. */
  get last(): AccessToken | undefined {
    return this.current
  }

  async getToken({ signal, refuse }: GetTokenOptions = {}): Promise<string> {
    throwIfAborted(signal)
    if (this.current !== undefined && this.current.token !== refuse && this.current.expiresAt - MARGIN_MS > this.now())
      return this.current.token
    let fresh = await this.join(signal, refuse)
    // a request that was already running may have returned the rejected token
    if (fresh.token === refuse) fresh = await this.join(signal, refuse)
    if (fresh.token === refuse)
      throw new AppError('unauthenticated', `Google refuses the token of the ${this.description}, and there is no other.`, {
        hint: 'Run `colab-escape auth status`, and `colab-escape auth login` if it fails too.',
      })
    return fresh.token
  }

  private async join(signal: AbortSignal | undefined, refuse: string | undefined): Promise<AccessToken> {
    const run = (this.run ??= this.start(refuse))
    run.waiting++
    try {
      return await untilAborted(run.result, signal)
    } finally {
      if (--run.waiting === 0) {
        run.stop.abort()
        if (this.run === run) this.run = undefined
      }
    }
  }

  private start(refuse: string | undefined): Run {
    const stop = new AbortController()
    const result = this.acquire({ signal: stop.signal, refuse }).then(fresh => (this.current = fresh))
    const run = { result, waiting: 0, stop }
    const finish = (): void => {
      if (this.run === run) this.run = undefined
    }
    result.then(finish, finish)
    return run
  }
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  let onAbort = (): void => undefined
  const aborted = new Promise<void>(resolve => (onAbort = resolve))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([promise, aborted])
    throwIfAborted(signal)
    return await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
