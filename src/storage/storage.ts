/*
 * The Storage interface, the folder store, and the decorators that add policy (retrying, limiting, counting,
 * remembering). It moves whole objects by name and does not know what is in them.
 */

import type { ChunkKeys } from '../util/chunk-keys.ts'

/**
 * Maximum size in bytes of an object that a store must support. An object is one byte array, which keeps retries and
 * checksums simple.
 */
export const MAX_OBJECT_BYTES = 64 * 1024 * 1024

export interface StorageOptions {
  signal?: AbortSignal | undefined
}

/** Half-open byte range: `length` bytes from `offset`. A negative offset counts from the end of the object. */
export interface ByteRange {
  offset: number
  length: number
}

export interface StoredObject {
  name: string
  /** Bytes. */
  size: number
  /** Milliseconds since 1970 by the store's clock, when the object became visible under its name. */
  created: number
  /** SHA-256 of the bytes in hex, where the store itself computes it. */
  sha256?: string
}

export interface Listing {
  /** The store's clock (ms since 1970) just before the listing started. */
  asOf: number
  /** Other programs rename objects: `put` refuses such names, and `get` and `remove` refuse some of them. */
  objects: StoredObject[]
  /**
   * Names of what is no object, where a store has such things: folders, links, and `folder/name` for what lies in a
   * folder that is no repository of its own. `get` does not read them.
   */
  misplaced?: string[]
}

export interface Quota {
  /** Bytes; undefined if the store has no such limit or does not know it. */
  used: number | undefined
  limit: number | undefined
  /** Of Drive: bytes of all its files, those in its trash among them. The rest of `used` is mail and photos. */
  inDrive?: number | undefined
  inTrash?: number | undefined
}

/**
 * A store of a repository's objects: flat, immutable objects under unique names. It contains everything that a backend
 * must implement. Decorators add policy (retries, limits, caching).
 *
 * Errors are `AppError`s with the codes not-found, bad-range, conflict, denied, unauthenticated, quota, throttled,
 * unavailable, corrupt, interrupted (the signal was aborted) or io. Only throttled and unavailable may be retried.
 */
export interface Storage {
  /** For messages, e.g. `/media/usb/repo` or `drive:colab-escape`. Never holds a secret. */
  readonly location: string
  /**
   * How the chunks of the repository get their ids and their lengths. Undefined: it is plain, or it was not listed yet.
   * `after-listing`: it is encrypted, and the keys are known after the first listing.
   */
  readonly chunkKeys?: ChunkKeys | 'after-listing' | undefined
  /**
   * Stores `bytes` whole. Resolves, once they are durable and their checksum is confirmed, with the creation time by
   * the store's clock. A partial object is never visible under `name`. If the name exists with equal bytes, that is a
   * success (with its creation time); with other bytes it is a `conflict`.
   */
  put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }>
  /**
   * Returns exactly these bytes. Throws `not-found`, or `bad-range` when the object is shorter than the range requires.
   */
  get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array>
  /**
   * Lists every object in one call. Some stores lag behind creations and deletions. The listing of an absent store is
   * empty.
   */
  list(options?: StorageOptions): Promise<Listing>
  /** Deletes every copy permanently. An absent object is a success. */
  remove(name: string, options?: StorageOptions): Promise<void>
  quota(options?: StorageOptions): Promise<Quota>
  /**
   * Who alone may delete an object, if not this login, as far as is known: an e-mail address or a description. For
   * stores where objects belong to people. `remove` throws `denied` for such an object; afterwards it is known.
   */
  keeper?(name: string): string | undefined
  /**
   * Announces that objects will be put soon, so that round trips can start. Never rejects: the next `put` repeats a
   * failed step.
   */
  prepare?(options?: StorageOptions): Promise<void>
  /**
   * Confirms that a stored object can be relied on, for stores that know more than reading it back tells: without it,
   * `confirmObject` reads the object back. Throws `not-found`, `corrupt` if it has other bytes, or `conflict` if what
   * was stored with it is gone.
   */
  confirm?(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<void>
}

const OBJECT_NAME = /^[A-Za-z0-9][A-Za-z0-9._%~+=-]{0,249}$/

/** Names that every store supports unchanged. */
export function isObjectName(name: string): boolean {
  return OBJECT_NAME.test(name)
}

// eslint-disable-next-line no-control-regex
const ENTRY_NAME = /^(?!\.{1,2}$)[^/\\\u0000]{1,255}$/

/**
 * Names that an entry of a store may have, such as `pack-... (1)` of a sync client. They can be read and removed, but
 * not put. None of them leaves the folder.
 */
export function isEntryName(name: string): boolean {
  return ENTRY_NAME.test(name)
}

/** The calls of a store, for counting, planning and reporting. */
export type CallKind = 'put' | 'get' | 'list' | 'remove' | 'quota'
