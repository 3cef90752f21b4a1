import { sha256Hex } from '../../util/hash.ts'
import type { StoredObject } from '../storage.ts'
import type { DriveFile } from './answers.ts'

/** The digits in an object's name with which the SHA-256 of its bytes begins, in hex. Undefined if it has none. */
export type HashInName = (name: string) => string | undefined

/**
 * The files of each name that the last listing showed or that this process has stored. Names aren't unique on Drive:
 * all files of a name are copies of one object, and the best one stands for it.
 */
export class Copies {
  private readonly hashInName: HashInName
  /** Undefined before the first listing. */
  private listed: Map<string, DriveFile[]> | undefined
  private stored = new Map<string, DriveFile[]>()
  /** By id. */
  private fresh = new Map<string, DriveFile>()

  constructor(hashInName: HashInName) {
    this.hashInName = hashInName
  }

  /** Call it before a listing: what is stored from now on may be missing in it. */
  beginListing(): void {
    this.fresh = new Map()
  }

  endListing(files: readonly DriveFile[]): void {
    this.listed = new Map()
    for (const file of files) add(this.listed, file)
    const ids = new Set(files.map(({ id }) => id))
    for (const file of [...this.stored.values()].flat()) if (ids.has(file.id)) forgetIn(this.stored, file)
  }

  add(file: DriveFile): void {
    add(this.stored, file)
    this.fresh.set(file.id, file)
  }

  /** Files that were stored since the last listing began. */
  get storedSinceListing(): readonly DriveFile[] {
    return [...this.fresh.values()]
  }

  /** Whether a file was listed, or stored by this process. */
  isKnown({ name, id }: DriveFile): boolean {
    return this.of(name).some(file => file.id === id)
  }

  /**
   * The copies of a name, the best first: those with the checksum in the name, then those whose checksum can't be
   * compared, then damaged ones; the oldest first among equals.
   */
  of(name: string): DriveFile[] {
    const listed = this.listed?.get(name) ?? []
    const own = (this.stored.get(name) ?? []).filter(file => !listed.some(other => other.id === file.id))
    return this.bestFirst([...listed, ...own])
  }

  /** The listed objects. */
  objects(): StoredObject[] {
    return [...(this.listed?.values() ?? [])].map(copies => {
      const { name, size, created, sha256 } = this.bestFirst(copies)[0]!
      return { name, size, created, ...(sha256 === undefined ? {} : { sha256 }) }
    })
  }

  /** Whether these bytes are the ones that the name promises, so that a copy with other bytes is damaged. */
  arePromised(name: string, bytes: Uint8Array): boolean {
    const promised = this.hashInName(name)
    return promised !== undefined && sha256Hex(bytes).startsWith(promised)
  }

  /** Whether Drive's checksum of a file is not the one in its name. */
  isDamaged(file: DriveFile): boolean {
    return this.rank(file) === 2
  }

  /** Call it for a file that is gone. */
  forget(file: DriveFile): void {
    if (this.listed) forgetIn(this.listed, file)
    forgetIn(this.stored, file)
    this.fresh.delete(file.id)
  }

  /** Call it when all copies of a name are deleted. */
  forgetAll(name: string): void {
    for (const { id } of this.of(name)) this.fresh.delete(id)
    this.listed?.delete(name)
    this.stored.delete(name)
  }

  private bestFirst(copies: readonly DriveFile[]): DriveFile[] {
    if (copies.length < 2) return [...copies]
    return [...copies].sort((a, b) => this.rank(a) - this.rank(b) || compareAge(a, b))
  }

  private rank({ name, sha256 }: DriveFile): number {
    const promised = this.hashInName(name)
    if (promised === undefined || sha256 === undefined) return 1
    return sha256.startsWith(promised) ? 0 : 2
  }
}

/** Orders files by their creation, the oldest first. */
export function compareAge(a: DriveFile, b: DriveFile): number {
  return a.created - b.created || (a.id < b.id ? -1 : 1)
}

function add(map: Map<string, DriveFile[]>, file: DriveFile): void {
  const copies = map.get(file.name)
  if (copies) copies.push(file)
  else map.set(file.name, [file])
}

function forgetIn(map: Map<string, DriveFile[]>, { name, id }: DriveFile): void {
  const left = map.get(name)?.filter(other => other.id !== id) ?? []
  if (left.length > 0) map.set(name, left)
  else map.delete(name)
}
