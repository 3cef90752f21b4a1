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
