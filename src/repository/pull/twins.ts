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
  /** False if the file system finds one of them by a name that it does not list: that may be the file of another one. */
  areListed: boolean
}

/**
 * Entries that are one file in the destination, because its file system takes their names for one. The file system is
 * asked: a name that is found, and that the folder does not list, leads to what has another name.
 */
export class Twins {
  private readonly names = new AlikeNames()
  private readonly groups = new Map<ReadonlySet<string>, Group>()
  private readonly listings = new Map<string, ReadonlyMap<string, number>>()
  private readonly localPathOf: (path: string) => string
  private readonly exists: (path: string) => boolean

  /** `exists`: whether something is at the place of an entry before the pull. */
  constructor(localPathOf: (path: string) => string, exists: (path: string) => boolean) {
    this.localPathOf = localPathOf
    this.exists = exists
  }

  /** Plans an entry. Returns the path of another one if what is there now is the place of both. */
  plan(path: string, item: LocalItem): string | undefined {
    this.names.add(path)
    const group = this.groupOf(path)
    if (group === undefined || item.type === 'absent') return undefined
    const form = formOf(path)
    const listed = this.listing(path).get(form) ?? 0
    const [other] = group.placed
    if (other !== undefined && (!group.areListed || listed <= (group.forms.get(form) ?? 0))) return other
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
      group = { placed: new Set(), forms: new Map(), areListed: true }
      this.groups.set(alike, group)
      const [first] = alike
      if (this.exists(first!)) this.note(group, first!)
    }
    return group
  }

  private note(group: Group, path: string): void {
    const form = formOf(path)
    group.placed.add(path)
    group.forms.set(form, (group.forms.get(form) ?? 0) + 1)
    if (!this.listing(path).has(form)) group.areListed = false
  }

  /** Of the folder before the pull. */
  private listing(path: string): ReadonlyMap<string, number> {
    const folder = dirname(this.localPathOf(path))
    let names = this.listings.get(folder)
    if (names === undefined) this.listings.set(folder, (names = spelledNames(folder)))
    return names
  }
}

const formOf = (path: string): string => basename(path).normalize('NFC')

export const sameName = (other: string): string => `its name is the same as that of ${other} there`
