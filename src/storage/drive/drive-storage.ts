/*
 * Google Drive as a store, and its ordinary files: requests, uploads, downloads, folders, ids and errors of Drive API
 * v3. It gets tokens from its caller, and does not know what objects mean.
 */

import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { sha256Hex } from '../../util/hash.ts'
import type { Patience } from '../../util/patience.ts'
import { sleep as realSleep, type Sleep } from '../../util/waiting.ts'
import { badRange, conflict, notFound, readsBackDifferently } from '../errors.ts'
import { checkEntryName, checkName, checkSize, resolveRange } from '../object-checks.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from '../storage.ts'
import { keeperOf, type DriveFile } from './answers.ts'
import { Downloader } from './download.ts'
import { confirmStored, findNow, folderInTrash } from './confirm.ts'
import { Copies, type HashInName } from './copies.ts'
import { deleteFile, deleteOrNote } from './delete-file.ts'
import { DriveApi, FILES } from './drive-api.ts'
import { OrdinaryDriveFile, PIECES, type DriveFileServices, type PieceSizes } from './drive-file.ts'
import { getById } from './drive-start.ts'
import { DriveHttp, type AccessTokens } from './drive-http.ts'
import { DriveTrash } from './drive-trash.ts'
import { DriveFolders } from './folders.ts'
import { IdPool } from './id-pool.ts'
import { isThere, listedLate, type LatelyStored, type LatelyStoredNote } from './lately-stored.ts'
import { Pace } from './pace.ts'
import { locationOf, MY_DRIVE, type DriveStart } from './place.ts'
import { SumCheck, sumsOf } from './sums.ts'
import { Uploader } from './upload.ts'
import type { YoungIds } from './young-ids.ts'

export interface DriveStorageOptions {
  tokens: AccessTokens
  /** Where the path begins: in My Drive unless told. */
  start?: DriveStart
  /** Folder names from there down; empty for files in the start itself. */
  path: readonly string[]
  /** `https://www.googleapis.com` */
  baseUrl: string
  fetch: typeof fetch
  patience: Patience
  idleMs?: number
  sleep?: Sleep
  /** ms since 1970. */
  now?: () => number
  /** Monotonic ms. */
  monotonic?: () => number
  onRequest?: (operation: string) => void
  /** Bytes per request for ordinary files. */
  pieces?: PieceSizes
  /** Tells a good copy of an object from a damaged one of the same name. */
  hashInName?: HashInName
  /** Where this machine notes what it stored last. */
  latelyStored?: LatelyStoredNote | undefined
}

/** Silence (ms) after which a connection counts as dead. */
const IDLE_MS = 60_000

/**
 * Stores a repository's objects as files of one Drive folder, through Drive API v3. After a listing, files are
 * addressed by id. Duplicates of a name are one object. An object counts as stored when Drive's checksum equals ours.
 */
export class DriveStorage implements Storage {
  readonly location: string
  private readonly api: DriveApi
  private readonly ids: IdPool
  private readonly folders: DriveFolders
  private readonly uploader: Uploader
  private readonly downloader: Downloader
  private readonly sums: SumCheck
  private readonly young: YoungIds
  private readonly parts: DriveFileServices
  private readonly patience: Patience
  private readonly now: () => number
  private readonly copies: Copies
  private readonly folderName: string | undefined
  private readonly note: LatelyStoredNote | undefined
  /** What an earlier command stored, until a listing shows it. */
  private earlier: Promise<LatelyStored | undefined> | undefined
  /** Drive's clock when the last listing began, ms since 1970. */
  private listedAt = 0
  /** What the last `confirm` has seen in the trash. */
  private inTrash: readonly DriveFile[] | undefined

  constructor(options: DriveStorageOptions) {
    const sleep = options.sleep ?? realSleep
    this.now = options.now ?? Date.now
    this.patience = options.patience
    const place = { start: options.start ?? MY_DRIVE, path: options.path }
    this.location = locationOf(place)
    const http = new DriveHttp({
      tokens: options.tokens,
      fetch: options.fetch,
      pace: new Pace(sleep, options.monotonic ?? (() => performance.now())),
      now: this.now,
      idleMs: options.idleMs ?? IDLE_MS,
      ...(options.onRequest === undefined ? {} : { onRequest: options.onRequest }),
    })
    const { baseUrl, patience } = options
    this.folderName = options.path.at(-1)
    this.note = options.latelyStored
    this.earlier = this.note?.load()
    this.young = http.young
    this.copies = new Copies(options.hashInName ?? (() => undefined))
    this.api = new DriveApi(http, baseUrl)
    this.ids = new IdPool(this.api)
    this.folders = new DriveFolders(this.api, this.ids, place)
    const uploader = { http, baseUrl, patience }
    this.uploader = new Uploader(uploader)
    this.downloader = new Downloader(uploader)
    this.sums = new SumCheck(this.api, this.downloader, sleep)
    this.parts = {
      api: this.api,
      ids: this.ids,
      folders: this.folders,
      downloader: this.downloader,
      sums: this.sums,
      uploader,
      pieces: options.pieces ?? PIECES,
    }
  }

