import type { CallKind } from '../drive-emulator/call.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { answerInProcess, kindOfRequest, type PlainReply, type PlainRequest } from '../drive-emulator/in-process.ts'
import { turned, turnedUpload } from '../drive-emulator/server.ts'
import type { Scheduler, Sleeper } from './scheduler.ts'

const MINUTE = 60_000

/**
 * What goes wrong with a request:
 * - `reset`: the connection breaks before Drive has read it;
 * - `lost-answer`: Drive does it, and the connection breaks;
 * - `late`: the connection breaks, and Drive does it minutes later;
 * - `rate`, `rate-429`: too many requests; `error`: 500, undone; `error-after`: 503, done; `page`: 502 with HTML;
 * - `cut`: done, but the answer breaks off in the middle; `flip`: one bit of the content turns on its way;
 * - `slow`: all is well, a minute later.
 */
const FAULTS = ['reset', 'lost-answer', 'late', 'rate', 'rate-429', 'error', 'error-after', 'page', 'cut', 'flip', 'slow'] as const
type Fault = (typeof FAULTS)[number]

export interface NetworkOptions {
  emulator: DriveEmulator
  scheduler: Scheduler
  random: () => number
  /** Called when Drive is about to do something. */
  onArrival: (who: string, kind: CallKind, request: PlainRequest) => void
}

/** The ways between machines and Drive, with seeded faults. It writes down what was sent and answered, and when. */
export class Network {
  /** Share of requests that something happens to. */
  weather = 0
  readonly trace: string[] = []
  readonly faults: Partial<Record<Fault, number>> = {}
  private readonly options: NetworkOptions
  private readonly began: number

  constructor(options: NetworkOptions) {
    this.options = options
    this.began = options.scheduler.time
  }

  fetchOf(owner: Sleeper, who: string): typeof fetch {
    return async (input, init = {}) => {
      const request = {
        url: new URL(input instanceof Request ? input.url : input),
        method: init.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers).entries()),
        body: await bytesOf(init.body),
      }
      return this.options.scheduler.wait<Response>(owner, (resolve, reject) => this.send(owner, who, request, resolve, reject))
    }
  }

  private send(
    owner: Sleeper,
    who: string,
    request: PlainRequest,
    resolve: (answer: Response) => void,
    reject: (error: Error) => void,
  ): void {
    const { scheduler } = this.options
    const kind = kindOfRequest(request)
    const fault = this.fault(kind)
    this.note(
      who,
      `${request.method} ${request.url.pathname}${describe(request.url)} ${request.body.length}${fault === undefined ? '' : ` (${fault})`}`,
    )
    const breaks = (): void => reject(new TypeError('fetch failed', { cause: new Error('the connection broke') }))
    const arrive = (ms: number, answer: (reply: PlainReply) => void): void =>
      scheduler.after(ms, undefined, () => void this.serve(who, kind, request, fault).then(answer))
    const way = (): number => 20 + this.options.random() * 180 + (fault === 'slow' ? MINUTE : 0)
    const back = (reply: PlainReply, isCut: boolean): void =>
      scheduler.after(way(), owner, () => {
        this.note(who, `= ${reply.status} ${reply.body.length}`)
        resolve(toResponse(reply, isCut))
      })
    const instead = fault === undefined ? undefined : replyOf(fault)
    if (fault === 'reset') scheduler.after(way(), owner, breaks)
    else if (fault === 'lost-answer') arrive(way(), () => scheduler.after(way(), owner, breaks))
    else if (fault === 'late') {
      scheduler.after(way(), owner, breaks)
      arrive(way() + this.options.random() * 10 * MINUTE, () => undefined)
    } else if (instead && fault !== 'error-after') scheduler.after(way(), undefined, () => back(instead, false))
    else arrive(way(), reply => back(instead ?? reply, fault === 'cut'))
  }

  private async serve(who: string, kind: CallKind, request: PlainRequest, fault: Fault | undefined): Promise<PlainReply> {
    const { emulator, onArrival } = this.options
    onArrival(who, kind, request)
    if (fault === 'flip' && kind !== 'media.get')
      return answerInProcess(emulator, { ...request, body: turnedUpload({ kind, body: request.body }) })
    const reply = await answerInProcess(emulator, request)
    if (reply.status === 599) throw new Error(reply.body.toString())
    return fault === 'flip' ? { ...reply, body: turned(reply.body) } : reply
  }

  private fault(kind: CallKind): Fault | undefined {
    const { random } = this.options
    const [happens, which] = [random() < this.weather, random()]
    if (!happens) return undefined
    const fault = FAULTS[Math.floor(which * FAULTS.length)]!
    if (fault === 'flip' && kind !== 'media.get' && kind !== 'upload.multipart') return undefined
    this.faults[fault] = (this.faults[fault] ?? 0) + 1
    return fault
  }

  note(who: string, text: string): void {
    this.trace.push(`${((this.options.scheduler.time - this.began) / 1000).toFixed(3)} ${who}: ${text}`)
  }
}

/** What of a query tells requests apart, without the address of an upload, which is random text. */
function describe(url: URL): string {
  const kept = ['q', 'alt', 'uploadType'].flatMap(name => url.searchParams.get(name) ?? [])
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

async function bytesOf(body: unknown): Promise<Buffer> {
  if (body === undefined || body === null) return Buffer.alloc(0)
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return Buffer.from(body)
  const pieces: Uint8Array[] = []
  for await (const piece of body as AsyncIterable<Uint8Array>) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

function replyOf(fault: Fault): PlainReply | undefined {
  const error = (status: number, reason: string, headers: Record<string, string> = {}): PlainReply => ({
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify({ error: { code: status, message: reason, errors: [{ reason }] } })),
  })
  if (fault === 'rate') return error(403, 'userRateLimitExceeded')
  if (fault === 'rate-429') return error(429, 'rateLimitExceeded', { 'retry-after': '7' })
  if (fault === 'error') return error(500, 'internalError')
  if (fault === 'error-after') return error(503, 'backendError')
  if (fault === 'page') return { status: 502, headers: { 'content-type': 'text/html' }, body: Buffer.from('<h1>502</h1>') }
  return undefined
}

function toResponse({ status, headers, body }: PlainReply, isCut: boolean): Response {
  const isEmpty = status === 204 || status === 308
  return new Response(isEmpty ? null : isCut ? halfOf(body) : Uint8Array.from(body), { status, headers })
}

function halfOf(body: Buffer): ReadableStream {
  return new ReadableStream({
    start: stream => {
      if (body.length > 1) stream.enqueue(Uint8Array.from(body.subarray(0, body.length >> 1)))
    },
    // only once the first half is read: an error discards what is waiting
    pull: stream => stream.error(new TypeError('terminated')),
  })
}
