import { hashInName } from '../../src/repository/format/object-names.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { readSequence } from '../../src/repository/read/read-chunks.ts'
import { readManifest } from '../../src/repository/read/read-manifest.ts'
import { readSnapshot } from '../../src/repository/versions/versions.ts'
import type { ByteRange, Listing, Storage } from '../../src/storage/storage.ts'
import { AppError } from '../../src/util/errors.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { FOLDER, type DriveFile } from '../drive-emulator/file-store.ts'
import { contextOf } from '../helpers/in-process.ts'
import type { Picture, Sources } from './sources.ts'

/** A version that a push has acknowledged. */
export interface Version {
  objectName: string
  name: string
  picture: Picture
  /** Files that were being written: they may have the content of any state, or be missing. */
  held: ReadonlySet<string>
  /** When the push said that it is stored, ms. */
  at: number
}

/** What is on Drive, read without any request. Of copies with one name it takes a good one. */
class DriveContent implements Storage {
  readonly location = 'what is on Drive'
  private readonly emulator: DriveEmulator
  private found = new Map<string, DriveFile>()

  constructor(emulator: DriveEmulator) {
    this.emulator = emulator
  }

  /** Looks again: what is read after it is as Drive has it now. */
  refresh(): void {
    this.found = this.find()
  }

  files(): Map<string, DriveFile> {
    return this.found
  }

  private find(): Map<string, DriveFile> {
    const found = new Map<string, DriveFile>()
    for (const file of this.emulator.files.values()) {
      if (file.parent === undefined || file.mimeType === FOLDER) continue
      const isGood = file.content!.sum('sha256').startsWith(hashInName(file.name) ?? '')
      if (isGood && !this.emulator.drive.store.isTrashed(file)) found.set(file.name, file)
    }
    return found
  }

  put(): never {
    throw new Error('this store is only read')
  }

  remove(): never {
    throw new Error('this store is only read')
  }

  get(name: string, range?: ByteRange): Promise<Uint8Array> {
    const bytes = this.files().get(name)?.content?.bytes
    if (!bytes) return Promise.reject(new AppError('not-found', `there is no ${name}`))
    return Promise.resolve(range ? bytes.subarray(range.offset, range.offset + range.length) : bytes)
  }

  list(): Promise<Listing> {
    const objects = [...this.files().values()].map(({ name, content, createdTime }) => ({
      name,
      size: content!.bytes.length,
      created: createdTime,
    }))
    return Promise.resolve({ asOf: this.emulator.drive.surroundings.now(), objects })
  }

  quota(): Promise<{ used: undefined; limit: undefined }> {
    return Promise.resolve({ used: undefined, limit: undefined })
  }
}

/** The versions that were promised, and whether Drive still holds all of them. */
export class Truth {
  readonly versions = new Map<string, Version>()
  private readonly content: DriveContent
  private readonly context: RepositoryContext
  private readonly sources: Sources

  constructor(emulator: DriveEmulator, sources: Sources) {
    this.content = new DriveContent(emulator)
    this.context = contextOf(this.content)
    this.sources = sources
  }

  acknowledge(version: Version): void {
    const before = this.versions.get(version.objectName)
    if (!before) this.versions.set(version.objectName, version)
  }

  names(): string[] {
    this.content.refresh()
    return [...this.content.files().keys()]
  }

  /** Throws unless every acknowledged version that was not forgotten is whole. */
  async check(): Promise<void> {
    if (this.versions.size === 0) return
    this.content.refresh()
    const repository = await openForReading(this.context)
    for (const version of this.versions.values()) {
      const ref = repository.view.inventory.snapshots.find(({ objectName }) => objectName === version.objectName)
      if (!ref) throw new Error(`${version.objectName} is gone, and nobody has forgotten it`)
      const found = new Map<string, string>()
      for await (const entry of readManifest(repository, await readSnapshot(this.content, ref))) {
        if (entry.type !== 'file') continue
        const pieces: Uint8Array[] = []
        for await (const piece of readSequence(repository, entry.chunks, entry.path)) pieces.push(piece)
        found.set(entry.path.toString(), sha256Hex(Buffer.concat(pieces)))
      }
      this.compare(version, found)
    }
  }

  compare({ objectName, picture, held }: Version, found: ReadonlyMap<string, string>): void {
    for (const [path, hash] of found) {
      const isRight = held.has(path) ? this.sources.anyOf(path).has(hash) : picture.get(path) === hash
      if (!isRight) throw new Error(`${objectName}: ${path} has other content`)
    }
    for (const path of picture.keys()) if (!found.has(path) && !held.has(path)) throw new Error(`${objectName}: ${path} is missing`)
  }
}
