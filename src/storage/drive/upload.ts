import { randomBytes } from 'node:crypto'
import { toDriveFile, type DriveFile } from './answers.ts'
import { ResumableSession, UPLOAD_TYPE, uploadMetadata, uploadUrl, type UploadTarget, type UploaderOptions } from './resumable-session.ts'

/** An object up to this size (bytes) is sent in one request. Drive's own limit is 5 MB. */
const MULTIPART_BYTES = 4_500_000

/**
 * Uploads objects: small ones in one multipart request, others in a resumable session with one PUT, which continues
 * from the offset that Drive states. Throws `conflict` when an earlier attempt of this upload has taken the id.
 */
export class Uploader {
  private readonly options: UploaderOptions

  constructor(options: UploaderOptions) {
    this.options = options
  }

  upload(target: UploadTarget, bytes: Uint8Array, signal?: AbortSignal): Promise<DriveFile> {
    return bytes.length <= MULTIPART_BYTES ? this.multipart(target, bytes, signal) : this.resumable(target, bytes, signal)
  }

  private async multipart(target: UploadTarget, bytes: Uint8Array, signal?: AbortSignal): Promise<DriveFile> {
    const { http, baseUrl } = this.options
    const boundary = `colab-escape-${randomBytes(24).toString('hex')}`
    const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${uploadMetadata(target)}\r\n--${boundary}\r\ncontent-type: ${UPLOAD_TYPE}\r\n\r\n`
    const body = [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]
    const task = `store ${target.name}`
    const headers = { 'content-type': `multipart/related; boundary=${boundary}` }
    const response = await http.send({
      operation: 'upload.multipart',
      task,
      url: uploadUrl(baseUrl, 'multipart'),
      method: 'POST',
      headers,
      body,
      signal,
    })
    return toDriveFile(await http.json(response, task))
  }

  private async resumable(target: UploadTarget, bytes: Uint8Array, signal?: AbortSignal): Promise<DriveFile> {
    const session = new ResumableSession(this.options, target)
    await session.begin(bytes.length, signal)
    for (let offset = 0; ;) {
      const answer = await session.send(bytes.subarray(offset), offset, bytes.length, signal)
      if (answer.kind === 'expired') {
        await session.begin(bytes.length, signal)
        offset = 0
      } else if (answer.kind === 'done') return answer.file
      else offset = answer.received
    }
  }
}
