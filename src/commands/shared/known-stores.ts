import { readdirSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile } from '../../local/replace-file.ts'
import { makeFolder } from '../../util/file-system.ts'
import { fileNameFor } from '../../util/hash.ts'
import { isRecord } from '../../util/json-fields.ts'
import { readSmallFile } from '../../util/small-file.ts'

const MAX_BYTES = 64 * 1024

/** A store that this machine has used. */
interface KnownStore {
  location: string
  /** The id of its folder on Drive. */
  folder?: string | undefined
}

/** A store of this command. */
export interface OpenedStore {
  location: string
  /** Tells one account of Google from another; empty for a folder of the disk. It may be a secret. */
  login: string
  /** The id of its folder on Drive, as far as it is known by now. */
  folder: () => string | undefined
  /** Whether it holds a repository, as far as is known by now. */
  isUsed: () => boolean
}

/**
 * The stores that this machine has used, and the keys of what it notes about them. One folder on Drive has one key,
 * whatever leads to it; and a path that leads to another folder with another login has another key.
 */
export class KnownStores {
  private readonly fileOf: (name: string) => string | undefined
  private readonly opened = new Map<string, OpenedStore>()

  /** `fileOf`: the path of a file of the cache. Undefined if nothing can be kept. */
  constructor(fileOf: (name: string) => string | undefined) {
    this.fileOf = fileOf
  }

  open(store: OpenedStore): void {
    this.opened.set(store.location, store)
  }

  /** A text that stands for a store in the names of notes. It is known before the store has answered. */
  keyOf(location: string): string {
    const store = this.opened.get(location)
    if (store === undefined || store.login === '') return location
    return store.folder() ?? this.read(this.file(store))?.folder ?? keyWithout(store)
  }

  /** The keys that this machine has used for a location, with any login. */
  keysOf(location: string): string[] {
    const noted = this.all().filter(each => each.location === location)
    return [...new Set([this.keyOf(location), ...noted.map(each => each.folder ?? location)])]
  }

  /** Where this machine has used stores, the last one first. */
  locations(): string[] {
    return [...new Set(this.all().map(({ location }) => location))]
  }

  /** Notes the stores of this command that hold a repository. */
  async save(): Promise<void> {
    for (const store of this.opened.values()) {
      const file = this.file(store)
      const folder = store.folder()
      if (file === undefined || !store.isUsed()) continue
      try {
        const now = new Date()
        const known = this.read(file)
        if (known?.location === store.location && known.folder === folder) utimesSync(file, now, now)
        else {
          makeFolder(dirname(file), { mode: 0o700 })
          await replaceFile(file, JSON.stringify({ location: store.location, folder }))
        }
      } catch {
        // the next command may have to ask the store again
      }
    }
  }

  private file(store: OpenedStore): string | undefined {
    return this.fileOf(`${fileNameFor(keyWithout(store))}.json`)
  }

  private all(): KnownStore[] {
    const folder = dirname(this.fileOf('any') ?? '')
    const files = namesIn(folder).map(name => join(folder, name))
    const known = files.flatMap(file => {
      const store = this.read(file)
      return store ? [{ ...store, at: timeOf(file) }] : []
    })
    return known.sort((a, b) => b.at - a.at)
  }

  private read(file: string | undefined): KnownStore | undefined {
    if (file === undefined) return undefined
    try {
      const note: unknown = JSON.parse(readSmallFile(file, { maxBytes: MAX_BYTES, mustBeOwn: true }).toString())
      if (!isRecord(note) || typeof note.location !== 'string') return undefined
      return { location: note.location, folder: typeof note.folder === 'string' ? note.folder : undefined }
    } catch {
      return undefined // there is none, or it is damaged
    }
  }
}

const keyWithout = ({ location, login }: OpenedStore): string => JSON.stringify([location, login])

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function timeOf(file: string): number {
  try {
    return statSync(file).mtimeMs
  } catch {
    return 0
  }
}
