/** A byte of a name that is not UTF-8, as `decodeFileName` represents it. */
const ESCAPED_BYTE = /[\udc80-\udcff]/g
/** A prefix that the zip library takes for a drive letter and drops. */
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

/** Names in archives are UTF-8. Any other byte is written as %FF. */
export function tarName(path: string): string {
  return path.replace(ESCAPED_BYTE, char => percent(char.charCodeAt(0) - 0xdc00))
}

/** A name in a zip must not contain a drive letter, or a backslash, which separates folders on some systems. */
export function zipName(path: string): string {
  return tarName(path)
    .replaceAll('\\', percent(0x5c))
    .replace(DRIVE, (_, drive: string) => drive + percent(0x3a))
}

/** Names that the tar library would change. A pax header carries them unchanged. */
export function needsPaxPath(name: string): boolean {
  return name.includes('\\') || DRIVE.test(name)
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
