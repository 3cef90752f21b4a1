import { sha256 } from './hash.ts'

/**
 * How the chunks of a repository get their ids, and where files are cut: without keys in a plain repository, and by
 * secrets in an encrypted one, so that neither ids nor lengths tell of the content.
 */
export interface ChunkKeys {
  /** Tells repositories with different keys apart: 16 hex digits; empty for all plain ones. */
  readonly id: string
  /** The gear table of chunking, 256 numbers. Undefined for that of plain repositories. */
  readonly gear: Int32Array | undefined
  /** The id of a chunk, 32 bytes. */
  readonly idOf: (bytes: Uint8Array) => Buffer
}

/** Of all repositories that are not encrypted: the id of a chunk is its SHA-256. */
export const PLAIN_CHUNKS: ChunkKeys = { id: '', gear: undefined, idOf: sha256 }
