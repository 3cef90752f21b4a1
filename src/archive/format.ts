/** What `compress` writes. */
export const ARCHIVE_FORMATS = ['tar.zst', 'tar.gz', 'zip'] as const
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number]

/** What `extract` reads: archives, and single compressed files. */
export type ReadableFormat = ArchiveFormat | 'tar' | 'tar.bz2' | 'tar.xz' | 'gz' | 'bz2' | 'xz' | 'zst'

const ENDINGS: readonly [RegExp, ArchiveFormat][] = [
  [/\.(tar\.zst|tzst)$/i, 'tar.zst'],
  [/\.(tar\.gz|tgz)$/i, 'tar.gz'],
  [/\.zip$/i, 'zip'],
]

/** The format that the extension of a file name stands for, if any. */
export function formatOfName(name: string): ArchiveFormat | undefined {
  return ENDINGS.find(([ending]) => ending.test(name))?.[1]
}
