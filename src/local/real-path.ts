import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** An absolute path with the links of its existing part resolved. What does not exist yet is kept as it is. */
export function realPathOf(path: string): string {
  if (existsSync(path) || dirname(path) === path) return realpathSync(path)
  return join(realPathOf(dirname(path)), basename(path))
}
