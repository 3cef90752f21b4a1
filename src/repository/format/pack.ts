import { MAX_OBJECT_BYTES } from '../../storage/storage.ts'
import { ByteReader, ByteWriter, ascii, equalBytes } from '../../util/bytes.ts'
import { corrupt } from '../../util/errors.ts'
import { HASH_BYTES, sha256, sha256Hex } from '../../util/hash.ts'
import { decodeDirectory, encodeDirectory, type Directory, type ListedBlock } from './directory.ts'

const MAGIC = ascii('CEP1')
export const NONCE_BYTES = 16
/** Nonce, length of the directory (u32, little-endian), SHA-256 of the directory, magic. */
export const TRAILER_BYTES = NONCE_BYTES + 4 + HASH_BYTES + MAGIC.length

export interface Pack {
  /** SHA-256 of `bytes`, in hex. */
  id: string
  bytes: Uint8Array
  directory: Uint8Array
}

/**
 * Appends directory and trailer to `buffer`, whose first `blockBytes` bytes are the stored bytes of `blocks`. Takes new
 * memory if the buffer is too small. Reads the result back, so that a pack whose directory does not decode to its
 * blocks is never uploaded.
 */
export function sealPack(buffer: Uint8Array, blockBytes: number, blocks: readonly ListedBlock[], nonce: Uint8Array): Pack {
  const directory = encodeDirectory(blocks)
  const size = blockBytes + directory.length + TRAILER_BYTES
  const bytes = size <= buffer.length ? buffer.subarray(0, size) : new Uint8Array(size)
  if (size > buffer.length) bytes.set(buffer.subarray(0, blockBytes))
  bytes.set(directory, blockBytes)
  const trailer = new ByteWriter(TRAILER_BYTES)
  trailer.put(nonce)
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, directory.length, true)
  trailer.put(length)
  trailer.put(sha256(directory))
  trailer.put(MAGIC)
  bytes.set(trailer.view(), blockBytes + directory.length)
  const id = sha256Hex(bytes)
  const readBack = decodePackTail(bytes, bytes.length, id)
  const isSame =
    readBack.kind === 'directory' && equalBytes(readBack.directoryBytes, directory) && readBack.directory.blocks.length === blocks.length
  if (!isSame) throw corrupt('A new pack', 'it does not read back as it was written')
  return { id, bytes, directory }
}

export interface PackDirectory {
  kind: 'directory'
  directory: Directory
  directoryBytes: Uint8Array
}

/** The directory of a pack; or, if the bytes were too few, how many bytes from the pack's end are needed. */
export type PackTail = PackDirectory | { kind: 'too-short'; needBytes: number }

/**
 * Reads the directory from the last bytes (`tail`) of a pack of `size` bytes. Time and memory: linear in the length of
 * `tail`.
 */
export function decodePackTail(tail: Uint8Array, size: number, id: string): PackTail {
  const what = `Pack ${id.slice(0, 12)}`
  if (size > MAX_OBJECT_BYTES) throw corrupt(what, 'it is too large')
  if (size < TRAILER_BYTES || tail.length < TRAILER_BYTES) {
    if (size >= TRAILER_BYTES && tail.length < size) return { kind: 'too-short', needBytes: TRAILER_BYTES }
    throw corrupt(what, 'it is shorter than a trailer')
  }
  const trailer = new ByteReader(tail, what, tail.length - TRAILER_BYTES)
  trailer.take(NONCE_BYTES)
  const lengthBytes = trailer.take(4)
  const length = new DataView(lengthBytes.buffer, lengthBytes.byteOffset, 4).getUint32(0, true)
  const hash = trailer.take(HASH_BYTES)
  trailer.expect(MAGIC, 'it does not end as a pack does (cut short?)')
  if (length > size - TRAILER_BYTES) throw corrupt(what, 'its directory is longer than the pack')
  if (length + TRAILER_BYTES > tail.length) return { kind: 'too-short', needBytes: length + TRAILER_BYTES }
  const directoryBytes = tail.subarray(tail.length - TRAILER_BYTES - length, tail.length - TRAILER_BYTES)
  if (!equalBytes(sha256(directoryBytes), hash)) throw corrupt(what, "its directory does not match the directory's checksum")
  const directory = decodeDirectory(directoryBytes, what)
  if (directory.blockBytes !== size - TRAILER_BYTES - length) throw corrupt(what, 'its blocks do not fill it')
  return { kind: 'directory', directory, directoryBytes }
}
