import { readlinkSync } from 'node:fs'
import { errnoOf, messageOf } from '../util/errors.ts'
import { decodeFileName } from '../util/paths.ts'

/** The target of a symlink as it is recorded: with `/`, which Windows takes and gives back as `\\`. */
export function readTarget(path: string | Buffer, fileSystem: { readlinkSync: typeof readlinkSync } = { readlinkSync }): string {
  const target = decodeFileName(fileSystem.readlinkSync(path, 'buffer'))
  return process.platform === 'win32' ? target.replaceAll('\\', '/') : target
}

/** File systems such as FAT hold none. ENOENT: a system said that it made one, and there is none. */
const NO_SYMLINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'ENOENT']

/** Why no symlink can be made in a folder, by the error of an attempt; undefined if it failed for another reason. */
export function noSymlinks(error: unknown): string | undefined {
  if (!NO_SYMLINKS.includes(errnoOf(error) ?? '')) return undefined
  if (process.platform === 'win32')
    return 'Windows lets this account make no symlinks. Turn on its Developer Mode, or run as an administrator'
  return `no symlinks can be made there: ${messageOf(error)}`
}
