import { drive_v3 } from 'googleapis/build/src/apis/drive/v3.js'
import { AppError, isAppError } from '../../util/errors.ts'
import type { Quota } from '../storage.ts'
import { FOLDER, SHORTCUT, toDriveFile, toIds, toPage, toQuota, toSharedDrives, type DriveFile, type SharedDrive } from './answers.ts'
import type { DriveHttp } from './drive-http.ts'

/** A folder, and the shared drive that it is in. */
export interface FolderRef {
  id: string
  driveId: string | undefined
}

export const ROOT: FolderRef = { id: 'root', driveId: undefined }

export const FILE_FIELDS =
  'id,name,size,createdTime,sha256Checksum,md5Checksum,trashed,explicitlyTrashed,mimeType,shortcutDetails(targetId,targetMimeType),driveId,owners(me,emailAddress,displayName),capabilities(canDelete)'

/** Clauses of searches below a folder. Shortcuts are among both, because either may be meant. */
export const FOLDERS = `(mimeType = '${FOLDER}' or mimeType = '${SHORTCUT}')`
export const FILES = `mimeType != '${FOLDER}'`
const PAGE = 1000
/** Drive allows 500,000 items in a folder. */
const MOST_FILES = 1_000_000
const MOST_PAGES = 20_000
/** A login that is a member of more shared drives must name one by its id. */
const MOST_DRIVE_PAGES = 50
/** Pages of a listing that may follow each other without a file. */
const MOST_EMPTY_PAGES = 50

/** Drive's metadata calls, through Google's client. */
export class DriveApi {
  private readonly http: DriveHttp
  private readonly rootUrl: string
  /** Shared drives that this login is a member of. Of others it may see a folder, but Drive does not search in them. */
  private readonly memberOf = new Set<string>()

  constructor(http: DriveHttp, rootUrl: string) {
    this.http = http
    this.rootUrl = rootUrl.endsWith('/') ? rootUrl : `${rootUrl}/`
  }

  /** Makes a client that sends each request through our `DriveHttp`. It has no token, retries or proxy of its own. */
  private client(operation: string, task: string, signal: AbortSignal | undefined, onDate: (date: number) => void): drive_v3.Drive {
    return new drive_v3.Drive({
      rootUrl: this.rootUrl,
      fetchImplementation: this.http.asFetch(operation, task, signal, onDate),
      retry: false,
      // otherwise it creates its own agent if HTTPS_PROXY is set
      noProxy: [/^/],
    })
  }

