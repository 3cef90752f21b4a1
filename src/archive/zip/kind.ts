import type { ZipRecord } from './record.ts'

const S_IFMT = 0o170000
const S_IFREG = 0o100000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000
const DOS_READ_ONLY = 0x01
const DOS_FOLDER = 0x10

const HOST_FAT = 0
/** Unix, BeOS, macOS, AtheOS: they keep their modes in the upper half of the attributes. */
const UNIX_HOSTS = [3, 16, 19, 30]

export interface Kind {
  type: 'file' | 'directory' | 'symlink' | 'other'
  /** Permission bits; undefined where the archive has none. */
  mode: number | undefined
}

/** The type and mode of an entry, by its name and its attributes (APPNOTE 6.3.10, 4.4.15). */
export function kindOf(record: ZipRecord, path: string): Kind {
  const { attributes, storedLength } = record
  const mode = unixMode(record)
  const format = mode & S_IFMT
  const isFolder = path.endsWith('/') || format === S_IFDIR
  // on DOS and Windows the attribute alone makes a folder
  if (isFolder || (format === 0 && (attributes & DOS_FOLDER) !== 0 && storedLength === 0))
    return { type: 'directory', mode: permissions(mode) }
  if (format === S_IFLNK) return { type: 'symlink', mode: permissions(mode) }
  // pipes and devices: what has content is saved as a file
  if (format !== 0 && format !== S_IFREG && storedLength === 0) return { type: 'other', mode: permissions(mode) }
  return { type: 'file', mode: permissions(mode) ?? (!isUnix(record) && (attributes & DOS_READ_ONLY) !== 0 ? 0o444 : undefined) }
}

function isUnix({ host }: ZipRecord): boolean {
  return UNIX_HOSTS.includes(host)
}

/** 0 if there is none. Some programs on Unix say that they are DOS: then the mode agrees with the DOS attributes. */
function unixMode(record: ZipRecord): number {
  const mode = record.attributes >>> 16
  if (isUnix(record)) return mode
  if (record.host !== HOST_FAT || ![S_IFREG, S_IFDIR, S_IFLNK].includes(mode & S_IFMT)) return 0
  const isWritable = (record.attributes & DOS_READ_ONLY) === 0
  return ((mode & 0o200) !== 0) === isWritable ? mode : 0
}

function permissions(mode: number): number | undefined {
  return mode === 0 ? undefined : mode & 0o7777
}
