export const STORED = 0
export const DEFLATED = 8
export const DEFLATE64 = 9
export const BZIP2 = 12
export const ZSTD = 93
/** Its older number. */
export const ZSTD_OLD = 20
/** Encrypted with AES; the method of compression is in an extra field (APPNOTE 6.3.10, appendix E). */
export const AES = 99

const BY_7Z = 'use 7z x, which does'
const NAMES: Record<number, [name: string, reader?: string]> = {
  1: ['Shrink', BY_7Z],
  2: ['Reduce'],
  3: ['Reduce'],
  4: ['Reduce'],
  5: ['Reduce'],
  6: ['Implode', BY_7Z],
  10: ['PKWARE DCL Implode'],
  14: ['LZMA', BY_7Z],
  16: ['IBM z/OS CMPSC'],
  18: ['IBM TERSE'],
  19: ['IBM LZ77'],
  94: ['MP3'],
  95: ['XZ', BY_7Z],
  96: ['a method for JPEG pictures'],
  97: ['WavPack'],
  98: ['PPMd', BY_7Z],
}

/** Why an entry of this method is not read, and what reads it (APPNOTE 6.3.10, 4.4.5). */
export function notRead(method: number): string {
  const [name, reader] = NAMES[method] ?? [`method ${method}`]
  return `it is compressed with ${name}, which is not read here${reader === undefined ? '' : `: ${reader}`}`
}
