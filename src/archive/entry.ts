import type { ByteStream } from './byte-stream.ts'

/** One entry as an archive states it: nothing of it is to be trusted. */
export interface ArchiveEntry {
  /** With `/` between its parts. Bytes that are not UTF-8 as `decodeFileName` gives them. */
  path: string
  /** `other` is what is not extracted: devices, pipes, ... */
  type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other'
  /** Bytes of its content. */
  size: number
  /** Permission bits; undefined where the archive has none. */
  mode: number | undefined
  /** ns since 1970; undefined where the archive has no sensible one. */
  mtime: bigint | undefined
  /** Of symlinks and hard links; else empty. */
  target: string
  /** To be read at most once, before the next entry is asked for; may be left, even half read. */
  content: ByteStream
}

export const NO_CONTENT: ByteStream = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) }
