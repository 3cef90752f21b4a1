import { statfsSync } from 'node:fs'
import { fsPath } from '../util/paths.ts'
import type { Fingerprint } from './fingerprint.ts'

/**
 * File systems of Linux, by the type that statfs gives, whose ctime the kernel itself sets at every change. No program
 * can set it.
 */
const TRUE_CTIME: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x2fc12fc1, // ZFS
  0xca451a4e, // bcachefs
  0xf2f52010, // F2FS
  0x3153464a, // JFS
  0x52654973, // ReiserFS
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs, which has the times of one of the others
  0x73717368, // SquashFS
  0xe0f5e1e2, // EROFS
  0x9660, // ISO 9660
])

/** File systems of Linux whose ctime is the mtime, the time of creation, or whatever another program says. */
const NO_CTIME: ReadonlySet<number> = new Set([
  0x65735546, // FUSE: rclone, sshfs, gcsfuse, ntfs-3g, virtiofs
  0x4d44, // FAT: msdos, vfat
  0x2011bab0, // exFAT
  0x5346544e, // NTFS
  0x7366746e, // NTFS3
  0x4244, // HFS
  0x482b, // HFS+
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x01021997, // 9P, such as the drives of Windows in WSL
  0x786f4256, // shared folders of VirtualBox
  0xbacbacbc, // shared folders of VMware
])

/** The type of the file system that holds a path, as statfs gives it; undefined if it can't tell. */
type TypeOf = (localPath: string) => number | undefined

/**
 * Tells for the files below one folder whether their fingerprints show every write. If the type of a file system
 * doesn't say so (NFS, other systems than Linux), one file with a ctime other than its mtime does: it shows that the
 * ctime is more than a copy of the mtime.
 */
export class ChangeTimes {
  private readonly root: string
  private readonly typeOf: TypeOf
  /** By device; undefined as long as no file has shown it. */
  private readonly known = new Map<number, boolean | undefined>()

  constructor(root: string, typeOf: TypeOf = statfsType) {
    this.root = root
    this.typeOf = typeOf
  }

  /** `path` is relative to the folder. */
  showWrites(path: string, { device, ctime, mtime }: Fingerprint): boolean {
    if (!this.known.has(device)) this.known.set(device, this.byType(path))
    const known = this.known.get(device)
    if (known !== undefined) return known
    if (ctime === mtime) return false
    this.known.set(device, true)
    return true
  }

  private byType(path: string): boolean | undefined {
    // the source may be the file itself
    const type = this.typeOf(`${this.root}/${path}`) ?? this.typeOf(this.root)
    if (type === undefined) return undefined
    return TRUE_CTIME.has(type) ? true : NO_CTIME.has(type) ? false : undefined
  }
}

/** Only Linux has the same numbers on every machine. */
function statfsType(localPath: string): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return statfsSync(fsPath(localPath)).type
  } catch {
    return undefined
  }
}
