import type { ByteStream } from './byte-stream.ts'

/** What an archive says of an entry, in names with all their bytes (`encodePath`). Folders' names end with a slash. */
export interface EntryHead {
  name: Buffer
  type: 'file' | 'directory' | 'symlink' | 'hardlink'
  mode: number
  /** Since 1970. */
  seconds: number
  /** Of a symlink, or the name of the first entry of the same file; else empty. */
  target: Buffer
}

/** The bytes of an archive, entry by entry. */
export interface ArchiveEncoder {
  /** An entry whose content is in memory. */
  small(head: EntryHead, content: Buffer): Uint8Array[]
  /** A file of exactly `size` bytes. */
  large(head: EntryHead, size: number, content: ByteStream): AsyncIterable<Uint8Array>
  /** What comes after all entries. */
  end(): Uint8Array[]
}