  /** Makes one call, and gives Drive's clock when it answered. */
  async run<T>(
    operation: string,
    task: string,
    signal: AbortSignal | undefined,
    call: (drive: drive_v3.Drive) => Promise<{ data: T }>,
  ): Promise<{ data: T; date: number | undefined }> {
    let date: number | undefined
    try {
      const { data } = await call(this.client(operation, task, signal, at => (date = at)))
      if ((typeof data !== 'object' || data === null) && data !== '' && data !== undefined)
        throw new AppError('unavailable', `Drive's answer when trying to ${task} is not JSON.`, {
          hint: 'Is there a proxy or a login page in between? Run the same command again.',
        })
      return { data, date }
    } catch (error) {
      // Google's client wraps the error of our fetch
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) if (cause instanceof AppError) throw cause
      throw new AppError('unavailable', `Drive's answer when trying to ${task} can't be understood.`, {
        hint: 'Run the same command again.',
        cause: error,
      })
    }
  }

  /**
   * The files and folders in any of `parents` that meet the clause `filter`, and Drive's clock (ms, truncated to the
   * second) when it answered the very first page. Asks for one parent at a time: for several in one query Drive answers
   * with a part of them, or with nothing.
   */
  async listChildren(
    parents: readonly FolderRef[],
    filter: string,
    signal?: AbortSignal,
  ): Promise<{ files: DriveFile[]; date: number | undefined }> {
    const files: DriveFile[] = []
    let firstDate: number | undefined
    for (const parent of parents) {
      const children = await this.listChildrenOf(parent, filter, signal)
      firstDate ??= children.date
      files.push(...children.files)
    }
    return { files, date: firstDate }
  }

  private async listChildrenOf({ id, driveId }: FolderRef, filter: string, signal: AbortSignal | undefined) {
    const files: DriveFile[] = []
    let firstDate: number | undefined
    let pageToken: string | undefined
    let [pages, emptyPages] = [0, 0]
    do {
      const { data, date } = await this.run('files.list', 'list the folder', signal, drive =>
        drive.files.list({
          q: `'${id}' in parents and ${filter}`,
          fields: `nextPageToken,incompleteSearch,files(${FILE_FIELDS})`,
          pageSize: PAGE,
          supportsAllDrives: true,
          includeItemsFromAllDrives: true,
          ...(driveId !== undefined && this.memberOf.has(driveId) ? { corpora: 'drive', driveId } : {}),
          ...(pageToken === undefined ? {} : { pageToken }),
        }),
      )
      firstDate ??= date
      const page = toPage(data)
      files.push(...page.files)
      if (filter === FOLDERS && date !== undefined) for (const { id, created } of page.files) this.http.young.addFolder(id, date - created)
      emptyPages = page.files.length === 0 ? emptyPages + 1 : 0
      const isStuck = pageToken !== undefined && page.nextPageToken === pageToken
      if (isStuck || ++pages > MOST_PAGES || emptyPages > MOST_EMPTY_PAGES || files.length > MOST_FILES)
        throw new AppError('unavailable', "Drive's listing of the folder does not end.", { hint: 'Run the same command again.' })
      pageToken = page.nextPageToken
    } while (pageToken !== undefined)
    return { files, date: firstDate }
  }

  /** Throws `conflict` if an earlier call has made it. */
  async createFolder(id: string, name: string, parent: string, signal?: AbortSignal): Promise<DriveFile> {
    try {
      const { data } = await this.run('files.create', `create the folder ${name}`, signal, drive =>
        drive.files.create({
          requestBody: { id, name, mimeType: FOLDER, parents: [parent] },
          fields: FILE_FIELDS,
          supportsAllDrives: true,
        }),
      )
      this.http.young.addFolder(id)
      return toDriveFile(data)
    } catch (error) {
      if (isAppError(error, 'conflict')) this.http.young.addFolder(id)
      throw error
    }
  }

  async getFile(id: string, signal?: AbortSignal): Promise<DriveFile> {
    return (await this.getDated(id, signal)).file
  }

  /** Like `getFile`, with Drive's clock (ms) when it answered. */
  async getDated(id: string, signal?: AbortSignal): Promise<{ file: DriveFile; date: number | undefined }> {
    const { data, date } = await this.run('files.get', 'get a file', signal, drive =>
      drive.files.get({ fileId: id, fields: `${FILE_FIELDS},parents`, supportsAllDrives: true }),
    )
    const file = toDriveFile(data)
    if (file.isFolder && date !== undefined) this.http.young.addFolder(id, date - file.created)
    return { file, date }
  }

  /**
   * Deletes permanently: trashed files count against the quota for 30 days. `not-found` if the file is already gone.
   */
  async deleteFile(id: string, signal?: AbortSignal): Promise<void> {
    // it is gone if it is not found from now on
    this.http.young.forget(id)
    await this.run('files.delete', 'delete a file', signal, drive => drive.files.delete({ fileId: id, supportsAllDrives: true }))
  }

  async untrash(id: string, signal?: AbortSignal): Promise<void> {
    await this.run('files.update', 'take a file out of the trash', signal, drive =>
      drive.files.update({ fileId: id, requestBody: { trashed: false }, fields: 'id', supportsAllDrives: true }),
    )
  }

  /** The shared drives that this login is a member of. */
  async sharedDrives(signal?: AbortSignal): Promise<SharedDrive[]> {
    const found: SharedDrive[] = []
    let pageToken: string | undefined
    for (let page = 0; page < MOST_DRIVE_PAGES; page++) {
      const { data } = await this.run('drives.list', 'list the shared drives', signal, drive =>
        drive.drives.list({
          pageSize: 100,
          fields: 'nextPageToken,drives(id,name)',
          ...(pageToken === undefined ? {} : { pageToken }),
        }),
      )
      const { drives, nextPageToken } = toSharedDrives(data)
      found.push(...drives)
      for (const { id } of drives) this.memberOf.add(id)
      pageToken = nextPageToken
      if (pageToken === undefined) break
    }
    return found
  }

  async generateIds(count: number, signal?: AbortSignal): Promise<string[]> {
    const { data } = await this.run('files.generateIds', 'generate ids', signal, drive =>
      drive.files.generateIds({ count, space: 'drive', type: 'files' }),
    )
    return toIds(data)
  }

  async quota(signal?: AbortSignal): Promise<Quota> {
    const { data } = await this.run('about.get', 'report its free space', signal, drive =>
      drive.about.get({ fields: 'storageQuota(limit,usage,usageInDrive,usageInDriveTrash)' }),
    )
    return toQuota(data)
  }
}
