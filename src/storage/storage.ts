/*
 * The Storage interface, the folder store, and the decorators that add policy (retrying, limiting, counting,
 * remembering). It moves whole objects by name and does not know what is in them.
 */

/**
 * Largest object that a store must hold, in bytes. Objects travel as one byte array, which keeps retry and checksum
 * simple.
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
  /** The store's clock (ms since 1970) just before the listing began. */
  asOf: number
  objects: StoredObject[]
}

export interface Quota {
  /** Bytes; undefined where the store has no such limit or can't tell. */
  used: number | undefined
  limit: number | undefined
}

/**
 * Where the objects of a repository lie: flat, immutable objects under unique names. All that a backend must do is
 * here; policy (retry, limits, caching) wraps it from outside.
 *
 * Errors are `AppError`s with the codes not-found, bad-range, conflict, denied, unauthenticated, quota, throttled,
 * unavailable, corrupt, interrupted (the signal was aborted) or io. Only throttled and unavailable may be retried.
 */
export interface Storage {
  /** For messages, e.g. `/media/usb/repo` or `drive:colab-escape`. Never holds a secret. */
  readonly location: string
  /**
   * Stores `bytes` whole and resolves, once they are durable and their checksum is confirmed, with the creation time by
   * the store's clock. Nobody ever sees a part of them under `name`. A name that exists with equal bytes is a success
   * (with its creation time); with other bytes it is a `conflict`.
   */
  put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }>
  /** Exactly these bytes; `not-found`, or `bad-range` when the object is shorter than the range asks for. */
  get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array>
  /**
   * Lists every object in one call. Some stores lag behind creations and deletions. An absent store is an empty
   * listing.
   */
  list(options?: StorageOptions): Promise<Listing>
  /** Absent is success; every copy goes, for good. */
  remove(name: string, options?: StorageOptions): Promise<void>
  quota(options?: StorageOptions): Promise<Quota>
  /**
   * Announces that objects will be put soon, so that round trips can begin. Never rejects: the next `put` repeats what
   * failed.
   */
  prepare?(options?: StorageOptions): Promise<void>
}

const OBJECT_NAME = /^[A-Za-z0-9][A-Za-z0-9._%~+=-]{0,249}$/

/** Names that every store can hold as they are. */
export function isObjectName(name: string): boolean {
  return OBJECT_NAME.test(name)
}

/** The calls a store answers; decorators count, plan and report by these. */
export type CallKind = 'put' | 'get' | 'list' | 'remove' | 'quota'
