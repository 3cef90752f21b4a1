import { AppError } from '../util/errors.ts'
import { decodeFileName } from '../util/paths.ts'
import type { ByteStream } from './byte-stream.ts'
import type { Container } from './container.ts'
import type { ArchiveEntry } from './entry.ts'

/** The ending that a program adds to the name of the file that it compresses. */
const ENDING = /\.(gz|gzip|bz2?|xz|zst|zstd)$/i

/** Names by which compressed files say that they hold a tar. */
const TAR_NAME = /\.(tar(\.\w+)?|t[agxz]?z|tbz2?|tb2|tgz|tzst)$/i

export function saysTar(name: string): boolean {
  return TAR_NAME.test(name)
}

/** Whether the name of a compressed file tells that of the file in it. */
export function saysSingleFile(name: string): boolean {
  return withoutEnding(name) !== undefined
}

/**
 * A file that was compressed alone, as by gzip, bzip2, xz or zstd. Its name is that of the compressed file without its
 * ending, as gunzip takes it; else the one that the header states. Throws `unsupported` if there is none.
 */
export function singleFile(from: string, { name, mtime }: Container, content: ByteStream, tool: string): ArchiveEntry {
  const path = withoutEnding(from) ?? lastPart(name === undefined ? '' : decodeFileName(name))
  if (path === undefined)
    throw new AppError('unsupported', `${from} holds no archive but a single file, and nothing tells its name.`, {
      hint: `Decompress it under a name of your choice: ${tool} > NAME`,
    })
  return { path, type: 'file', size: Infinity, mode: undefined, mtime, target: '', content }
}

function withoutEnding(from: string): string | undefined {
  return ENDING.test(from) ? lastPart(from.replace(ENDING, '')) : undefined
}

function lastPart(path: string): string | undefined {
  const name = path.slice(Math.max(path.lastIndexOf('/'), process.platform === 'win32' ? path.lastIndexOf('\\') : -1) + 1)
  return name === '' || name === '.' || name === '..' ? undefined : name
}
