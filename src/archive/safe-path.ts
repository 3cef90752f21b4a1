/**
 * The parts of the path below the destination for a name in an archive; empty for the destination itself. For a name
 * that could lead anywhere else, the reason in words for a person.
 */
export function safeParts(name: string, windows: boolean): readonly string[] | { refused: string } {
  const path = windows ? name.replaceAll('\\', '/') : name
  if (path.includes('\0')) return { refused: 'its name holds a zero byte' }
  if (path.startsWith('/')) return { refused: 'its name is an absolute path' }
  if (/^[A-Za-z]:(?:[\\/]|$)/.test(path) || (windows && path.includes(':'))) return { refused: 'its name has a drive letter' }
  const parts = path.split('/').filter(part => part !== '' && part !== '.')
  if (parts.includes('..')) return { refused: 'its name leads out of the destination' }
  return parts
}

/** Whether a symlink at `parts` leads out of the destination by its own target, other symlinks not counted. */
export function leadsOutside(parts: readonly string[], target: string): boolean {
  if (/^[\\/]|^[A-Za-z]:/.test(target)) return true
  let depth = parts.length - 1
  for (const part of target.split(/[\\/]/)) {
    if (part === '..') depth--
    else if (part !== '' && part !== '.') depth++
    if (depth < 0) return true
  }
  return false
}
