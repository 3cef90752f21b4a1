/** The rules of a platform for file names: `process.platform` of the destination. */
export type Platform = NodeJS.Platform

// eslint-disable-next-line no-control-regex
const ILLEGAL_ON_WINDOWS = /[<>:"\\|?*\u0000-\u001f]|[. ]$/
const RESERVED_ON_WINDOWS = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?$/i

/** Whether Windows takes a name. It has devices of some names, and leaves out a dot or space at the end of a name. */
export const windowsTakes = (name: string): boolean => !ILLEGAL_ON_WINDOWS.test(name) && !RESERVED_ON_WINDOWS.test(name)

/** Equal for paths that lead to the same file on a platform. Some of its disks may tell them apart all the same. */
export function foldedPath(path: string, platform: Platform): string {
  return platform === 'darwin' || platform === 'win32' ? path.normalize('NFC').toLowerCase() : path
}

/**
 * Finds names of a snapshot that the destination can't hold, before anything is written. On macOS and Windows, names
 * that differ only in case or Unicode form are the same, and Windows forbids some names. If a folder can't be created,
 * nothing below it can be restored.
 */
export class LocalNames {
  private readonly platform: Platform
  /** Maps a folded path to the path that uses it. */
  private readonly taken = new Map<string, string>()
  private readonly refused = new Set<string>()

  constructor(platform: Platform) {
    this.platform = platform
  }

  /** The reason why `path` can't be restored here, or undefined. Check a folder before its contents. */
  problem(path: string): string | undefined {
    if (this.platform !== 'darwin' && this.platform !== 'win32') return undefined
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    const why = this.refused.has(parent) ? 'its folder can not be restored here' : this.ownProblem(path)
    if (why !== undefined) this.refused.add(path)
    return why
  }

  private ownProblem(path: string): string | undefined {
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (!path.isWellFormed()) return 'its name is not Unicode'
    if (this.platform === 'win32' && !windowsTakes(name)) return 'Windows does not allow this name'
    const folded = foldedPath(path, this.platform)
    const other = this.taken.get(folded)
    if (other !== undefined) return `its name is the same as that of ${other} here`
    this.taken.set(folded, path)
    return undefined
  }
}