  /** Who owns the folder, where it is not this login, as far as is known. */
  get owner(): string | undefined {
    return this.folders.known[0]?.owner
  }

  /** The id of the folder, as far as it is known. */
  get folderId(): string | undefined {
    return this.folders.known[0]?.id
  }

  /** Whether an object is known, from a listing or because it was stored. */
  knows(name: string): boolean {
    return this.copies.of(name).length > 0
  }

  /** The folder's address in the browser, as far as it is known. */
  get link(): string | undefined {
    const [folder] = this.folders.known
    return folder && `https://drive.google.com/drive/folders/${folder.id}`
  }

  /** An ordinary file in the same folder. The folder may also be a repository. */
  ordinaryFile(name: string): OrdinaryDriveFile {
    const folder = this.location === 'drive:' ? this.location : `${this.location}/`
    return new OrdinaryDriveFile(this.parts, `${folder}${name}`, name)
  }

  /** The ordinary file at which the path begins. */
  async fileById(id: string, { signal }: StorageOptions): Promise<{ file: OrdinaryDriveFile; found: DriveFile }> {
    const { file: found } = await this.patience.persist(signal, () => getById(this.api, id, signal))
    if (found.isFolder || found.trashed !== false)
      throw new AppError('not-found', `${found.name} ${found.isFolder ? 'is a folder' : "lies in Drive's trash"}.`, {
        hint: 'Give the address of a file on Drive.',
      })
    return { file: new OrdinaryDriveFile(this.parts, this.location, found.name), found }
  }

  trash(): DriveTrash {
    return new DriveTrash(this.api, this.folders, this.location, this.patience, () => this.inTrash)
  }

  async list({ signal }: StorageOptions = {}): Promise<Listing> {
    throwIfAborted(signal)
    this.copies.beginListing()
    const { folders, date, isTrashed } = await this.folders.find(signal)
    if (isTrashed) throw folderInTrash(this.location)
    this.listedAt = date ?? this.now()
    const { files } = await this.api.listChildren(folders, `trashed = false and ${FILES}`, signal)
    await this.requireListed(files, signal)
    this.copies.endListing(files.filter(({ target }) => target === undefined))
    for (const { id } of files) this.young.forget(id)
    const shortcuts = files.filter(({ target }) => target !== undefined).map(({ name }) => name)
    return { asOf: this.listedAt, objects: this.copies.objects(), ...(shortcuts.length === 0 ? {} : { misplaced: shortcuts }) }
  }

  /** A listing that lags would show no repository, or an older one. */
  private async requireListed(files: readonly DriveFile[], signal: AbortSignal | undefined): Promise<void> {
    const earlier = await this.earlier
    if (earlier === undefined) return
    const isListed = files.some(({ id }) => id === earlier.file)
    if (!isListed && (await isThere(earlier, this.folderName, this.api, signal))) throw listedLate(this.location)
    this.earlier = undefined
  }

  /** Reads the best copy that is there and arrives whole. */
  async get(name: string, range?: ByteRange, { signal }: StorageOptions = {}): Promise<Uint8Array> {
    throwIfAborted(signal)
    checkEntryName(name)
    if (this.copies.of(name).length === 0) await this.list({ signal })
    let failure: AppError | undefined
    for (const file of this.copies.of(name)) {
      // a good copy that does not arrive whole is asked for again, rather than a damaged one
      if (failure && this.copies.isDamaged(file)) break
      const { start, end } = resolveRange(name, file.size, range)
      try {
        const bytes = await this.downloader.download(file.id, name, start, end, file.size, signal)
        if (bytes.length !== file.size || file.sha256 === undefined || sha256Hex(bytes) === file.sha256) return bytes
        failure ??= new AppError('unavailable', `${name} was damaged on its way from Drive.`, { hint: 'Run the same command again.' })
      } catch (error) {
        if (isAppError(error, 'bad-range')) throw badRange(name, file.size, range)
        // Drive refuses this copy only
        if (isAppError(error, 'io')) failure ??= error
        else if (isAppError(error, 'not-found')) this.copies.forget(file)
        else throw error
      }
    }
    throw failure ?? notFound(name, this.location)
  }

