import { printable } from './printable.ts'

/**
 * A path of a version as every command prints it, on one line and without loss: `\n`, `\x1b`, `\u202e` for what can't
 * be shown, `\xff` for a byte that is not UTF-8, `\\` for a backslash, `\x20` for a space at the end, which no table
 * shows. `namedPaths` of `util` reads it back.
 */
export function shownPath(path: string): string {
  return printable(path.replaceAll('\\', '\\\\')).replace(/ $/, '\\x20')
}

/** The same path in JSON, which can hold all but bytes that are not UTF-8: only a path with a backslash is escaped. */
export function jsonPath(path: string): string {
  return path.isWellFormed() && !path.includes('\\') ? path : shownPath(path)
}
