import { kindOf } from './call.ts'
import type { CallKind } from './call.ts'
import type { DriveEmulator } from './emulator.ts'
import { answerOf } from './server.ts'

/** A request as `fetch` is given it, with its body in one piece. */
export interface PlainRequest {
  url: URL
  method: string
  headers: Record<string, string>
  body: Buffer
}

export interface PlainReply {
  status: number
  headers: Record<string, string>
  body: Buffer
}

export const kindOfRequest = ({ method, url, headers }: Omit<PlainRequest, 'body'>): CallKind =>
  kindOf(method, url.pathname, url.searchParams, headers)

/** Answers a request without any socket: faults and pace are up to the caller. */
export async function answerInProcess(emulator: DriveEmulator, request: PlainRequest): Promise<PlainReply> {
  const { url, method, headers, body } = request
  const call = {
    ...{ kind: kindOfRequest(request), method, path: url.pathname, query: url.searchParams },
    ...{ headers, body, complete: true, origin: url.origin },
  }
  emulator.check(call)
  const reply = await answerOf(emulator, call)
  const isJson = reply.json !== undefined
  return {
    status: reply.status,
    headers: {
      date: new Date(emulator.drive.surroundings.now()).toUTCString(),
      ...(isJson ? { 'content-type': 'application/json; charset=UTF-8' } : {}),
      ...reply.headers,
    },
    body: Buffer.from(isJson ? JSON.stringify(reply.json) : (reply.body ?? '')),
  }
}
