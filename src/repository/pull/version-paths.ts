import { basename } from 'node:path'
import { spelledNames, type AlikeNames } from '../../local/alike-names.ts'
import { lookAt } from '../../local/look-at.ts'

/** Finds the entries that local files are, also under another spelling of their names that the file system knows. */
export class VersionPaths {
  private readonly known: AlikeNames
  private readonly base: string
  private readonly localPathOf: (path: string) => string
  /** Folders that have another spelling in the version. */
  private readonly respelled = new Map<string, string>()
  private listing: { folder: string; names: ReadonlyMap<string, number> } | undefined

  constructor(known: AlikeNames, base: string, localPathOf: (path: string) => string) {
    this.known = known
    this.base = base
    this.localPathOf = localPathOf
  }

  /** `path` is relative to the destination. Ask for a folder before its contents. */
  of(path: string): string | undefined {
    const parent = parentOf(path)
    const above = this.respelled.get(parent) ?? parent
    const usual = above === parent ? path : above + path.slice(parent.length)
    if (this.known.has(this.base + usual)) return this.found(path, usual)
    const other = this.known.find(this.base + usual, one => this.isSame(one.slice(this.base.length), path))
    return other === undefined ? undefined : this.found(path, other.slice(this.base.length))
  }

  private found(path: string, inVersion: string): string {
    if (path !== inVersion) this.respelled.set(path, inVersion)
    return inVersion
  }

  /** Whether the file system finds an entry there only because it takes its name for the one that it lists. */
  private isSame(path: string, listed: string): boolean {
    const folder = parentOf(path)
    if (lookAt(this.localPathOf(path)).type === 'absent') return false
    if (this.listing?.folder !== folder) this.listing = { folder, names: spelledNames(this.localPathOf(folder)) }
    const form = formOf(path)
    return (this.listing.names.get(form) ?? 0) <= (form === formOf(listed) ? 1 : 0)
  }
}

const formOf = (path: string): string => basename(path).normalize('NFC')
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
