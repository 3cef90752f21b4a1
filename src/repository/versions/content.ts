import { HASH_BYTES, sha256Hex, toHex } from '../../util/hash.ts'

/**
 * The id of a file's content, in hex: of one chunk, the chunk's id; of several or none, the SHA-256 of their ids. So it
 * is the SHA-256 of a file that is one chunk or empty, unless the repository is encrypted.
 * `chunks`: the ids of the file's chunks.
 */
export function contentId(chunks: Uint8Array): string {
  return chunks.length === HASH_BYTES ? toHex(chunks) : sha256Hex(chunks)
}
