import type { BigIntStats } from 'node:fs'
import { realFileSystem } from '../util/file-system.ts'
import { fsPath } from '../util/paths.ts'
import { modeOf } from './attributes.ts'
import { fingerprintOf, type Fingerprint } from './fingerprint.ts'
import { readTarget } from './symlinks.ts'

/** The current state of a path in the destination. */
export type LocalItem =
  | { type: 'absent' }
  | { type: 'file'; fingerprint: Fingerprint; mode: number }
  | { type: 'directory'; fingerprint: Fingerprint; mode: number }
  | { type: 'symlink'; fingerprint: Fingerprint; target: string }
  | { type: 'other' }

export const ABSENT: LocalItem = Object.freeze({ type: 'absent' })

/**
 * Reads the state of a path. Does not follow a symlink in its last part. A path below something that is no folder is
 * absent.
 */
export function lookAt(localPath: string | Buffer, fileSystem = realFileSystem): LocalItem {
  const path = typeof localPath === 'string' ? fsPath(localPath) : localPath
  let stats: BigIntStats | undefined
  try {
    stats = fileSystem.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return ABSENT
    throw error
  }
  if (!stats) return ABSENT
  if (stats.isFile()) return { type: 'file', fingerprint: fingerprintOf(stats), mode: modeOf(stats) }
  if (stats.isDirectory()) return { type: 'directory', fingerprint: fingerprintOf(stats), mode: modeOf(stats) }
  if (stats.isSymbolicLink())
    return {
      type: 'symlink',
      fingerprint: fingerprintOf(stats),
      target: readTarget(path, fileSystem),
    }
  return { type: 'other' }
}
