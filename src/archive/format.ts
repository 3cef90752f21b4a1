import { AppError } from '../util/errors.ts'

/** What `compress` writes. */
export const ARCHIVE_FORMATS = ['tar.zst', 'tar.gz', 'zip'] as const
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number]

/** What `extract` reads. */
export type ReadableFormat = ArchiveFormat | 'tar'

const ENDINGS: readonly [RegExp, ArchiveFormat][] = [
  [/\.(tar\.zst|tzst)$/i, 'tar.zst'],
  [/\.(tar\.gz|tgz)$/i, 'tar.gz'],
  [/\.zip$/i, 'zip'],
]

/** The format that the extension of a file name stands for, if any. */
export function formatOfName(name: string): ArchiveFormat | undefined {
  return ENDINGS.find(([ending]) => ending.test(name))?.[1]
}

/** This many first bytes identify every known format. */
export const HEAD_BYTES = 512

const USTAR_AT = 257
const OTHER_PROGRAMS = { xz: 'tar xf', bzip2: 'tar xf', '7z': '7z x', rar: 'unrar x' } as const
const MAGICS: readonly [ReadableFormat | keyof typeof OTHER_PROGRAMS, at: number, magic: string][] = [
  ['tar.zst', 0, '\x28\xb5\x2f\xfd'],
  // a skippable frame may come before it
  ['tar.zst', 1, '\x2a\x4d\x18'],
  ['tar.gz', 0, '\x1f\x8b'],
  ['zip', 0, 'PK\x03\x04'],
  ['zip', 0, 'PK\x05\x06'],
  ['tar', USTAR_AT, 'ustar'],
  ['xz', 0, '\xfd7zXZ'],
  ['bzip2', 0, 'BZh'],
  ['7z', 0, "7z\xbc\xaf'\x1c"],
  ['rar', 0, 'Rar!'],
]

/**
 * The format of an archive that begins with `head`. The name is used only in messages. Throws `unsupported` for an
 * unknown format.
 */
export function formatOfContent(head: Uint8Array, name: string): ReadableFormat {
  const text = Buffer.from(head).toString('latin1')
  const found = MAGICS.find(([, at, magic]) => text.startsWith(magic, at))?.[0]
  if (found === undefined)
    throw new AppError('unsupported', head.length === 0 ? `${name} is empty.` : `${name} is not an archive of a known format.`, {
      hint: 'extract reads tar.zst, tar.gz, tar and zip.',
    })
  if (found === 'xz' || found === 'bzip2' || found === '7z' || found === 'rar')
    throw new AppError('unsupported', `${name} is a ${found} archive, which extract does not read.`, {
      hint: `Use ${OTHER_PROGRAMS[found]}.`,
    })
  return found
}
