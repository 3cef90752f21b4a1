import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname } from 'node:path'
import { realPathOf } from '../../local/real-path.ts'
import type { Session } from './session.ts'

/** What Google's own program calls My Drive and the shared drives, in some languages. */
const ROOT_NAMES =
  'My ?Drive|Shared ?[Dd]rives|Other computers|Meine Ablage|Geteilte Ablagen|Mon Drive|Drive partagés|Mi unidad|Unidades compartidas|Il mio Drive|Meu Drive|Mijn Drive|Мой диск|マイドライブ|我的云端硬盘|我的雲端硬碟|내 드라이브'

/**
 * Where a Drive is mounted, or copied by a program: Colab, macOS, gvfs, folders of that name, WSL and the drives of
 * Windows. Paths have slashes.
 */
const DRIVES = [
  new RegExp(`^/content/[^/]+/(?:${ROOT_NAMES})(?:/|$)`),
  /^\/content\/drive\//,
  /\/Library\/CloudStorage\/GoogleDrive-/,
  /\/gvfs\/google-drive:/,
  /\/Google ?Drive(?:\/|$)/,
  new RegExp(`^(?:[A-Za-z]:|/mnt/[a-z])/(?:${ROOT_NAMES}|\\.shortcut-targets-by-id)(?:/|$)`),
]

/** File systems of programs that write to a remote place in their own time. */
const LATER = /^(?:fuse\.)?(?:rclone\w*|google-drive-ocamlfuse|gdfuse|drivefs|davfs2?)$/
/** File systems that are not on a disk of this machine. */
const REMOTE = /^(?:fuse|nfs|cifs|smb|9p|davfs|afs|ceph|lustre|glusterfs)/

/** Whether a folder is on a mounted Drive: data written there is not safe yet, and missing data may still arrive. */
export function isMounted(path: string, mounts?: string): boolean {
  const slashed = path.replaceAll('\\', '/')
  const home = homedir().replaceAll('\\', '/')
  const inHome = slashed.startsWith(`${home}/`) ? slashed.slice(home.length) : ''
  return (
    DRIVES.some(drive => drive.test(slashed)) ||
    new RegExp(`^/(?:${ROOT_NAMES})(?:/|$)`).test(inHome) ||
    LATER.test(fileSystemOf(path, mounts))
  )
}

/** The type of the file system of an absolute path, as Linux calls it; empty where it is not known. */
function fileSystemOf(path: string, mounts = readMounts()): string {
  const types = new Map(
    mounts.split('\n').map(line => {
      const [, point = '', type = ''] = line.split(' ')
      return [point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))), type]
    }),
  )
  for (let at = path; ; at = dirname(at)) {
    const type = types.get(at)
    if (type !== undefined || at === dirname(at)) return type ?? ''
  }
}

function readMounts(): string {
  try {
    return readFileSync('/proc/self/mounts', 'utf8')
  } catch {
    return ''
  }
}

/** The last line of a receipt, if what was written to `path` is lost with the notebook. `cure`: what keeps it. */
export function wipedLines({ settings }: Pick<Session, 'settings'>, path: string, cure: string): string[] {
  if (!settings.colab) return []
  const real = realPathOf(path)
  if (isMounted(real) || REMOTE.test(fileSystemOf(real))) return []
  return [`  On the notebook's own disk, which is wiped: ${cure} keeps it.`]
}
