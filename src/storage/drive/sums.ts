import { createHash } from 'node:crypto'
import { AppError, isAppError } from '../../util/errors.ts'
import type { Sleep } from '../../util/waiting.ts'
import type { DriveFile } from './answers.ts'
import type { Downloader } from './download.ts'
import type { DriveApi } from './drive-api.ts'

/** Drive has been seen to have no sums of a new file for a while (ocw-studio#648). */
const WAITS_MS = [1000, 2000, 4000, 8000, 8000]
const PIECE_BYTES = 8 * 1024 * 1024

/** What a file must hold. */
export interface OwnSums {
  /** Bytes. */
  size: number
  sha256: () => string
  md5: () => string
}

export const sumsOf = (bytes: Uint8Array): OwnSums => ({
  size: bytes.length,
  sha256: () => digest('sha256', bytes),
  md5: () => digest('md5', bytes),
})

const digest = (algorithm: string, bytes: Uint8Array): string => createHash(algorithm).update(bytes).digest('hex')

/** Compares files with what they must hold. Only a sum that Drive tells, or the bytes themselves, can be different. */
export class SumCheck {
  private readonly api: DriveApi
  private readonly downloader: Downloader
  private readonly sleep: Sleep

  constructor(api: DriveApi, downloader: Downloader, sleep: Sleep) {
    this.api = api
    this.downloader = downloader
    this.sleep = sleep
  }

  /**
   * Waits for the sums of a file, and reads it if there are still none. Throws `unavailable` where neither tells.
   */
  async holds(file: DriveFile, own: OwnSums, signal?: AbortSignal): Promise<boolean> {
    let latest = file
    for (const ms of WAITS_MS) {
      const same = isSame(latest, own)
      if (same !== undefined) return same
      await this.sleep(ms, signal)
      latest = await this.api.getFile(file.id, signal).catch((error: unknown) => {
        throw isAppError(error, 'not-found') ? unknown(file) : error
      })
    }
    return isSame(latest, own) ?? (await this.readBack(latest, own, signal))
  }

  private async readBack(file: DriveFile, own: OwnSums, signal: AbortSignal | undefined): Promise<boolean> {
    const { id, name, size } = file
    if (size !== own.size) throw unknown(file)
    const hash = createHash('sha256')
    for (let at = 0; at < size; at += PIECE_BYTES)
      hash.update(await this.downloader.download(id, name, at, Math.min(size, at + PIECE_BYTES), size, signal))
    return hash.digest('hex') === own.sha256()
  }
}

/** Undefined if Drive tells no sum. */
function isSame({ sha256, md5 }: DriveFile, own: OwnSums): boolean | undefined {
  if (sha256 !== undefined) return sha256 === own.sha256()
  return md5 === undefined ? undefined : md5 === own.md5()
}

function unknown({ name }: DriveFile): AppError {
  return new AppError('unavailable', `Drive does not tell yet whether ${name} has arrived whole.`, {
    hint: 'Wait a minute and run the same command again: it continues where it stopped.',
  })
}
