/** What a platform makes of file names; `process.platform` of the destination. */
export type Platform = NodeJS.Platform

// eslint-disable-next-line no-control-regex
const ILLEGAL_ON_WINDOWS = /[<>:"\\|?*\u0000-\u001f]|[. ]$/
const RESERVED_ON_WINDOWS = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$/i

/**
 * Finds names of a snapshot that the destination can't hold, before anything is written. On macOS and Windows names
 * that differ only in case or Unicode form are one name, and Windows forbids some names. A folder that can't be made
 * rules out everything below it.
 */
export class LocalNames {
  private readonly platform: Platform
  /** Folded path -> the path that has it. */
  private readonly taken = new Map<string, string>()
  private readonly refused = new Set<string>()

  constructor(platform: Platform) {
    this.platform = platform
  }

  /** The reason why `path` can't be restored here, or undefined. Ask about a folder before anything in it. */
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
    if (this.platform === 'win32' && (ILLEGAL_ON_WINDOWS.test(name) || RESERVED_ON_WINDOWS.test(name))) return 'Windows allows no such name'
    const folded = path.normalize('NFC').toLowerCase()
    const other = this.taken.get(folded)
    if (other !== undefined) return `its name is the same as that of ${other} here`
    this.taken.set(folded, path)
    return undefined
  }
}
