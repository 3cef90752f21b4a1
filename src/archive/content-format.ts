import { AppError } from '../util/errors.ts'
import { isBzip2 } from './bzip2-reader.ts'
import { isGzip } from './gzip-reader.ts'
import { otherFormat } from './other-formats.ts'
import { isTarHeader, isZero, TAR_BLOCK_BYTES } from './tar-header.ts'
import { isXz } from './xz-reader.ts'
import { isZstd } from './zstd-reader.ts'

/** This many first bytes identify every format that is read, and name every other one that is known. */
export const HEAD_BYTES = 1024 * 1024

const USTAR_AT = 257

/** The format of a file that begins with `head`, 512 bytes if the file has them; undefined if it is none of these. */
export function formatOfContent(head: Uint8Array): 'zip' | 'tar' | 'gz' | 'zst' | 'bz2' | 'xz' | undefined {
  if (isGzip(head)) return 'gz'
  if (isZstd(head)) return 'zst'
  if (isBzip2(head)) return 'bz2'
  if (isXz(head)) return 'xz'
  const text = Buffer.from(head.subarray(0, TAR_BLOCK_BYTES)).toString('latin1')
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return 'zip'
  // the magic number alone, too: the first header may be damaged
  return isTarHeader(head) || text.startsWith('ustar', USTAR_AT) ? 'tar' : undefined
}

/** A whole archive of no entries. */
export function isEmptyTar(whole: Uint8Array): boolean {
  return whole.length > 0 && whole.length % TAR_BLOCK_BYTES === 0 && isZero(whole)
}

/** For a file that begins with `head` and has none of the formats that are read. */
export function unknownFormat(head: Uint8Array, name: string): AppError {
  if (head.length === 0) return new AppError('unsupported', `${name} is empty.`, { hint: 'Download or copy the archive again.' })
  const other = otherFormat(head, name)
  if (other === undefined)
    return new AppError('unsupported', `${name} is not an archive of a known format.`, {
      hint: 'extract reads tar, tar.gz, tar.bz2, tar.xz, tar.zst, zip, and single files in gzip, bzip2, xz and zstd.',
    })
  return new AppError('unsupported', `${name} is ${other.name}, which extract does not read.`, { hint: `Use: ${other.tool}` })
}
