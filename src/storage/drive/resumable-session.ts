import { AppError } from '../../util/errors.ts'
import type { Sleep } from '../../util/waiting.ts'
import { FILE_FIELDS, toDriveFile, type DriveFile } from './drive-api.ts'
import { isBrief, LONGEST_BRIEF_MS } from './drive-errors.ts'
import type { DriveHttp } from './drive-http.ts'

/** What is not kept here can't be sent again: such an upload waits out what lasts some minutes. */
export const PATIENT: Patience = { maxStalled: 16, longestWaitMs: 10 * 60_000 }
const BRIEF: Patience = { maxStalled: 5, longestWaitMs: LONGEST_BRIEF_MS }
export const UPLOAD_TYPE = 'application/octet-stream'

export interface UploadTarget {
  /** Made by Drive beforehand, so that an upload which is tried again can't make a second file. */
  id: string
  name: string
  parent: string
}

export interface Patience {
  /** Failures in a row, without one more byte having arrived, after which an upload is given up. */
  maxStalled: number
  /** The longest wait (ms) that Drive may ask for. */
  longestWaitMs: number
}

export interface UploaderOptions {
  http: DriveHttp
  /** `https://www.googleapis.com` */
  baseUrl: string
  sleep: Sleep
  random: () => number
}

export function uploadMetadata({ id, name, parent }: UploadTarget): string {
  return JSON.stringify({ id, name, parents: [parent], mimeType: UPLOAD_TYPE })
}

export function uploadUrl(baseUrl: string, uploadType: string): string {
  return `${baseUrl}/upload/drive/v3/files?uploadType=${uploadType}&supportsAllDrives=true&fields=${encodeURIComponent(FILE_FIELDS)}`
}

/** The file, when the upload is complete; what has arrived of it; or that the session is gone. */
export type UploadAnswer = { done: DriveFile } | { received: number } | 'expired'

/**
 * One resumable upload (developers.google.com/drive/api/guides/manage-uploads): can be begun, sent from any offset, and
 * asked about. What Drive says it has received counts, not what was sent.
 */
export class ResumableSession {
  private readonly options: UploaderOptions
  private readonly target: UploadTarget
  private readonly task: string
  private address: string | undefined
  private readonly patience: Patience
  private stalled = 0

  constructor(options: UploaderOptions, target: UploadTarget, patience: Patience = BRIEF) {
    this.options = options
    this.target = target
    this.patience = patience
    this.task = `store ${target.name}`
  }

  get id(): string {
    return this.target.id
  }

  get name(): string {
    return this.target.name
  }

  /** `length` undefined: not known yet. */
  async begin(length: number | undefined, signal?: AbortSignal): Promise<void> {
    const { http, baseUrl } = this.options
    const response = await http.send({
      what: 'upload.start',
      task: this.task,
      url: uploadUrl(baseUrl, 'resumable'),
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=UTF-8',
        'x-upload-content-type': UPLOAD_TYPE,
        ...(length === undefined ? {} : { 'x-upload-content-length': String(length) }),
      },
      body: uploadMetadata(this.target),
      signal,
    })
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (location === null || !isGoogles(location, baseUrl))
      throw new AppError('unavailable', `Drive named no place to upload ${this.target.name} to.`, { hint: 'Run the same command again.' })
    this.address = location
  }

  /**
   * Sends `bytes` from `offset` on; `total` is the file's length once it is known. After a failure it asks how much has
   * arrived. Throws `unavailable` when nothing more arrives after several tries.
   */
  async send(bytes: Uint8Array, offset: number, total: number | undefined, signal?: AbortSignal): Promise<UploadAnswer> {
    const answer = await this.sendOrAsk(bytes, offset, total, signal)
    const progress = answer !== 'expired' && ('done' in answer || answer.received > offset)
    this.stalled = progress ? 0 : this.stalled + 1
    if (this.stalled >= this.patience.maxStalled)
      throw new AppError('unavailable', `Drive accepts no more of ${this.target.name}.`, {
        hint: 'Run the same command again: it continues where it stopped.',
      })
    if (this.stalled > 0) await this.options.sleep(this.options.random() * Math.min(32_000, 500 * 2 ** this.stalled), signal)
    return answer
  }

  private async sendOrAsk(bytes: Uint8Array, offset: number, total: number | undefined, signal?: AbortSignal): Promise<UploadAnswer> {
    try {
      return await this.put(bytes, offset, total, signal)
    } catch (error) {
      if (!isBrief(error, this.patience.longestWaitMs)) throw error
      if ((error.retryAfterMs ?? 0) > LONGEST_BRIEF_MS) await this.options.sleep(error.retryAfterMs!, signal)
    }
    try {
      return await this.put(new Uint8Array(0), offset, total, signal)
    } catch (error) {
      if (!isBrief(error, this.patience.longestWaitMs)) throw error
      return { received: offset }
    }
  }

  /** Without bytes it asks. */
  private async put(body: Uint8Array, offset: number, total: number | undefined, signal?: AbortSignal): Promise<UploadAnswer> {
    const { http } = this.options
    const end = offset + body.length
    const range = body.length === 0 ? '*' : `${offset}-${end - 1}`
    // Drive's 308 ("go on") is no answer to the last bytes: as a failure it leads to the question what has arrived
    const isLast = body.length > 0 && end === total
    const response = await http.send({
      what: body.length > 0 ? 'upload.put' : 'upload.query',
      task: this.task,
      url: this.address!,
      method: 'PUT',
      headers: { 'content-range': `bytes ${range}/${total ?? '*'}` },
      body: [body],
      signal,
      accept: isLast ? [404, 410] : [308, 404, 410],
    })
    if (response.ok) return { done: toDriveFile(await http.json(response, this.task)) }
    await response.body?.cancel()
    return response.status === 308 ? { received: receivedBytes(response.headers.get('range'), offset, this.task) } : 'expired'
  }
}

/** The token goes where the session says: only to the API's own host, or another one of Google's. */
function isGoogles(location: string, baseUrl: string): boolean {
  const url = URL.canParse(location) ? new URL(location) : undefined
  const base = new URL(baseUrl)
  return url !== undefined && (url.origin === base.origin || (url.protocol === 'https:' && url.hostname.endsWith('.googleapis.com')))
}

/** What a 308 says has arrived: `Range: bytes=0-x`, or no such header for nothing at all. */
function receivedBytes(header: string | null, sent: number, task: string): number {
  if (header === null) return 0
  const parts = /^(?:bytes=)?0-(\d{1,15})$/.exec(header.trim())
  if (!parts)
    throw new AppError('unavailable', `Drive answered ${JSON.stringify(header)} when trying to ${task} (${sent} bytes sent).`, {
      hint: 'Run the same command again.',
    })
  return Number(parts[1]) + 1
}
