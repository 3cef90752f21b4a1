import { openObject, sealedSize, sealObject } from '../../src/repository/sealing/sealed-object.ts'
import { openName } from '../../src/repository/sealing/sealed-names.ts'
import { SealedStorage } from '../../src/repository/sealing/sealed-storage.ts'
import type { ByteRange, Listing, Storage, StorageOptions } from '../../src/storage/storage.ts'
import { ForwardingStorage } from '../../src/storage/forwarding.ts'
import { AppError } from '../../src/util/errors.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { testKeys } from '../helpers/repository/keys.ts'

export const MODEL_KEYS = testKeys(7)

/** Of all worlds: equal objects are sealed alike. By plain name. */
const sealedNames = new Map<string, string>()

/**
 * Holds a store of plain objects, and shows what an encrypted one would: the program seals, the truth about the world
 * reads plain objects.
 */
class UnsealingStorage extends ForwardingStorage {
  override put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    const opened = openName(MODEL_KEYS, name)
    if (!opened) return this.inner.put(name, bytes, options)
    if (sha256Hex(bytes) !== opened.sealedId) throw new Error(`${name} has the id of other bytes`)
    sealedNames.set(opened.plain, name)
    return this.inner.put(opened.plain, openObject(MODEL_KEYS, opened.kind, bytes, name), options)
  }

  override async get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    const opened = openName(MODEL_KEYS, name)
    if (!opened) return this.inner.get(name, range, options)
    const sealed = sealObject(MODEL_KEYS, opened.kind, await this.inner.get(opened.plain, undefined, options))
    if (!range) return sealed
    const start = range.offset < 0 ? sealed.length + range.offset : range.offset
    if (start < 0 || start + range.length > sealed.length) throw new AppError('bad-range', `${name} is shorter`)
    return Uint8Array.from(sealed.subarray(start, start + range.length))
  }

  override async list(options?: StorageOptions): Promise<Listing> {
    const listing = await this.inner.list(options)
    const objects = listing.objects.map(({ name, size, created }) => {
      const sealed = sealedNames.get(name)
      return sealed === undefined ? { name, size, created } : { name: sealed, size: sealedSize(size), created }
    })
    return { ...listing, objects }
  }

  override remove(name: string, options?: StorageOptions): Promise<void> {
    return this.inner.remove(openName(MODEL_KEYS, name)?.plain ?? name, options)
  }
}

/** A store of plain objects, as a program sees it that has the keys of an encrypted repository. */
export const encrypted = (inner: Storage): Storage => new SealedStorage(new UnsealingStorage(inner), MODEL_KEYS)
