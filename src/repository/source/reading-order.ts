import type { WalkedEntry } from '../../local/walk.ts'
import { comparePaths } from '../../util/paths.ts'

/** Files of one extension are read together, so that blocks hold similar chunks. */
export function readingOrder(entries: readonly WalkedEntry[]): WalkedEntry[] {
  return byExtension(entries.filter(entry => entry.type === 'file'))
}

/** Files in the order of their extensions, then of their paths. `extension` may state another extension for a file. */
export function byExtension(
  files: readonly WalkedEntry[],
  extension = (file: WalkedEntry): string => extensionOf(file.path),
): WalkedEntry[] {
  const extensions = new Map(files.map(file => [file, extension(file)]))
  return files.toSorted((a, b) => {
    const x = extensions.get(a)!
    const y = extensions.get(b)!
    return x < y ? -1 : x > y ? 1 : comparePaths(a.path, b.path)
  })
}

/** The extension of a file in lower case, without its dot; empty if it has none. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : ''
}
