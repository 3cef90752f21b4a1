import type { ByteStream } from './byte-stream.ts'

/** One entry as the archive states it. No field is trusted. */
export interface ArchiveEntry {
  /** Parts are separated by `/`. Bytes that are not UTF-8 are as `decodeFileName` represents them. */
  path: string
  /** `other` is not extracted: devices, pipes, ... */
  type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other'
  /** Size of the content in bytes; Infinity if only its end tells. */
  size: number
  /** Those of them that are zeros which the archive does not hold. */
  holes?: number
  /** Permission bits; undefined where the archive has none. */
  mode: number | undefined
  /** ns since 1970; undefined where the archive has no plausible time. */
  mtime: bigint | undefined
  /** Target of a symlink or hard link; else empty. */
  target: string
  /**
   * Can be read at most once, and only before the next entry is requested. Reading only a part, or nothing, is allowed.
   */
  content: ByteStream
  /** Why it can't be extracted: a `RefusedEntryError` or a `DamagedEntryError`. */
  error?: Error | undefined
  /** Why it may not be what was archived, though it can be extracted. */
  doubt?: string | undefined
}

export const NO_CONTENT: ByteStream = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) }
