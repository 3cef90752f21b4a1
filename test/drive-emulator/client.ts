import { randomBytes } from 'node:crypto'
import type { DriveEmulator, TokenOptions } from './emulator.ts'

export interface Answer {
  status: number
  headers: Headers
  bytes: Buffer
  /** The body as JSON; an empty object when it is none. */
  json: Record<string, unknown>
}

export interface SendOptions {
  body?: string | Buffer
  headers?: Record<string, string>
}

export async function send(url: string, method: string, options: SendOptions = {}): Promise<Answer> {
  const body = typeof options.body === 'object' ? new Uint8Array(options.body) : options.body
  const response = await fetch(url, { method, redirect: 'manual', headers: options.headers ?? {}, ...(body === undefined ? {} : { body }) })
  const bytes = Buffer.from(await response.arrayBuffer())
  let json: Record<string, unknown> = {}
  try {
    json = JSON.parse(bytes.toString()) as Record<string, unknown>
  } catch {
    // text, a page, or the content of a file
  }
  return { status: response.status, headers: response.headers, bytes, json }
}

export interface ErrorBody {
  code: number
  message: string
  status?: string
  errors: { reason: string; domain: string; location?: string }[]
}

export const errorOf = (answer: Answer): ErrorBody => answer.json.error as ErrorBody

/** Status and reason of an error answer, e.g. `404 notFound`. */
export const failure = (answer: Answer): string => `${answer.status} ${errorOf(answer).errors[0]?.reason ?? ''}`

export const query = (parameters: Record<string, string | number | boolean>): string =>
  new URLSearchParams(Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)])).toString()

const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' }

/** A bare client of the emulator, one request a call. */
export class DriveClient {
  private readonly url: string
  private readonly authorization: string

  constructor(emulator: DriveEmulator, token: string | TokenOptions = {}) {
    this.url = emulator.url
    this.authorization = `Bearer ${typeof token === 'string' ? token : emulator.issueToken(token).accessToken}`
  }

  call(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    return send(this.url + path, method, { ...options, headers: { authorization: this.authorization, ...options.headers } })
  }

  get(path: string, parameters: Record<string, string | number | boolean> = {}): Promise<Answer> {
    return this.call('GET', `/drive/v3/${path}?${query(parameters)}`)
  }

  list(parameters: Record<string, string | number | boolean>): Promise<Answer> {
    return this.get('files', parameters)
  }

  /** Names of all files that `q` finds, sorted. */
  async names(q: string): Promise<string[]> {
    const { files } = (await this.list({ q, fields: 'files(name)' })).json
    return (files as { name: string }[]).map(({ name }) => name).sort()
  }

  create(metadata: object, parameters: Record<string, string> = {}): Promise<Answer> {
    return this.call('POST', `/drive/v3/files?${query(parameters)}`, { body: JSON.stringify(metadata), headers: JSON_TYPE })
  }

  update(id: string, metadata: object, parameters: Record<string, string> = {}): Promise<Answer> {
    return this.call('PATCH', `/drive/v3/files/${id}?${query(parameters)}`, { body: JSON.stringify(metadata), headers: JSON_TYPE })
  }

  remove(id: string): Promise<Answer> {
    return this.call('DELETE', `/drive/v3/files/${id}`)
  }

  download(id: string, range?: string): Promise<Answer> {
    return this.call('GET', `/drive/v3/files/${id}?alt=media`, { headers: range === undefined ? {} : { range } })
  }

  multipart(metadata: object, content: Buffer, parameters: Record<string, string> = {}): Promise<Answer> {
    const boundary = randomBytes(12).toString('hex')
    const head = `--${boundary}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(metadata)}\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`
    const body = Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)])
    const headers = { 'content-type': `multipart/related; boundary=${boundary}` }
    return this.call('POST', `/upload/drive/v3/files?${query({ uploadType: 'multipart', ...parameters })}`, { body, headers })
  }

  start(metadata: object, total?: number, parameters: Record<string, string> = {}): Promise<Answer> {
    const length: Record<string, string> = total === undefined ? {} : { 'x-upload-content-length': String(total) }
    const headers = { ...JSON_TYPE, 'x-upload-content-type': 'application/x-test', ...length }
    const path = `/upload/drive/v3/files?${query({ uploadType: 'resumable', ...parameters })}`
    return this.call('POST', path, { body: JSON.stringify(metadata), headers })
  }
}

/** One piece (or, with an empty body, a question) to the address of a resumable session. */
export function sendPiece(location: string, contentRange: string | undefined, body: Buffer = Buffer.alloc(0)): Promise<Answer> {
  return send(location, 'PUT', { body, headers: contentRange === undefined ? {} : { 'content-range': contentRange } })
}

export const idOf = (answer: Answer): string => {
  if (typeof answer.json.id !== 'string') throw new Error(`No id in ${answer.status} ${answer.bytes.toString()}`)
  return answer.json.id
}
