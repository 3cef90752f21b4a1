/** What Windows takes for a drive. */
const DRIVE = /^(\w+):/

/** The names of entries in an archive. No two paths get the same name: a later entry replaces an earlier one. */
export class ArchiveNames {
  private readonly entries: readonly { path: string }[]
  private readonly encode: (path: string) => string
  private readonly renamed = new Map<string, string>()
  /** Made when the first path can't be kept. */
  private taken: Set<string> | undefined

  /** `encode` gives its own results back unchanged. */
  constructor(entries: readonly { path: string }[], encode: (path: string) => string) {
    this.entries = entries
    this.encode = encode
  }

  /** A name that another path has already is followed by ~2, ~3 and so on. */
  nameOf(path: string): string {
    if (this.encode(path) === path) return path
    const known = this.renamed.get(path)
    if (known !== undefined) return known
    this.taken ??= new Set(this.entries.map(entry => entry.path))
    const slash = path.lastIndexOf('/')
    const folder = slash === -1 ? '' : `${this.nameOf(path.slice(0, slash))}/`
    const wanted = this.encode(folder + path.slice(slash + 1))
    let name = wanted
    for (let i = 2; this.taken.has(name); i++) name = `${wanted}~${i}`
    this.taken.add(name)
    this.renamed.set(path, name)
    return name
  }
}

/** Readers of zips may take a backslash for a folder, and a beginning for a drive: these get %5C and %3A. */
export function zipName(path: string): string {
  return path.replaceAll('\\', '%5C').replace(DRIVE, '$1%3A')
}
