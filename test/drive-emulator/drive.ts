import type { Caller, User } from './access.ts'
import { Conduct } from './behaviours.ts'
import type { Behaviours } from './behaviours.ts'
import { FileStore, FOLDER } from './file-store.ts'
import type { DriveFile, Lag, Space } from './file-store.ts'
import { Pacing } from './profiles.ts'
import type { Profile } from './profiles.ts'
import type { Role } from './sharing.ts'
import { randomText } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

export interface DriveSettings {
  lag: Lag
  childrenLimit: number
  profile: Profile
  /** A listing never has more files on a page, whatever the client asks for: Drive promises at most, not exactly. */
  pageSizeCap: number
  behaviours: Behaviours
}

/** The state of the service: files, ids that were given out, and the pace. */
export class Drive {
  readonly surroundings: Surroundings
  readonly store: FileStore
  readonly pacing: Pacing
  readonly conduct: Conduct
  pageSizeCap: number
  private readonly generated = new Map<string, { email: string; space: Space }>()
  private readonly appData = new Map<string, string>()

  constructor(surroundings: Surroundings, settings: DriveSettings) {
    this.surroundings = surroundings
    this.conduct = new Conduct(settings.behaviours, surroundings.now)
    this.store = new FileStore(surroundings.now, settings.lag, settings.childrenLimit, this.conduct)
    this.pacing = new Pacing(surroundings, settings.profile)
    this.pageSizeCap = settings.pageSizeCap
  }

  newId(): string {
    return `1${randomText(this.surroundings.random, 32)}`
  }

  generateId(caller: Caller, space: Space): string {
    const id = this.newId()
    this.generated.set(id, { email: caller.user.email, space })
    return id
  }

  isGenerated(id: string, caller: Caller, space: Space): boolean {
    const entry = this.generated.get(id)
    return entry?.email === caller.user.email && entry.space === space
  }

  addRoot(user: User): void {
    this.store.add(this.folder(user.rootId, 'My Drive', user.email, '', 'drive'))
  }

  appDataId(caller: Caller): string {
    const key = `${caller.user.email} ${caller.clientId}`
    const known = this.appData.get(key)
    if (known !== undefined) return known
    const id = this.newId()
    this.store.add(this.folder(id, 'appDataFolder', caller.user.email, caller.clientId, 'appDataFolder'))
    this.appData.set(key, id)
    return id
  }

  /** Returns its id, which is that of its root folder too. */
  addSharedDrive(name: string, members: Iterable<readonly [string, Role]>): string {
    const id = `0A${randomText(this.surroundings.random, 17)}`
    this.store.add({ ...this.folder(id, name, '', '', 'drive'), isSharedDrive: true, shares: new Map(members) })
    return id
  }

  private folder(id: string, name: string, owner: string, clientId: string, space: Space): DriveFile {
    const now = this.surroundings.now()
    return {
      id,
      name,
      mimeType: FOLDER,
      parent: undefined,
      space,
      owner,
      clientId,
      createdTime: now,
      modifiedTime: now,
      trashed: false,
      starred: false,
      description: undefined,
      originalFilename: undefined,
      properties: {},
      appProperties: new Map(),
      content: undefined,
      headRevisionId: undefined,
      version: 1,
      born: now,
    }
  }
}
