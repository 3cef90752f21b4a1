import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { driveError, movedError, networkError } from './drive-errors.ts'
import { readErrorAnswer } from './error-answer.ts'
import type { Pace } from './pace.ts'
import { lengthOf, sendOptions, textOf, type RequestBody } from './request-body.ts'
import { notKnownYet, YoungIds } from './young-ids.ts'

/** Provides access tokens. `refuse` names a token that was just rejected, so that another one is fetched. */
export interface AccessTokens {
  getToken(options?: { signal?: AbortSignal | undefined; refuse?: string }): Promise<string>
}

export interface DriveHttpOptions {
  tokens: AccessTokens
  fetch: typeof fetch
  pace: Pace
  now: () => number
  /** Longest silence (ms) before a connection counts as dead. */
  idleMs: number
  /** Called for every request, e.g. to count them. */
  onRequest?: (operation: string) => void
}

export interface DriveRequest {
  /** For counting: `files.list`, `upload.start`, ... */
  operation: string
  /** For messages: "store pack-12ab". */
  task: string
  url: string | URL
  method?: string
  headers?: Record<string, string>
  body?: RequestBody | undefined
  signal?: AbortSignal | undefined
  /** Statuses besides 2xx that the caller handles. */
  accept?: readonly number[]
  /** A redirect is one of them even if the body is large, which is then kept until the response arrives. */
  mayRedirect?: boolean
  /** Follows redirects to other hosts of Google, without the token. Only for requests without a body. */
  mayMove?: boolean
}

/** The progress of a sent body can't be observed, so the idle time is extended once for each this many bytes of it. */
const BYTES_PER_IDLE_TIME = 4_000_000

/** Largest answer (bytes) of a call that is no download. A page of a listing takes a hundredth of it. */
const LARGEST_ANSWER = 32 * 1024 * 1024
const LARGEST_ERROR = 256 * 1024
/** Longest time (ms) for such an answer to arrive. */
const LONGEST_ANSWER_MS = 5 * 60_000
const MOST_MOVES = 5
/** Where a download may lead to. */
const GOOGLES_HOST = /\.(?:googleapis|googleusercontent)\.com$/

const isRedirect = (status: number): boolean => status >= 300 && status < 400

/**
 * Sends every request to Drive. It paces requests, adds the token and refreshes it once if rejected, stops when the
 * other side is silent, and translates errors. It does not retry otherwise: only callers know which calls may be
 * repeated.
 */
export class DriveHttp {
  readonly young: YoungIds
  private readonly options: DriveHttpOptions

  constructor(options: DriveHttpOptions) {
    this.options = options
    this.young = new YoungIds(options.now)
  }

  /** The response with its body unread. Errors as in `driveError`. */
  async send(request: DriveRequest): Promise<Response> {
    const { tokens } = this.options
    const token = await tokens.getToken({ signal: request.signal })
    const { response, begun } = await this.sendWith(token, request)
    if (response.status !== 401 || request.accept?.includes(401)) return this.checked(response, begun, request)
    await response.body?.cancel()
    const other = await tokens.getToken({ signal: request.signal, refuse: token })
    const again = await this.sendWith(other, request)
    return this.checked(again.response, again.begun, request)
  }

