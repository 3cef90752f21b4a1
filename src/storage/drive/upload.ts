import { randomBytes } from 'node:crypto'
import { AppError, isAppError } from '../../util/errors.ts'
import type { Sleep } from '../waiting.ts'
import { FILE_FIELDS, toDriveFile, type DriveFile } from './drive-api.ts'
import type { DriveHttp } from './drive-http.ts'

/** Up to this size (bytes) an object goes up in one request. Drive's own limit for it is 5 MB. */
export const MULTIPART_BYTES = 4_500_000
/** Failures in a row, without one more byte having arrived, after which an upload is given up. */
const MAX_STALLED = 5
const TYPE = 'application/octet-stream'

export interface UploadTarget {
  /** Made by Drive beforehand, so that an upload which is tried again can't make a second file. */
  id: string
  name: string
  parent: string
}

export interface UploaderOptions {
  http: DriveHttp
  /** `https://www.googleapis.com` */
  baseUrl: string
  sleep: Sleep
  random: () => number
}

type Answer = { done: DriveFile } | { received: number } | 'expired'

/**
 * Uploads objects: small ones in one multipart request, others through a resumable session with one PUT, which goes on from what Drive says it has when it
 * breaks (developers.google.com/drive/api/guides/manage-uploads). Throws `conflict` when the id is taken: by an earlier try of this very upload.
 */
export class Uploader {
  private readonly options: UploaderOptions

  constructor(options: UploaderOptions) {
    this.options = options
  }

  upload(target: UploadTarget, bytes: Uint8Array, signal?: AbortSignal): Promise<DriveFile> {
    return bytes.length <= MULTIPART_BYTES ? this.multipart(target, bytes, signal) : this.resumable(target, bytes, signal)
  }

  private url(uploadType: string): string {
    return `${this.options.baseUrl}/upload/drive/v3/files?uploadType=${uploadType}&supportsAllDrives=true&fields=${encodeURIComponent(FILE_FIELDS)}`
  }

  private metadata({ id, name, parent }: UploadTarget): string {
    return JSON.stringify({ id, name, parents: [parent], mimeType: TYPE })
  }

  private async multipart(target: UploadTarget, bytes: Uint8Array, signal?: AbortSignal): Promise<DriveFile> {
    const { http } = this.options
    const boundary = `colab-escape-${randomBytes(24).toString('hex')}`
    const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${this.metadata(target)}\r\n--${boundary}\r\ncontent-type: ${TYPE}\r\n\r\n`
    const body = new Uint8Array(Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]))
    const task = `store ${target.name}`
    const headers = { 'content-type': `multipart/related; boundary=${boundary}` }
    const response = await http.send({ what: 'upload.multipart', task, url: this.url('multipart'), method: 'POST', headers, body, signal })
    return toDriveFile(await http.json(response, task))
  }

  private async resumable(target: UploadTarget, bytes: Uint8Array, signal?: AbortSignal): Promise<DriveFile> {
    let session = await this.start(target, bytes.length, signal)
    let offset = 0
    for (let stalled = 0; ;) {
      const answer = await this.step(target, session, bytes, offset, signal)
      if (answer === 'expired') {
        session = await this.start(target, bytes.length, signal)
        offset = 0
        stalled++
      } else if ('done' in answer) return answer.done
      else {
        stalled = answer.received > offset ? 0 : stalled + 1
        offset = answer.received
      }
      if (stalled >= MAX_STALLED)
        throw new AppError('unavailable', `Drive accepts no more of ${target.name}.`, {
          hint: 'Run the same command again: it continues where it stopped.',
        })
      if (stalled > 0) await this.options.sleep(this.options.random() * Math.min(32_000, 500 * 2 ** stalled), signal)
    }
  }

  /** Sends what is missing; when that breaks, asks what has arrived. */
  private async step(target: UploadTarget, session: string, bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<Answer> {
    try {
      return await this.put(target, session, bytes.subarray(offset), `bytes ${offset}-${bytes.length - 1}/${bytes.length}`, offset, signal)
    } catch (error) {
      if (!isAppError(error, 'unavailable', 'throttled')) throw error
    }
    try {
      return await this.put(target, session, new Uint8Array(0), `bytes */${bytes.length}`, offset, signal)
    } catch (error) {
      if (!isAppError(error, 'unavailable', 'throttled')) throw error
      return { received: offset }
    }
  }

  private async put(
    target: UploadTarget,
    session: string,
    body: Uint8Array,
    range: string,
    offset: number,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const { http } = this.options
    const task = `store ${target.name}`
    const response = await http.send({
      what: body.length > 0 ? 'upload.put' : 'upload.query',
      task,
      url: session,
      method: 'PUT',
      headers: { 'content-range': range },
      body: body as Uint8Array<ArrayBuffer>,
      signal,
      accept: [308, 404, 410],
    })
    if (response.ok) return { done: toDriveFile(await http.json(response, task)) }
    await response.body?.cancel()
    return response.status === 308 ? { received: receivedBytes(response.headers.get('range'), offset, task) } : 'expired'
  }

  private async start(target: UploadTarget, length: number, signal?: AbortSignal): Promise<string> {
    const { http, baseUrl } = this.options
    const task = `store ${target.name}`
    const response = await http.send({
      what: 'upload.start',
      task,
      url: this.url('resumable'),
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=UTF-8',
        'x-upload-content-type': TYPE,
        'x-upload-content-length': String(length),
      },
      body: this.metadata(target),
      signal,
    })
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (location === null || !isGoogles(location, baseUrl))
      throw new AppError('unavailable', `Drive named no place to upload ${target.name} to.`, { hint: 'Run the same command again.' })
    return location
  }
}

/** The token goes where the session says: only to the API's own host, or another one of Google's. */
function isGoogles(location: string, baseUrl: string): boolean {
  const url = URL.canParse(location) ? new URL(location) : undefined
  const base = new URL(baseUrl)
  return url !== undefined && (url.origin === base.origin || (url.protocol === 'https:' && url.hostname.endsWith('.googleapis.com')))
}

/** What a 308 says has arrived: `Range: bytes=0-x`, or no such header for nothing at all. Trusted over what was sent. */
function receivedBytes(header: string | null, sent: number, task: string): number {
  if (header === null) return 0
  const parts = /^(?:bytes=)?0-(\d{1,15})$/.exec(header.trim())
  if (!parts)
    throw new AppError('unavailable', `Drive answered ${JSON.stringify(header)} when trying to ${task} (${sent} bytes sent).`, {
      hint: 'Run the same command again.',
    })
  return Number(parts[1]) + 1
}
