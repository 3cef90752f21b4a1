import { lookAt } from './look-at.ts'

/** Says what is at the path of a listed file now, if that is no file any more: `it has become a symlink`. */
export function describeChangedType(localPath: string): string | undefined {
  try {
    const { type } = lookAt(localPath)
    if (type === 'file' || type === 'absent') return undefined
    return `it has become ${type === 'directory' ? 'a folder' : type === 'symlink' ? 'a symlink' : 'a pipe, a socket or a device'}`
  } catch {
    return undefined
  }
}

/** Whether nothing is at a path that a listing had, as far as can be found out. */
export function isGone(localPath: string): boolean {
  try {
    return lookAt(localPath).type === 'absent'
  } catch {
    return false
  }
}