  private async sendWith(token: string, request: DriveRequest): Promise<{ response: Response; begun: number }> {
    const { pace, onRequest, idleMs } = this.options
    const begun = await pace.turn(request.signal)
    throwIfAborted(request.signal)
    onRequest?.(request.operation)
    const patience = Math.ceil(idleMs * (1 + lengthOf(request.body) / BYTES_PER_IDLE_TIME))
    const { headers, ...sent } = sendOptions(request.body, request.mayRedirect ?? false)
    const options: RequestInit = {
      method: request.method ?? 'GET',
      // a redirect is returned: nobody but Google may get the token and the body, or answer instead
      redirect: 'manual',
      ...sent,
    }
    // limits the wait for the response; its body is then watched piece by piece, however long it takes in total
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(), patience)
    try {
      const signal = request.signal ? AbortSignal.any([request.signal, silence.signal]) : silence.signal
      const start = new URL(request.url)
      let url = start
      for (let moves = 0; ; moves++) {
        const authorization = url.origin === start.origin ? { authorization: `Bearer ${token}` } : {}
        const all = { ...request.headers, ...headers, ...authorization }
        const response = await this.options.fetch(url, { ...options, headers: all, signal })
        const next = request.mayMove && moves < MOST_MOVES ? newAddress(response, url, start) : undefined
        if (next === undefined) return { response, begun }
        await response.body?.cancel()
        url = next
      }
    } catch (error) {
      throwIfAborted(request.signal)
      if (isRefusedRedirect(error)) {
        // Drive's 308, or the redirect of a login page, which the next request meets again
        if (request.accept?.includes(308)) return { response: new Response(null, { status: 308 }), begun }
        throw movedError(null, request.task)
      }
      const why = silence.signal.aborted ? new Error(`no answer for ${Math.round(patience / 1000)} s`) : error
      throw isAppError(why) ? why : networkError(why, request.task)
    } finally {
      clearTimeout(timer)
    }
  }

  private async checked(response: Response, begun: number, request: DriveRequest): Promise<Response> {
    const { pace, now } = this.options
    if (response.ok || request.accept?.includes(response.status)) {
      pace.succeeded()
      // by its id a folder is found before it can be listed or written to
      if (response.ok && request.operation !== 'files.get') this.young.heard(namesIn(request))
      return response
    }
    if (isRedirect(response.status)) {
      await response.body?.cancel()
      throw movedError(response.headers.get('location'), request.task)
    }
    const body = await this.body(response, request.task, request.signal, LARGEST_ERROR).catch((broken: unknown) => {
      throwIfAborted(request.signal)
      if (!isAppError(broken)) throw broken
      return new Uint8Array(0) // the status is sufficient
    })
    const error = driveError(readErrorAnswer(response, new TextDecoder().decode(body), now()), request.task)
    if (error.code === 'throttled') pace.throttled(begun, error.retryAfterMs)
    // a 404 to a repeated deletion is its success
    const isYoung = error.code === 'not-found' && request.method !== 'DELETE' && this.young.excuses(namesIn(request))
    throw isYoung ? notKnownYet(request.task) : error
  }

  /** The JSON object of a response. A 2xx response with any other body comes from something between us and Drive. */
  async json(response: Response, task: string): Promise<Record<string, unknown>> {
    const bytes = await this.body(response, task)
    try {
      const value = JSON.parse(new TextDecoder().decode(bytes)) as unknown
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
    } catch {
      // reported below
    }
    throw new AppError('unavailable', `Drive's answer when trying to ${task} is not JSON.`, {
      hint: 'Is there a proxy or a login page in between? Check the network and run the same command again.',
    })
  }

  /** Reads a body to its end. Throws `unavailable` if it is too long, or does not end. */
  private async body(response: Response, task: string, signal?: AbortSignal, most = LARGEST_ANSWER): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    const until = performance.now() + LONGEST_ANSWER_MS
    let length = 0
    const add = (piece: Uint8Array): boolean => {
      pieces.push(piece)
      length += piece.length
      return length <= most && performance.now() < until
    }
    if (!(await this.readBody(response, task, add, signal)))
      throw new AppError('unavailable', `Drive's answer when trying to ${task} is too long.`, {
        hint: 'Is there a proxy or a login page in between? Check the network and run the same command again.',
      })
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  /**
   * Passes on a body piece by piece, until `onPiece` returns false. Resolves to true if that was the whole body. Throws
   * `unavailable` when it breaks or becomes silent in the middle.
   */
  async readBody(response: Response, task: string, onPiece: (piece: Uint8Array) => boolean, signal?: AbortSignal): Promise<boolean> {
    if (!response.body) return true
    const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
    try {
      for (;;) {
        throwIfAborted(signal)
        const { done, value } = await this.withPatience(reader.read())
        if (done) return true
        if (onPiece(value)) continue
        reader.cancel().catch(() => undefined)
        return false
      }
    } catch (error) {
      reader.cancel().catch(() => undefined)
      throwIfAborted(signal)
      throw isAppError(error) ? error : networkError(error, task)
    }
  }

  private async withPatience<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no data for ${Math.round(this.options.idleMs / 1000)} s`)), this.options.idleMs)
    })
    try {
      return await Promise.race([work, silence])
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * A `fetch` for Google's own client with the same pace, token and errors. Reads the body here, to detect silence.
   * Calls `onDate` with the time of the server's clock (ms since 1970, whole seconds), because the client does not
   * return headers.
   */
  asFetch(operation: string, task: string, signal: AbortSignal | undefined, onDate: (date: number) => void): typeof fetch {
    return async (input, init) => {
      const url = input instanceof Request ? input.url : input
      const headers = Object.fromEntries(new Headers(init?.headers).entries())
      const method = init?.method ?? 'GET'
      const response = await this.send({ operation: operation, task, url, method, headers, body: init?.body as string | undefined, signal })
      const date = Date.parse(response.headers.get('date') ?? '')
      if (!Number.isNaN(date)) onDate(date)
      const body = await this.body(response, task, signal)
      const type = response.headers.get('content-type')
      return new Response(body.length === 0 ? null : Buffer.from(body), {
        status: response.status,
        headers: type === null ? {} : { 'content-type': type },
      })
    }
  }
}

/** The text of a request, in which all ids are that it names, and nothing stands right before or behind them. */
const namesIn = ({ url, body }: DriveRequest): string => `${String(url).replace(/%\w\w/g, ' ')} ${textOf(body)}`

/** Where a redirected download goes on: to Google over https, or to the same server. Undefined for any other answer. */
function newAddress(response: Response, from: URL, start: URL): URL | undefined {
  const location = response.headers.get('location')
  if (!isRedirect(response.status) || location === null || !URL.canParse(location, from.href)) return undefined
  const url = new URL(location, from)
  return url.origin === start.origin || (url.protocol === 'https:' && GOOGLES_HOST.test(url.hostname)) ? url : undefined
}

/** Node tells of a redirect that it was not allowed to follow only in these words. */
function isRefusedRedirect(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof Error && error.cause.message === 'unexpected redirect'
}
