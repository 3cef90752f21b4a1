import type { BigIntStats } from 'node:fs'
import { sameTime } from './times.ts'

/** What a version records of an item besides its content. */
export interface Attributes {
  type: 'file' | 'directory' | 'symlink'
  mode: number
  mtime: bigint
}

/**
 * The mode that is recorded for an item. Windows has one bit of it, whether a file may be written, and gives a folder
 * no permission to be entered: with such a mode it would be closed to everybody elsewhere.
 */
export function modeOf(stats: BigIntStats, platform = process.platform): number {
  if (platform !== 'win32') return Number(stats.mode & 0o7777n)
  return stats.isSymbolicLink() ? 0o777 : stats.isDirectory() ? 0o755 : (stats.mode & 0o200n) === 0n ? 0o444 : 0o644
}

/** Whether what has the mode `here`, as `modeOf` says, is as what has the mode `recorded` can be on this system. */
export function sameMode(recorded: number, here: number, type: Attributes['type'], platform = process.platform): boolean {
  if (platform !== 'win32') return recorded === here
  return type !== 'file' || ((recorded ^ here) & 0o200) === 0
}

/** Whether an item of this machine has what is recorded, as far as this system can hold it. */
export function sameAttributes(recorded: Attributes, here: Attributes): boolean {
  return sameMode(recorded.mode, here.mode, here.type) && sameTime(recorded.mtime, here)
}
