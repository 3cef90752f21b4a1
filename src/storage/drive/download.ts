import { AppError, isAppError } from '../../util/errors.ts'
import type { Patience } from '../../util/patience.ts'
import { isFlagged } from './drive-errors.ts'
import type { DriveHttp, DriveRequest } from './drive-http.ts'

export interface DownloaderOptions {
  http: DriveHttp
  baseUrl: string
  patience: Patience
}

/** Downloads bytes of files. If a body breaks off, it continues from that byte. */
export class Downloader {
  private readonly options: DownloaderOptions

  constructor(options: DownloaderOptions) {
    this.options = options
  }

  /** Bytes [start, end) of a file of `size` bytes. */
  async download(id: string, name: string, start: number, end: number, size: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - start)
    const tries = this.options.patience.tries()
    let filled = 0
    while (filled < bytes.length) {
      const before = filled
      try {
        await this.read(id, name, start + filled, end, size, signal, piece => {
          const fits = piece.subarray(0, bytes.length - filled)
          bytes.set(fits, filled)
          filled += fits.length
          return filled < bytes.length
        })
        if (filled < bytes.length)
          throw new AppError('unavailable', `Drive sent only ${filled} of ${bytes.length} bytes of ${name}.`, {
            hint: 'Run the same command again.',
            repeat: 'long',
          })
      } catch (error) {
        if (filled > before) tries.succeeded()
        await tries.failed(error, signal)
      }
    }
    return bytes
  }

  private async read(
    id: string,
    name: string,
    from: number,
    end: number,
    size: number,
    signal: AbortSignal | undefined,
    onPiece: (piece: Uint8Array) => boolean,
  ): Promise<void> {
    const { http, baseUrl } = this.options
    const task = `read ${name}`
    const whole = from === 0 && end === size
    const url = `${baseUrl}/drive/v3/files/${encodeURIComponent(id)}?alt=media&supportsAllDrives=true`
    // `fetch` itself asks for parts without compression
    const headers: Record<string, string> = whole ? { 'accept-encoding': 'identity' } : { range: `bytes=${from}-${end - 1}` }
    const request = {
      operation: 'files.get media',
      task,
      url,
      headers,
      signal,
      mayMove: true,
    }
    const response = await http.send(request).catch((error: unknown) => {
      if (!isFlagged(error)) throw error
      return this.sendAcknowledged(request, error)
    })
    if (!whole && response.status !== 206) {
      await response.body?.cancel()
      throw new AppError('unavailable', `Drive answered ${response.status} instead of a part of ${name}.`, {
        hint: 'Run the same command again.',
      })
    }
    if (!whole && !(response.headers.get('content-range') ?? '').startsWith(`bytes ${from}-`)) {
      await response.body?.cancel()
      throw new AppError('unavailable', `Drive sent another part of ${name} than requested.`, { hint: 'Run the same command again.' })
    }
    await http.readBody(response, task, onPiece, signal)
  }

  /**
   * Drive gives a flagged file to its owner, if the request says so. It refuses such a request for any other file
   * (duplicacy#433), so only a flagged one is asked for in this way.
   */
  private async sendAcknowledged(request: DriveRequest, flagged: AppError): Promise<Response> {
    try {
      return await this.options.http.send({ ...request, url: `${String(request.url)}&acknowledgeAbuse=true` })
    } catch (error) {
      throw isAppError(error, 'denied') ? flagged : error
    }
  }
}
