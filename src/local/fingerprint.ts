import type { BigIntStats } from 'node:fs'

/** Identifies a file's content without reading it: any write changes at least one of these fields. */
export interface Fingerprint {
  size: number
  mtime: bigint
  ctime: bigint
  inode: bigint
}

export function fingerprintOf(stats: BigIntStats): Fingerprint {
  return { size: Number(stats.size), mtime: stats.mtimeNs, ctime: stats.ctimeNs, inode: stats.ino }
}

export function sameFingerprint(a: Fingerprint, b: Fingerprint): boolean {
  return a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime && a.inode === b.inode
}

export const modeOf = (stats: BigIntStats): number => Number(stats.mode & 0o7777n)
