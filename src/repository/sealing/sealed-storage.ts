/*
 * Encryption: the keys of a repository, sealed objects and their names, and the store that seals what it is given.
 * Above it, a repository is as it is without encryption. It asks nobody for a password.
 */

import { ForwardingStorage } from '../../storage/forwarding.ts'
import { checkEntryName, checkName, checkSize, resolveRange } from '../../storage/object-checks.ts'
import { confirmObject } from '../../storage/confirm-object.ts'
import { conflict } from '../../storage/errors.ts'
import type { ByteRange, Listing, Storage, StorageOptions, StoredObject } from '../../storage/storage.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { throwIfAborted } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import { CONFIG_NAME, hashInName, README_NAME } from '../format/object-names.ts'
import type { RepositoryKeys } from './keys.ts'
import { sealedChunkKeys } from './sealed-chunks.ts'
import { kindInHeader, nonceOf, openObject, openRange, plainSize, sealedRange, sealObject } from './sealed-object.ts'
import { openName, sealedKindOf, sealName, type SealedName } from './sealed-names.ts'

/** Stored as they are: they say what the folder is, and hold nothing of its owner. */
const isOpen = (name: string): boolean => name === CONFIG_NAME || name === README_NAME || /^(feature|key)-/.test(name)

/** Before the names of objects that look like those of a repository, but were not sealed with its keys. */
const UNSEALED = 'unsealed.'

interface SealedEntry extends SealedName {
  /** The name in the store. */
  sealedName: string
  /** Plain bytes. Undefined if its size in the store is that of no sealed object. */
  size: number | undefined
}

/**
 * Seals the objects of an encrypted repository and their names. It keeps the contract of a store, except that names of
 * more than 95 characters are refused that no object of a repository has. What was not sealed with these keys is listed
 * under a name that no object has, and can't be read.
 */
export class SealedStorage extends ForwardingStorage {
  private readonly keys: RepositoryKeys
  private readonly chunks: ChunkKeys
  /** All that was listed or put, by plain name. An object that is gone is missed when it is read. */
  private readonly entries = new Map<string, SealedEntry>()
  /** What the names in the store mean, as far as they were listed. */
  private readonly opened = new Map<string, SealedName | undefined>()

  constructor(inner: Storage, keys: RepositoryKeys) {
    super(inner)
    this.keys = keys
    this.chunks = sealedChunkKeys(keys)
  }

  override get chunkKeys(): ChunkKeys {
    return this.chunks
  }

