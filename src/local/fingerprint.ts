import type { BigIntStats } from 'node:fs'

/**
 * Identifies the content of a file without reading it. On a file system that keeps a ctime of its own (`ChangeTimes`
 * knows which do), a write changes at least one of size, mtime, ctime and inode, unless it follows another change
 * within one tick of that file system's clock, or goes through a memory map.
 */
export interface Fingerprint {
  size: number
  mtime: bigint
  ctime: bigint
  inode: bigint
  /** The file system. Its number may be another one after a restart, so it is never compared. */
  device: number
}

export function fingerprintOf(stats: BigIntStats): Fingerprint {
  return { size: Number(stats.size), mtime: stats.mtimeNs, ctime: stats.ctimeNs, inode: stats.ino, device: Number(stats.dev) }
}

export function sameFingerprint(a: Fingerprint, b: Fingerprint): boolean {
  return a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime && a.inode === b.inode
}

/** Of what is not on this machine, or was not looked at: nothing equals it but what states the same. */
export function statedFingerprint(size: number, mtime: bigint): Fingerprint {
  return { size, mtime, ctime: 0n, inode: 0n, device: 0 }
}
