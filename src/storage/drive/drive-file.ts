import { createHash } from 'node:crypto'
import { AppError } from '../../util/errors.ts'
import type { Patience } from '../../util/patience.ts'
import type { DriveFile } from './answers.ts'
import type { Downloader } from './download.ts'
import { FILES, FOLDERS, type DriveApi } from './drive-api.ts'
import { DriveFileWriter } from './drive-file-writer.ts'
import type { DriveFolders } from './folders.ts'
import type { IdPool } from './id-pool.ts'
import { followShortcuts, isNamed } from './shortcuts.ts'
import { ResumableSession, type UploaderOptions } from './resumable-session.ts'
import { FileSharing } from './sharing.ts'
import type { SumCheck } from './sums.ts'

/** Number of parallel requests once it is known that the whole file will be read. */
const AHEAD = 3

/** Bytes per request; Drive requires multiples of 256 KiB. A sent piece is kept until Drive confirms it. */
export interface PieceSizes {
  sent: number
  fetched: number
}

export const PIECES: PieceSizes = { sent: 16 * 1024 * 1024, fetched: 8 * 1024 * 1024 }

export interface DriveFileServices {
  api: DriveApi
  ids: IdPool
  folders: DriveFolders
  downloader: Downloader
  sums: SumCheck
  uploader: UploaderOptions
  pieces: PieceSizes
}

/**
 * One ordinary file in a Drive folder, for people without this program. It is written and read as a stream, without a
 * copy on disk.
 */
export class OrdinaryDriveFile {
  /** `drive:Folder/name`, or `drive:id=...`: names this file in any command. */
  readonly location: string
  readonly name: string
  readonly sharing: FileSharing
  private readonly parts: DriveFileServices
  private readonly patience: Patience

  constructor(parts: DriveFileServices, location: string, name: string) {
    this.parts = parts
    this.name = name
    this.location = location
    this.patience = parts.uploader.patience
    this.sharing = new FileSharing(parts.api, this.patience)
  }

  /** Files of that name in that folder, and shortcuts to others; newest first. */
  existing(signal?: AbortSignal): Promise<DriveFile[]> {
    return this.patience.persist(signal, async () => {
      const { folders } = await this.parts.folders.find(signal)
      const { files } = await this.parts.api.listChildren(folders, `trashed = false and ${FILES}`, signal)
      const named = files.filter(file => isNamed(file, this.name) && file.target?.isFolder !== true)
      return named.sort((a, b) => b.created - a.created)
    })
  }

  /** Whether a folder has that name. */
  isFolder(signal?: AbortSignal): Promise<boolean> {
    return this.patience.persist(signal, async () => {
      const { folders } = await this.parts.folders.find(signal)
      const { files } = await this.parts.api.listChildren(folders, `trashed = false and ${FOLDERS}`, signal)
      return files.some(file => isNamed(file, this.name) && file.target?.isFolder !== false)
    })
  }

  /** The newest file of that name, or what a shortcut of that name leads to. Throws `not-found`. */
  async newest(signal?: AbortSignal): Promise<DriveFile> {
    const existing = await this.existing(signal)
    const followed = await this.patience.persist(signal, () => followShortcuts(this.parts.api, existing, this.location, signal))
    const file = followed.find(({ isFolder }) => !isFolder)
    if (file) return file
    throw this.missing()
  }

  missing(): AppError {
    return new AppError('not-found', `There is no file ${this.location} on Drive.`, {
      hint: "Write it as drive:Folder/file for My Drive, or give its address in the browser. Others' files can be opened by their address.",
    })
  }

  /** Starts a new file. Existing files of that name stay until `finish` deletes those in `replaced`. */
  async create(replaced: readonly DriveFile[], signal?: AbortSignal): Promise<DriveFileWriter> {
    const { ids, folders, uploader, api, sums, pieces } = this.parts
    const session = await uploader.patience.persist(signal, async () => {
      const target = { id: await ids.idFor(`file ${this.name}`, signal), name: this.name, parent: await folders.writable(signal) }
      const begun = new ResumableSession(uploader, target)
      await begun.begin(undefined, signal)
      return begun
    })
    return new DriveFileWriter(session, { api, sums, patience: uploader.patience, pieceBytes: pieces.sent, replaced, signal })
  }

  /** The whole file, piece by piece. Its checksum is verified at the end. */
  async *read(file: DriveFile, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const { fetched } = this.parts.pieces
    const hash = createHash(file.sha256 === undefined ? 'md5' : 'sha256')
    const left = new AbortController()
    const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal
    const waiting: Promise<Uint8Array>[] = []
    let [next, most] = [0, 1]
    try {
      while (next < file.size || waiting.length > 0) {
        for (; next < file.size && waiting.length < most; next += fetched) {
          const piece = this.range(file, next, Math.min(file.size, next + fetched), either)
          // thrown when this piece is awaited
          piece.catch(() => undefined)
          waiting.push(piece)
        }
        const bytes = await waiting.shift()!
        hash.update(bytes)
        yield bytes
        most = AHEAD
      }
    } finally {
      left.abort()
    }
    const expected = file.sha256 ?? file.md5
    if (expected !== undefined && hash.digest('hex') !== expected)
      throw new AppError('unavailable', `${this.location} was damaged on its way from Drive, or was changed meanwhile.`, {
        hint: 'Run the same command again.',
      })
  }

  /** Bytes [start, end) of a file. */
  range(file: DriveFile, start: number, end: number, signal?: AbortSignal): Promise<Uint8Array> {
    const { downloader, uploader } = this.parts
    return uploader.patience.persist(signal, () => downloader.download(file.id, file.name, start, end, file.size, signal))
  }
}
