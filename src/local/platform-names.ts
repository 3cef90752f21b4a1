/** The rules of a platform for file names: `process.platform` of the destination. */
export type Platform = NodeJS.Platform

// eslint-disable-next-line no-control-regex
const ILLEGAL_ON_WINDOWS = /[<>:"\\|?*\u0000-\u001f]|[. ]$/
const RESERVED_ON_WINDOWS = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?$/i

/** Whether Windows takes a name. It has devices of some names, and leaves out a dot or space at the end of a name. */
export const windowsTakes = (name: string): boolean => !ILLEGAL_ON_WINDOWS.test(name) && !RESERVED_ON_WINDOWS.test(name)

/**
 * Why a platform can't hold a path, before its file system is asked; undefined if it may. Windows takes `a:b` for a
 * stream of `a`, and macOS may store a name that is not Unicode under another one.
 */
export function nameProblem(path: string, platform: Platform): string | undefined {
  if (platform !== 'darwin' && platform !== 'win32') return undefined
  if (!path.isWellFormed()) return 'its name is not Unicode'
  return platform === 'win32' && !windowsTakes(path.slice(path.lastIndexOf('/') + 1)) ? 'Windows does not allow this name' : undefined
}
