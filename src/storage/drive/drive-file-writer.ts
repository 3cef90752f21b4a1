import { createHash, type Hash } from 'node:crypto'
import { AppError, isAppError } from '../../util/errors.ts'
import type { Patience } from '../../util/patience.ts'
import type { DriveFile } from './answers.ts'
import { deleteFile } from './delete-file.ts'
import type { DriveApi } from './drive-api.ts'
import type { ResumableSession } from './resumable-session.ts'
import type { SumCheck } from './sums.ts'

/** Drive takes only multiples of this before the last piece, wherever it begins. */
const GRANULE = 256 * 1024

export interface DriveFileWriterOptions {
  api: DriveApi
  sums: SumCheck
  patience: Patience
  /** Bytes per request. */
  pieceBytes: number
  /** Older files of the name, deleted when the new file is complete. */
  replaced: readonly DriveFile[]
  signal: AbortSignal | undefined
}

/** Uploads a file whose length is known only at its end. The file is invisible until it is complete. */
export class DriveFileWriter {
  /** Replaced files that `finish` was not allowed to delete. */
  readonly kept: DriveFile[] = []
  private readonly session: ResumableSession
  private readonly options: DriveFileWriterOptions
  private readonly sha256: Hash = createHash('sha256')
  private readonly md5: Hash = createHash('md5')
  private readonly buffer: Buffer
  private filled = 0
  /** Number of bytes that Drive has confirmed. */
  private received = 0

  constructor(session: ResumableSession, options: DriveFileWriterOptions) {
    this.session = session
    this.options = options
    this.buffer = Buffer.allocUnsafeSlow(options.pieceBytes)
  }

  /** The id of the file, once it is complete. */
  get id(): string {
    return this.session.id
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.sha256.update(bytes)
    this.md5.update(bytes)
    for (let done = 0; done < bytes.length;) {
      // a full piece waits for the next byte: only finish() knows which piece is the last, and sends it
      if (this.filled === this.buffer.length) await this.sendSome(undefined)
      const part = bytes.subarray(done, done + this.buffer.length - this.filled)
      this.buffer.set(part, this.filled)
      this.filled += part.length
      done += part.length
    }
  }

  private async sendSome(total: number | undefined): Promise<DriveFile | undefined> {
    const length = total === undefined ? this.filled - (this.filled % GRANULE) : this.filled
    const answer = await this.session.send(this.buffer.subarray(0, length), this.received, total, this.options.signal)
    if (answer.kind === 'expired') return await this.unlessLost(total)
    if (answer.kind === 'done') return answer.file
    const taken = answer.received - this.received
    if (taken < 0 || taken > this.filled) throw gaveUp(`Drive confirmed an impossible number of bytes of ${this.session.name}.`)
    this.received = answer.received
    this.buffer.copyWithin(0, taken, this.filled)
    this.filled -= taken
    return undefined
  }

  /** Handles an expired session. Either the file is complete and the response was lost, or all sent bytes are lost. */
  private async unlessLost(total: number | undefined): Promise<DriveFile> {
    const { api, patience, signal } = this.options
    try {
      if (total !== undefined) return await patience.persist(signal, () => api.getFile(this.session.id, signal))
    } catch (error) {
      if (!isAppError(error, 'not-found')) throw error
    }
    throw gaveUp(`Drive cancelled the upload of ${this.session.name}.`)
  }

  /** Sends the rest. Resolves when Drive's checksum equals ours and the replaced files are deleted. */
  async finish(): Promise<void> {
    const total = this.received + this.filled
    let sent: DriveFile | undefined
    while (!sent) sent = await this.sendSome(total)
    const file = sent
    const [sha256, md5] = [this.sha256.digest('hex'), this.md5.digest('hex')]
    const own = { size: total, sha256: () => sha256, md5: () => md5 }
    const { sums, patience, signal } = this.options
    if (!(await patience.persist(signal, () => sums.holds(file, own, signal)))) {
      await this.remove(file)
      throw gaveUp(`${this.session.name} was damaged on its way to Drive, and removed there.`)
    }
    for (const old of this.options.replaced) await this.removeReplaced(old)
  }

  private async removeReplaced(old: DriveFile): Promise<void> {
    try {
      await this.remove(old)
    } catch (error) {
      if (!isAppError(error, 'denied')) throw error
      this.kept.push(old)
    }
  }

  private async remove(file: DriveFile): Promise<void> {
    const { api, patience, signal } = this.options
    await patience.persist(signal, () => deleteFile(api, file, signal))
  }

  /** Does nothing: an unfinished upload is invisible, and Drive forgets it within a week. */
  abort(): Promise<void> {
    return Promise.resolve()
  }
}

function gaveUp(message: string): AppError {
  return new AppError('unavailable', message, { hint: 'Run the same command again: it starts from the beginning.' })
}
