import { encodePath } from '../util/paths.ts'

/** A prefix that archiver takes for a drive letter and drops. */
const DRIVE = /^\w+:/

/** The bytes of names that archiver would change. */
export interface KeptNames {
  /** The name of a folder ends with a slash. */
  name: Buffer
  /** The target of a link; empty for other entries. */
  target: Buffer
}

/** Archiver knows only names of UTF-8, without drive letters, backslashes and what else paths of Windows have. */
export function changesName(name: string): boolean {
  return !name.isWellFormed() || name.includes('\\') || DRIVE.test(name)
}

export function keptNames(name: string, target: string, isFolder: boolean): KeptNames {
  return { name: encodePath(isFolder ? `${name}/` : name), target: encodePath(target) }
}
