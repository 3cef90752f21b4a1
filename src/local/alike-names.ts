import { readdirSync } from 'node:fs'
import { decodeFileName, fsPath } from '../util/paths.ts'

/**
 * Paths whose names in one folder may be one name for a file system: many take no account of case, some of Unicode's
 * forms, FAT of dots and spaces at the end. Which ones do, only the file system itself can tell.
 */
export class AlikeNames {
  private readonly paths = new Map<string, string | Set<string>>()

  add(path: string): void {
    const key = keyOf(path)
    const known = this.paths.get(key)
    if (known === undefined) this.paths.set(key, path)
    else if (typeof known === 'string') this.paths.set(key, new Set([known, path]))
    else known.add(path)
  }

  has(path: string): boolean {
    const known = this.paths.get(keyOf(path))
    return typeof known === 'string' ? known === path : known?.has(path) === true
  }

  /** Whether this path or one with a name that is alike was added. */
  holdsAlike(path: string): boolean {
    return this.paths.has(keyOf(path))
  }

  /** The paths that were added and are alike, in the order of adding; undefined if there is only one. */
  of(path: string): ReadonlySet<string> | undefined {
    const known = this.paths.get(keyOf(path))
    return typeof known === 'string' ? undefined : known
  }

  /** One that was added, with a name that is alike and for which `test` is true. */
  find(path: string, test: (alike: string) => boolean): string | undefined {
    const known = this.paths.get(keyOf(path))
    if (typeof known === 'string') return test(known) ? known : undefined
    for (const one of known ?? []) if (test(one)) return one
    return undefined
  }
}

function keyOf(path: string): string {
  const end = path.lastIndexOf('/') + 1
  const name = path.slice(end)
  const folded = foldedName(name)
  return folded === name ? path : path.slice(0, end) + folded
}

const ASCII = /^[\0-\x7f]*$/

/** Equal for names that any file system takes for one, and for some others. */
function foldedName(name: string): string {
  const folded = ASCII.test(name)
    ? name.toLowerCase()
    : name
        .normalize('NFD')
        .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
        .toUpperCase()
        .toLowerCase()
        .normalize('NFD')
  return folded.replace(/[. ]+$/, '')
}

/**
 * How many names of a folder have each normal form (C), as its file system spells them. Some file systems keep another
 * form than they were given, and find a name by either.
 */
export function spelledNames(folder: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const bytes of readdirSync(fsPath(folder), { encoding: 'buffer' })) {
    const name = decodeFileName(bytes).normalize('NFC')
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
