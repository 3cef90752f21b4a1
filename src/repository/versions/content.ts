import { HASH_BYTES, sha256Hex, toHex } from '../../util/hash.ts'

/**
 * The id of a file's content, in hex: of one chunk, or of none, the SHA-256 of its bytes; of several, the SHA-256 of
 * their ids. `chunks`: the ids of the file's chunks.
 */
export function contentId(chunks: Uint8Array): string {
  return chunks.length === HASH_BYTES ? toHex(chunks) : sha256Hex(chunks)
}
