import type { Conduct } from './behaviours.ts'
import type { Content } from './content.ts'
import { GoogleError } from './errors.ts'
import type { Role } from './sharing.ts'

export const FOLDER = 'application/vnd.google-apps.folder'
/** "Add to My Drive" makes one of these since 2020: rclone#4098 (March 2020). */
export const SHORTCUT = 'application/vnd.google-apps.shortcut'

export type Space = 'drive' | 'appDataFolder'

/** Times in ms since 1970. */
export interface DriveFile {
  readonly id: string
  name: string
  mimeType: string
  /** None for a root only. */
  parent: string | undefined
  readonly space: Space
  /** Address of the user whose storage it takes; empty in a shared drive. */
  readonly owner: string
  /** The app that made it: what `drive.file` goes by. Empty for the roots, which no app made. */
  readonly clientId: string
  createdTime: number
  modifiedTime: number
  /** Trashed itself, not only by way of a folder above. */
  trashed: boolean
  /** When that was. Absent: before anything came into the folder. */
  trashedTime?: number | undefined
  starred: boolean
  description: string | undefined
  originalFilename: string | undefined
  properties: Record<string, string>
  /** Private to each client id. */
  appProperties: Map<string, Record<string, string>>
  /** Whom it is shared with, beside what is inherited from the folders above. */
  shares?: Map<string, Role>
  /** What everybody may do who has the link. */
  linkRole?: Role | undefined
  /** The root of a shared drive. */
  readonly isSharedDrive?: boolean
  /** Of a shortcut: the id of what it leads to. */
  readonly target?: string | undefined
  /** None for folders and shortcuts. */
  content: Content | undefined
  headRevisionId: string | undefined
  version: number
  /** When it came into being by the server's clock; listings lag behind that. */
  readonly born: number
}

export const sizeOf = (file: DriveFile): number => file.content?.bytes.length ?? 0

/** How far listings lag behind, in ms; calls by id never do. */
export interface Lag {
  creationMs: number
  deletionMs: number
}

export class FileStore {
  readonly files = new Map<string, DriveFile>()
  readonly lag: Lag
  readonly conduct: Conduct
  /** Most children a folder may have; roots have no such limit. */
  childrenLimit: number
  private readonly children = new Map<string, Set<string>>()
  private readonly used = new Map<string, number>()
  private readonly roots = new Set<string>()
  private readonly now: () => number
  /** Deleted, yet still listed until `until`. */
  private ghosts: { file: DriveFile; until: number }[] = []
  /** Ids of deleted files: an id is never free again. */
  private readonly spent = new Set<string>()

  constructor(now: () => number, lag: Lag, childrenLimit: number, conduct: Conduct) {
    this.conduct = conduct
    this.now = now
    this.lag = lag
    this.childrenLimit = childrenLimit
  }

  add(file: DriveFile): void {
    if (file.parent === undefined) this.roots.add(file.id)
    else this.attach(file.id, file.parent)
    this.files.set(file.id, file)
    this.conduct.renewed(file)
    this.account(file.owner, sizeOf(file))
  }

  isRoot(id: string): boolean {
    return this.roots.has(id)
  }

  isTaken(id: string): boolean {
    return this.files.has(id) || this.spent.has(id)
  }

  childrenOf(id: string): DriveFile[] {
    return [...(this.children.get(id) ?? [])].map(child => this.files.get(child)).filter(file => file !== undefined)
  }

  /** The file, the folder that it is in, and so on up to the root. */
  lineOf(file: DriveFile): DriveFile[] {
    const above = file.parent === undefined ? undefined : this.files.get(file.parent)
    return above ? [file, ...this.lineOf(above)] : [file]
  }

  /**
   * Trashed itself, or in a folder when that was moved to the trash. What is put into a folder in the trash is not in
   * the trash itself: clients have reported that of Drive.
   */
  isTrashed(file: DriveFile): boolean {
    return this.lineOf(file).some(at => at.trashed && (at === file || file.born <= (at.trashedTime ?? Infinity)))
  }

  /** Refuses a move into the file itself or into something inside it. */
  move(file: DriveFile, parent: string): void {
    for (let at: string | undefined = parent; at !== undefined; at = this.files.get(at)?.parent)
      if (at === file.id) throw new GoogleError(403, 'cyclicalParent', 'The move would put the folder into itself.')
    this.attach(file.id, parent)
    if (file.parent !== undefined) this.children.get(file.parent)?.delete(file.id)
    file.parent = parent
  }

  setContent(file: DriveFile, content: Content, revision: string): void {
    this.account(file.owner, content.bytes.length - sizeOf(file))
    file.content = content
    file.headRevisionId = revision
    this.conduct.renewed(file)
  }

  /** For good, with everything inside. */
  remove(file: DriveFile): void {
    for (const child of this.childrenOf(file.id)) this.remove(child)
    this.files.delete(file.id)
    this.children.delete(file.id)
    if (file.parent !== undefined) this.children.get(file.parent)?.delete(file.id)
    this.spent.add(file.id)
    this.account(file.owner, -sizeOf(file))
    if (this.lag.deletionMs > 0) this.ghosts.push({ file, until: this.now() + this.lag.deletionMs })
  }

  /** Newest first: what a listing made now knows about. */
  listed(): DriveFile[] {
    const now = this.now()
    this.ghosts = this.ghosts.filter(ghost => ghost.until > now)
    const grown = [...this.files.values()].filter(
      file => !this.roots.has(file.id) && file.born + this.lag.creationMs <= now && this.conduct.isListed(file),
    )
    return [...grown, ...this.ghosts.filter(({ file }) => file.born + this.lag.creationMs <= now).map(({ file }) => file)].reverse()
  }

  /** Bytes, trash included. */
  usage(owner: string): number {
    return this.used.get(owner) ?? 0
  }

  private account(owner: string, bytes: number): void {
    this.used.set(owner, this.usage(owner) + bytes)
  }

  private attach(id: string, parent: string): void {
    const siblings = this.children.get(parent) ?? new Set<string>()
    if (!this.roots.has(parent) && !siblings.has(id) && siblings.size >= this.childrenLimit)
      throw new GoogleError(
        403,
        'numChildrenInNonRootLimitExceeded',
        "The limit for this folder's number of children (files and folders) has been exceeded.",
      )
    siblings.add(id)
    this.children.set(parent, siblings)
  }
}
