import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { kindOf } from './call.ts'
import type { Call, Reply } from './call.ts'
import { ErrorAnswer, GoogleError } from './errors.ts'
import type { FaultAction, Faults } from './faults.ts'
import type { Pacing } from './profiles.ts'
import { withoutSecrets } from './recording.ts'
import type { Recording } from './recording.ts'
import type { Surroundings } from './surroundings.ts'

export interface Backend {
  surroundings: Surroundings
  pacing: Pacing
  faults: Faults
  recording: Recording
  /** Looks at a request, before any fault befalls it. */
  check: (call: Call) => void
  handle: (call: Call) => Promise<Reply>
}

/** Reads the body to its end; `complete` is false when the client hung up before that. */
async function readBody(request: IncomingMessage): Promise<{ body: Buffer; complete: boolean }> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of request) pieces.push(piece as Buffer)
    return { body: Buffer.concat(pieces), complete: request.complete }
  } catch {
    return { body: Buffer.concat(pieces), complete: false }
  }
}

/** The reply to a call, errors too. */
export async function answerOf(backend: Pick<Backend, 'handle'>, call: Call): Promise<Reply> {
  try {
    return await backend.handle(call)
  } catch (error) {
    if (error instanceof ErrorAnswer) return { status: error.status, headers: { ...error.headers }, body: error.body() }
    // a bug of the emulator must not look like one of Google's passing troubles
    return { status: 599, body: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

const HTML =
  '<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n<p><b>502.</b> <ins>That’s an error.</ins>\n<p>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.\n'

/** The answer that a fault puts in the place of the true one. */
function replyOfFault(fault: FaultAction | undefined): Reply | undefined {
  if (fault === 'html-error') return { status: 502, headers: { 'content-type': 'text/html; charset=UTF-8' }, body: HTML }
  if (typeof fault !== 'object' || !('status' in fault)) return undefined
  const { status, reason, message = reason, retryAfter } = fault
  const domain = /LimitExceeded|quotaExceeded/i.test(reason) ? 'usageLimits' : 'global'
  const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
  const error = new GoogleError(status, reason, message, { domain, headers })
  return { status, headers: { ...error.headers }, body: error.body() }
}

/** A copy of `bytes` with one bit turned, in the middle. */
export function turned(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  const at = Math.floor(copy.length / 2)
  if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

/** Of a multipart body the last content byte before the closing boundary turns, so that the frame stays whole. */
export function turnedUpload(call: Pick<Call, 'kind' | 'body'>): Buffer {
  if (call.kind !== 'upload.multipart') return turned(call.body)
  const closing = call.body.lastIndexOf('\r\n--')
  const copy = Buffer.from(call.body)
  copy[closing - 1] = (copy[closing - 1] ?? 0) ^ 1
  return copy
}

const describe = (fault: FaultAction) => (typeof fault === 'string' ? fault : JSON.stringify(fault))

async function serve(backend: Backend, scheme: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const arrived = backend.surroundings.now()
  const method = request.method ?? ''
  const origin = `${scheme}://${request.headers.host ?? 'localhost'}`
  const url = new URL(request.url ?? '/', origin)
  const kind = kindOf(method, url.pathname, url.searchParams, request.headers)
  const fault = backend.faults.next({ kind })
  const { 'user-agent': userAgent, 'accept-encoding': encoding } = request.headers
  const asked = { kind, method, path: url.pathname, query: withoutSecrets(url.searchParams), userAgent, encoding: String(encoding) }
  const record = { ...asked, status: 0, requestBytes: 0, responseBytes: 0 }
  const recorded = fault === undefined ? record : { ...record, fault: describe(fault) }
  backend.recording.add(recorded)
  if (fault === 'reset-before') return void request.socket.destroy()

  const { body, complete } = await readBody(request)
  recorded.requestBytes = body.length
  // what was cut off is of use to a resumable upload only
  if (!complete && kind !== 'upload.piece') return
  const call: Call = { kind, method, path: url.pathname, query: url.searchParams, headers: request.headers, body, complete, origin }
  backend.check(call)
  if (fault === 'stall') return
  await backend.pacing.transfer(body.length, arrived)
  await backend.pacing.latency()
  if (fault === 'wrong-bytes') call.body = turnedUpload(call)
  if (typeof fault === 'object' && 'acceptOnlyBytes' in fault) call.acceptOnlyBytes = fault.acceptOnlyBytes

  const instead = replyOfFault(fault)
  const after = typeof fault === 'object' && 'afterCommit' in fault && fault.afterCommit === true
  const done = instead === undefined || after ? await answerOf(backend, call) : instead
  const reply = instead ?? done
  if (fault === 'reset-after-commit') return void request.socket.destroy()
  if (response.destroyed || !complete) return

  const content = reply.json === undefined ? Buffer.from(reply.body ?? '') : Buffer.from(JSON.stringify(reply.json))
  const isTurned = fault === 'garbled-answer' || (fault === 'wrong-bytes' && kind === 'media.get')
  const sent = isTurned ? turned(content) : content
  if (kind === 'media.get') await backend.pacing.transfer(sent.length, backend.surroundings.now())
  recorded.status = reply.status
  recorded.responseBytes = sent.length
  response.statusCode = reply.status
  response.sendDate = false
  response.setHeader('date', new Date(backend.surroundings.now()).toUTCString())
  if (reply.json !== undefined) response.setHeader('content-type', 'application/json; charset=UTF-8')
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value)
  if (reply.status !== 204) response.setHeader('content-length', sent.length)
  if (fault === 'cut-body' || fault === 'stall-in-body') {
    response.flushHeaders()
    response.write(sent.subarray(0, Math.floor(sent.length / 2)), () => {
      if (fault === 'cut-body') request.socket.destroy()
    })
    return
  }
  response.end(reply.status === 204 ? undefined : sent)
}

export interface Certificate {
  /** PEM. */
  key: string
  cert: string
}

export interface Listening {
  port: number
  close: () => Promise<void>
}

/** Listens on 127.0.0.1; port 0 picks one. */
export async function listen(backend: Backend, port: number, certificate?: Certificate): Promise<Listening> {
  const scheme = certificate === undefined ? 'http' : 'https'
  const listener: RequestListener = (request, response) => {
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    void serve(backend, scheme, request, response)
  }
  const server: Server = certificate === undefined ? createServer(listener) : createSecureServer(certificate, listener)
  server.requestTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
