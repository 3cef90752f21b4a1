import { createHash, type Hash } from 'node:crypto'
import { AppError, isAppError } from '../../util/errors.ts'
import type { DriveApi, DriveFile } from './drive-api.ts'
import type { Downloader } from './download.ts'
import type { DriveFolders } from './folders.ts'
import type { IdPool } from './id-pool.ts'
import { ResumableSession, type UploaderOptions } from './resumable-session.ts'

/** Sent at a time; Drive wants multiples of 256 KiB. It is also what is kept to send again. */
const PIECE_BYTES = 8 * 1024 * 1024

export interface DriveFileParts {
  api: DriveApi
  ids: IdPool
  folders: DriveFolders
  downloader: Downloader
  uploader: UploaderOptions
}

/** One ordinary file in a Drive folder, for people without this program: written and read as a stream, with no copy on disk. */
export class OrdinaryDriveFile {
  private readonly parts: DriveFileParts
  private readonly name: string

  constructor(parts: DriveFileParts, name: string) {
    this.parts = parts
    this.name = name
  }

  /** Files of that name in that folder, the newest first. */
  async existing(signal?: AbortSignal): Promise<DriveFile[]> {
    const { ids } = await this.parts.folders.find(signal)
    if (ids.length === 0) return []
    const { files } = await this.parts.api.listChildren(ids, false, signal)
    return files.filter(file => file.name === this.name).sort((a, b) => b.created - a.created)
  }

  /** Begins a new file. What is there of that name stays until `replaced` is deleted by `finish`. */
  async create(replaced: readonly DriveFile[], signal?: AbortSignal): Promise<DriveFileWriter> {
    const { ids, folders, uploader, api } = this.parts
    const target = { id: await ids.idFor(`file ${this.name}`, signal), name: this.name, parent: await folders.writable(signal) }
    const session = new ResumableSession(uploader, target)
    await session.begin(undefined, signal)
    return new DriveFileWriter(session, this.name, api, replaced, signal)
  }

  /** The newest file of that name, piece by piece; its checksum is verified at the end. */
  async *read(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const [file] = await this.existing(signal)
    if (!file)
      throw new AppError('not-found', `There is no file ${this.name} in that Drive folder.`, { hint: 'Check the path: drive:Folder/file.' })
    const hash = createHash(file.sha256 === undefined ? 'md5' : 'sha256')
    for (let start = 0; start < file.size; start += PIECE_BYTES) {
      const end = Math.min(file.size, start + PIECE_BYTES)
      const bytes = await this.parts.downloader.download(file.id, file.name, start, end, file.size, signal)
      hash.update(bytes)
      yield bytes
    }
    const expected = file.sha256 ?? file.md5
    if (expected !== undefined && hash.digest('hex') !== expected)
      throw new AppError('unavailable', `${this.name} was damaged on its way from Drive.`, { hint: 'Run the same command again.' })
  }
}

/** A file being uploaded whose length shows only at its end. */
export class DriveFileWriter {
  private readonly session: ResumableSession
  private readonly name: string
  private readonly api: DriveApi
  private readonly replaced: readonly DriveFile[]
  private readonly signal: AbortSignal | undefined
  private readonly sha256: Hash = createHash('sha256')
  private readonly md5: Hash = createHash('md5')
  private waiting: Uint8Array[] = []
  private waitingBytes = 0
  /** Bytes that Drive has. */
  private received = 0

  constructor(session: ResumableSession, name: string, api: DriveApi, replaced: readonly DriveFile[], signal: AbortSignal | undefined) {
    this.session = session
    this.name = name
    this.api = api
    this.replaced = replaced
    this.signal = signal
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.sha256.update(bytes)
    this.md5.update(bytes)
    this.waiting.push(bytes.slice())
    this.waitingBytes += bytes.length
    // the last piece is sent by finish(), which alone knows that it is the last
    while (this.waitingBytes > PIECE_BYTES) await this.sendSome(undefined)
  }

  private async sendSome(total: number | undefined): Promise<DriveFile | undefined> {
    const all = this.waiting.length === 1 ? this.waiting[0]! : Buffer.concat(this.waiting)
    const answer = await this.session.send(total === undefined ? all.subarray(0, PIECE_BYTES) : all, this.received, total, this.signal)
    if (answer === 'expired')
      throw new AppError('unavailable', `Drive gave up the upload of ${this.name}.`, {
        hint: 'Run the same command again: it begins anew.',
      })
    if ('done' in answer) return answer.done
    const rest = answer.received - this.received
    if (rest < 0 || rest > all.length)
      throw new AppError('unavailable', `Drive lost count of what it has of ${this.name}.`, {
        hint: 'Run the same command again: it begins anew.',
      })
    this.received = answer.received
    this.waiting = [all.subarray(rest)]
    this.waitingBytes = all.length - rest
    return undefined
  }

  /** Sends the rest; resolves when Drive's checksum equals ours, and what the file replaces is deleted. */
  async finish(): Promise<void> {
    const total = this.received + this.waitingBytes
    let file: DriveFile | undefined
    while (!file) file = await this.sendSome(total)
    const right = file.sha256 === undefined ? file.md5 === this.md5.digest('hex') : file.sha256 === this.sha256.digest('hex')
    if (!right) {
      await this.api.deleteFile(file.id, this.signal)
      throw new AppError('unavailable', `${this.name} was damaged on its way to Drive.`, { hint: 'Run the same command again.' })
    }
    for (const { id } of this.replaced) {
      try {
        await this.api.deleteFile(id, this.signal)
      } catch (error) {
        if (!isAppError(error, 'not-found')) throw error
      }
    }
  }

  /** Nothing is visible of an upload that was not finished: Drive forgets it within a week. */
  abort(): Promise<void> {
    this.waiting = []
    return Promise.resolve()
  }
}