  async put(name: string, bytes: Uint8Array, { signal }: StorageOptions = {}): Promise<{ created: number }> {
    throwIfAborted(signal)
    checkName(name)
    checkSize(name, bytes)
    const present = await this.present(name, bytes, signal)
    if (present) return present
    const parent = await this.folders.writable(signal)
    const id = await this.ids.idFor(name, signal)
    const file = await this.uploadOrFind({ id, name, parent }, bytes, signal).catch(async (error: unknown) => {
      throw isAppError(error, 'quota') ? await this.withNumbers(error, bytes.length, signal) : error
    })
    if (!(await this.sums.holds(file, sumsOf(bytes), signal))) {
      // the arrived bytes are damaged and must never be read; if they can't be deleted, the id stays reserved, so the
      // next attempt finds them
      await deleteFile(this.api, file, signal)
      this.ids.release(name)
      throw new AppError('unavailable', `${name} was damaged on its way to Drive.`, { hint: 'Run the same command again.' })
    }
    this.ids.release(name)
    this.copies.add(file)
    await this.note?.save({ folder: parent, file: file.id }, name)
    return { created: file.created }
  }

  /**
   * Confirms that this object, and all that was listed or stored since the last listing, is there and not in the trash.
   */
  async confirm(name: string, bytes: Uint8Array, { signal }: StorageOptions = {}): Promise<void> {
    throwIfAborted(signal)
    const { api, copies, location, listedAt } = this
    const { stored, inTrash } = await confirmStored(name, { api, copies, folders: this.folders.known, location, listedAt, signal })
    this.inTrash = inTrash
    if (stored.length === 0) throw notFound(name, location)
    const own = sumsOf(bytes)
    for (const file of stored) if (await this.sums.holds(file, own, signal)) return
    throw readsBackDifferently(name, location)
  }

  /** Adds sizes to the error: Drive says that it is full, but not how full. */
  private async withNumbers(error: AppError, bytes: number, signal: AbortSignal | undefined): Promise<AppError> {
    const { used, limit } = await this.quota({ signal }).catch(() => ({ used: undefined, limit: undefined }))
    // a folder can be full while the account has space
    if (used === undefined || limit === undefined || used + bytes <= limit) return error
    const message = `${error.message} ${formatBytes(bytes)} more are needed; ${formatBytes(used)} of ${formatBytes(limit)} are used.`
    return new AppError('quota', message, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) })
  }

  /**
   * Handles a 409 on our own id: an earlier attempt succeeded and its response was lost, or its bytes were damaged and
   * are deleted.
   */
  private async uploadOrFind(
    target: { id: string; name: string; parent: string },
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<DriveFile> {
    try {
      const file = await this.uploader.upload(target, bytes, signal)
      this.young.addFile(target.id)
      return file
    } catch (error) {
      if (!isAppError(error, 'conflict')) throw error
      this.young.addFile(target.id)
      const file = await findNow(this.api, target, signal)
      if (file?.trashed === false) return file
      this.ids.release(target.name)
      throw new AppError('unavailable', `${target.name} must be sent to Drive again.`, { hint: 'Run the same command again.' })
    }
  }

  /**
   * Does not trust a listing: a copy counts only if Drive confirms it now, by its id. A damaged copy does not keep the
   * promised bytes from being stored beside it.
   */
  private async present(name: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<{ created: number } | undefined> {
    const own = sumsOf(bytes)
    for (const copy of this.copies.of(name)) {
      const file = await findNow(this.api, copy, signal)
      if (file?.trashed !== false) continue
      if (await this.sums.holds(file, own, signal)) return { created: file.created }
      if (!this.copies.arePromised(name, bytes)) throw conflict(name, this.location)
    }
    return undefined
  }

  async remove(name: string, { signal }: StorageOptions = {}): Promise<void> {
    throwIfAborted(signal)
    checkEntryName(name)
    if (this.copies.of(name).length === 0) await this.list({ signal })
    for (const file of this.copies.of(name)) {
      if (file.canDelete) await deleteOrNote(this.api, file, signal)
      if (file.canDelete) this.copies.forget(file)
    }
    const keeper = this.keeper(name)
    if (keeper === undefined) this.copies.forgetAll(name)
    else
      throw new AppError('denied', `Only ${keeper} can delete ${name} in ${this.location}.`, {
        hint: 'In a folder that is shared, everybody deletes what they stored themselves: run the same command there too.',
      })
  }

  keeper(name: string): string | undefined {
    const kept = this.copies.of(name).find(({ canDelete }) => !canDelete)
    return kept && keeperOf(kept)
  }

  async quota({ signal }: StorageOptions = {}): Promise<Quota> {
    throwIfAborted(signal)
    // what is in a shared drive takes nobody's space, and Drive tells no limit of it
    return this.folders.isInSharedDrive ? { used: undefined, limit: undefined } : this.api.quota(signal)
  }

  /** Prepares ids for new files, and the folder. */
  async prepare({ signal }: StorageOptions = {}): Promise<void> {
    await Promise.allSettled([this.ids.fill(signal), this.folders.writable(signal)])
  }
}
