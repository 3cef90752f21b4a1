import { basename, dirname } from 'node:path'
import { AlikeNames, spelledNames } from '../../local/alike-names.ts'
import type { LocalItem } from '../../local/look-at.ts'
import { RefusedEntry } from './refusals.ts'

/** Entries of one folder whose names are alike. */
interface Group {
  /** Those that have their place in the destination. */
  placed: Set<string>
  /** How many of them have each normal form of a name. */
  forms: Map<string, number>
  /** The one whose name the file system finds, and does not list: what is there may be the place of another one. */
  unlisted: string | undefined
}

export interface TwinsRequest {
  localPathOf: (path: string) => string
  /** Whether something is at the place of an entry before the pull. */
  exists: (path: string) => boolean
  /** Whether an earlier entry is a folder. */
  isDirectory: (path: string) => boolean
}

/**
 * Entries that are one file in the destination, because its file system takes their names for one. The file system is
 * asked: a name that is found, and that the folder does not list, leads to what has another name.
 */
export class Twins {
  private readonly names = new AlikeNames()
  private readonly groups = new Map<ReadonlySet<string>, Group>()
  private readonly listings = new Map<string, ReadonlyMap<string, number>>()
  private readonly request: TwinsRequest

  constructor(request: TwinsRequest) {
    this.request = request
  }

  /**
   * Plans an entry. If what is there now would be its place and that of an earlier one, returns which of them has no
   * place then. A file or symlink whose spelling the file system does not list goes last.
   */
  plan(path: string, item: LocalItem): { loser: string; owner: string } | undefined {
    this.names.add(path)
    const group = this.groupOf(path)
    if (group === undefined || item.type === 'absent') return undefined
    const { unlisted } = group
    const form = formOf(path)
    const listed = this.listing(path).get(form) ?? 0
    if (listed > 0 && unlisted !== undefined && !this.request.isDirectory(unlisted)) {
      group.placed.delete(unlisted)
      group.forms.delete(formOf(unlisted))
      group.unlisted = undefined
      this.note(group, path)
      return { loser: unlisted, owner: path }
    }
    const [owner] = group.placed
    if (owner !== undefined && (unlisted !== undefined || listed <= (group.forms.get(form) ?? 0))) return { loser: path, owner }
    this.note(group, path)
    return undefined
  }

  /** Throws `RefusedEntry` if an entry, whose place was free, now finds another entry there. */
  ensureFree(path: string, planned: LocalItem, lookAt: () => LocalItem): void {
    if (planned.type !== 'absent') return
    const group = this.groupOf(path)
    const [other] = group?.placed ?? []
    if (other !== undefined && other !== path && lookAt().type !== 'absent') throw new RefusedEntry(sameName(other))
  }

  /** To be called for every entry that got its place. */
  place(path: string): void {
    this.groupOf(path)?.placed.add(path)
  }

  private groupOf(path: string): Group | undefined {
    const alike = this.names.of(path)
    if (alike === undefined) return undefined
    let group = this.groups.get(alike)
    if (group === undefined) {
      group = { placed: new Set(), forms: new Map(), unlisted: undefined }
      this.groups.set(alike, group)
      const [first] = alike
      if (this.request.exists(first!)) this.note(group, first!)
    }
    return group
  }

  private note(group: Group, path: string): void {
    const form = formOf(path)
    group.placed.add(path)
    group.forms.set(form, (group.forms.get(form) ?? 0) + 1)
    if (!this.listing(path).has(form)) group.unlisted = path
  }

  /** Of the folder before the pull. */
  private listing(path: string): ReadonlyMap<string, number> {
    const folder = dirname(this.request.localPathOf(path))
    let names = this.listings.get(folder)
    if (names === undefined) this.listings.set(folder, (names = spelledNames(folder)))
    return names
  }
}

const formOf = (path: string): string => basename(path).normalize('NFC')

export const sameName = (other: string): string => `its name is the same as that of ${other} there`
