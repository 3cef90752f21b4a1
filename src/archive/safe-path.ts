import { windowsTakes } from '../local/platform-names.ts'

/** `names` are the folders and the file below the destination; none for the destination itself. */
type SafePath = { kind: 'safe'; names: readonly string[] } | { kind: 'refused'; reason: string }

/** Linux takes no longer path (bytes). Each folder on the way costs time and memory, so a longer one is no name. */
const MAX_PATH_BYTES = 4096

/** The path below the destination for a name in an archive. Refuses a name that could lead anywhere else. */
export function safePath(name: string, windows: boolean): SafePath {
  // a character has at most three bytes
  if (name.length * 3 > MAX_PATH_BYTES && Buffer.byteLength(name) > MAX_PATH_BYTES)
    return refused(`its name is longer than ${MAX_PATH_BYTES} bytes`)
  const path = windows ? name.replaceAll('\\', '/') : name
  if (path.includes('\0')) return refused('its name holds a zero byte')
  if (path.startsWith('/')) return refused('its name is an absolute path')
  if (/^[A-Za-z]:(?:[\\/]|$)/.test(path) || (windows && path.includes(':'))) return refused('its name has a drive letter')
  const names = path.split('/').filter(part => part !== '' && part !== '.')
  if (names.includes('..')) return refused('its name leads out of the destination')
  if (windows && !names.every(windowsTakes)) return refused('Windows does not allow its name')
  return { kind: 'safe', names }
}

function refused(reason: string): SafePath {
  return { kind: 'refused', reason }
}