  override async put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    checkName(name)
    checkSize(name, bytes)
    throwIfAborted(options?.signal)
    if (isOpen(name)) return this.inner.put(name, bytes, options)
    const { entry, sealed } = this.seal(name, bytes)
    if (entry.kind === 'object') await this.refuseOther(entry, options)
    const put = await this.inner.put(entry.sealedName, sealed, options)
    this.entries.set(name, entry)
    return put
  }

  /** Equal bytes give an equal object, so a `put` can be repeated, here and by other machines. */
  private seal(plain: string, bytes: Uint8Array): { entry: SealedEntry; sealed: Buffer } {
    const kind = sealedKindOf(plain)
    const sealed = sealObject(this.keys, kind, bytes)
    const sealedId = sha256Hex(sealed)
    return { sealed, entry: { kind, plain, sealedId, size: bytes.length, sealedName: sealName(this.keys, { kind, plain, sealedId }) } }
  }

  /** The name of any other object says what its bytes are. */
  private async refuseOther({ plain, sealedName }: SealedEntry, options?: StorageOptions): Promise<void> {
    const { objects } = await this.list(options)
    if (objects.some(({ name }) => name === plain) && this.entries.get(plain)!.sealedName !== sealedName)
      throw conflict(plain, this.location)
  }

  override async get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    checkEntryName(name)
    if (isOpen(name)) return this.inner.get(name, range, options)
    const entry = await this.find(name, options)
    return entry !== undefined && range !== undefined && isRangeable(entry)
      ? this.getRange(entry, range, options)
      : this.getWhole(name, entry, range, options)
  }

  /** What another program has renamed may still be opened. Anything else is no object of this repository. */
  private async getWhole(name: string, entry?: SealedEntry, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    const sealed = await this.inner.get(entry?.sealedName ?? storedName(name), undefined, options)
    const plain = openObject(this.keys, entry?.kind ?? kindInHeader(sealed), sealed, name)
    const { start, end } = resolveRange(name, plain.length, range)
    return ownBytes(plain.subarray(start, end))
  }

  private async getRange(
    { kind, plain, sealedName, size = 0 }: SealedEntry,
    range: ByteRange,
    options?: StorageOptions,
  ): Promise<Uint8Array> {
    const { start, end } = resolveRange(plain, size, range)
    const part = sealedRange(start, end, size)
    const sealed = await this.inner.get(sealedName, { offset: part.start, length: part.end - part.start }, options)
    const nonce = nonceOf(this.keys, kind, Buffer.from(hashInName(plain)!, 'hex'))
    return ownBytes(openRange(this.keys, kind, nonce, sealed, { start, end, size }, plain))
  }

  private async find(name: string, options?: StorageOptions): Promise<SealedEntry | undefined> {
    if (!this.entries.has(name)) await this.list(options)
    return this.entries.get(name)
  }

  override async list(options?: StorageOptions): Promise<Listing> {
    return this.plainListing(await this.inner.list(options))
  }

  /** A listing of the store as it is without encryption. Remembers what it names. */
  plainListing(listing: Listing): Listing {
    const objects = listing.objects.flatMap(object => this.plainObject(object) ?? [])
    // a copy of what is also in its right place is not missed
    const misplaced = listing.misplaced?.filter(name => !this.opened.has(name.slice(name.lastIndexOf('/') + 1)))
    return { ...listing, objects, ...(misplaced ? { misplaced } : {}) }
  }

  /** An object as it is without encryption. Undefined for what belongs to encryption itself. */
  private plainObject(object: StoredObject): StoredObject | undefined {
    const { name, size, created, sha256 } = object
    if (isOpen(name)) return isOfEncryption(name) ? undefined : object
    if (!this.opened.has(name)) this.opened.set(name, openName(this.keys, name))
    const found = this.opened.get(name)
    if (found === undefined) return { ...object, name: sealedKindOf(name) === 'object' ? name : UNSEALED + name }
    const entry = { ...found, sealedName: name, size: plainSize(size) }
    this.entries.set(found.plain, entry)
    const hash = sha256 === undefined ? undefined : sha256 === found.sealedId ? fullHashIn(found.plain) : sha256
    return { name: found.plain, size: entry.size ?? 0, created, ...(hash === undefined ? {} : { sha256: hash }) }
  }

  override async remove(name: string, options?: StorageOptions): Promise<void> {
    checkEntryName(name)
    throwIfAborted(options?.signal)
    const entry = isOpen(name) ? undefined : await this.find(name, options)
    await this.inner.remove(entry?.sealedName ?? storedName(name), options)
    this.entries.delete(name)
  }

  override keeper(name: string): string | undefined {
    return this.inner.keeper?.(this.entries.get(name)?.sealedName ?? storedName(name))
  }

  override async confirm(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<void> {
    if (isOpen(name)) return confirmObject(this.inner, name, bytes, options)
    const { entry, sealed } = this.seal(name, bytes)
    await confirmObject(this.inner, entry.sealedName, sealed, options)
  }
}

/** A `Buffer` that is sliced shares its memory. */
const ownBytes = ({ buffer, byteOffset, length }: Buffer): Uint8Array => new Uint8Array(buffer, byteOffset, length)

/** Above a sealed store there is no encryption. */
const isOfEncryption = (name: string): boolean => /^(feature-encrypted|key)-/.test(name)

const storedName = (name: string): string => (name.startsWith(UNSEALED) ? name.slice(UNSEALED.length) : name)

/** True if the nonce follows from the name, so that a range can be opened without the object's header. */
const isRangeable = ({ plain, size }: SealedEntry): boolean => size !== undefined && fullHashIn(plain) !== undefined

/** The SHA-256 of an object's plain bytes, where its name holds all of it. */
function fullHashIn(plain: string): string | undefined {
  const hash = hashInName(plain)
  return hash?.length === 64 ? hash : undefined
}
