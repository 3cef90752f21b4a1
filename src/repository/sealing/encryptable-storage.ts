import { ForwardingStorage } from '../../storage/forwarding.ts'
import type { ByteRange, Listing, Storage, StorageOptions } from '../../storage/storage.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { encryptionFeatureName, parseEncryptionFeature, parseKeyObjectName } from './key-object.ts'
import type { RepositoryKeys } from './keys.ts'
import { isSealedName } from './sealed-names.ts'
import { SealedStorage } from './sealed-storage.ts'

/** What a store without its keys tells of its encryption. */
export interface LockedStore {
  /** The store as it is, for reading the key objects. */
  inner: Storage
  keyId: string
  /** Names of the objects that wrap its master key, the newest first. */
  keyObjects: readonly string[]
}

interface Options {
  /** Asks for the keys of an encrypted store. */
  unlock: (locked: LockedStore, options?: StorageOptions) => Promise<RepositoryKeys>
  /** Whether the store was encrypted when this machine used it last: it is worth waiting for its keys. */
  isExpected?: () => boolean
  /** Called with each listing of a store that is not encrypted. May throw. */
  onPlain?: (listing: Listing) => void
  /** Called before each object that is put into a store that is not encrypted. May throw. */
  beforePlainPut?: () => void
  /** Called when a store was made an encrypted one. */
  onMade?: (keyId: string) => Promise<void>
  /** Called with each listing of an encrypted store, as it is above encryption. */
  onSealed?: (keyId: string, listing: Listing) => Promise<void>
  /** Called when an object of an encrypted store was removed. */
  onRemoved?: (keyId: string, name: string) => Promise<void>
}

/**
 * A store that may be encrypted. A listing tells: then it asks for the keys once, and seals from then on. A store that
 * was found encrypted stays so.
 */
export class EncryptableStorage extends ForwardingStorage {
  private readonly options: Options
  private state: 'unknown' | 'plain' | SealedStorage = 'unknown'
  private unlocking: Promise<SealedStorage> | undefined
  private keys: RepositoryKeys | undefined

  constructor(inner: Storage, options: Options) {
    super(inner)
    this.options = options
  }

  /** The keys, once they are known. */
  get repositoryKeys(): RepositoryKeys | undefined {
    return this.keys
  }

  override get chunkKeys(): Storage['chunkKeys'] {
    if (this.state instanceof SealedStorage) return this.state.chunkKeys
    return this.state === 'unknown' && this.options.isExpected?.() === true ? 'after-listing' : undefined
  }

  /** Another way to the same store, sealed like this one. */
  over(inner: Storage): Storage {
    return this.keys ? new SealedStorage(inner, this.keys) : inner
  }

  /** Makes a store that was listed, and holds no repository, an encrypted one. Stores the keys before anything else. */
  async encrypt(keys: RepositoryKeys, keyObjects: readonly { name: string; bytes: Uint8Array }[], options?: StorageOptions): Promise<void> {
    for (const { name, bytes } of keyObjects) await this.inner.put(name, bytes, options)
    await this.inner.put(encryptionFeatureName(keys.id), new TextEncoder().encode(ABOUT), options)
    this.keys = keys
    this.state = new SealedStorage(this.inner, keys)
    await this.options.onMade?.(keys.id)
  }

  /** What is stored as it is of the encryption. */
  async lockedStore(options?: StorageOptions): Promise<LockedStore | undefined> {
    return this.lockedIn(await this.inner.list(options))
  }

  private lockedIn({ objects }: Listing): LockedStore | undefined {
    const keyIds = objects.map(({ name }) => parseEncryptionFeature(name)).filter(id => id !== undefined)
    if (keyIds.length > 1)
      throw new AppError('conflict', `${this.location} was made an encrypted repository twice, with two master keys.`, {
        hint: 'Two machines did that at the same moment. Remove the folder, if nothing else is in it, and push again from one of them.',
      })
    const [keyId] = keyIds
    if (keyId === undefined) return this.state instanceof SealedStorage ? undefined : this.refuseUnmarked(objects)
    const keyObjects = objects.filter(({ name }) => parseKeyObjectName(name)?.keyId === keyId).sort((a, b) => b.created - a.created)
    return { inner: this.inner, keyId, keyObjects: keyObjects.map(({ name }) => name) }
  }

  /** An encrypted repository that is not marked as one: nothing must be stored there without encryption. */
  private refuseUnmarked(objects: Listing['objects']): undefined {
    const key = objects.map(({ name }) => parseKeyObjectName(name)).find(parts => parts !== undefined)
    if (key === undefined || !objects.some(({ name }) => isSealedName(name))) return
    throw new AppError('conflict', `The repository in ${this.location} was encrypted, and the object that says so is gone.`, {
      hint: `Bring ${encryptionFeatureName(key.keyId)} back from the trash, or from a copy of the store. A new object of this name does as well: its content does not count.`,
    })
  }

  override async list(options?: StorageOptions): Promise<Listing> {
    const listing = await this.inner.list(options)
    const locked = this.lockedIn(listing)
    if (locked === undefined && !(this.state instanceof SealedStorage)) {
      this.options.onPlain?.(listing)
      this.state = 'plain'
      return listing
    }
    const sealed = this.state instanceof SealedStorage ? this.state : await this.unlock(locked!, options)
    const plain = sealed.plainListing(listing)
    await this.options.onSealed?.(this.keys!.id, plain)
    return plain
  }

  private async unlock(locked: LockedStore, options?: StorageOptions): Promise<SealedStorage> {
    this.unlocking ??= this.options.unlock(locked, options).then(keys => {
      this.keys = keys
      return new SealedStorage(this.inner, keys)
    })
    try {
      return (this.state = await this.unlocking)
    } finally {
      this.unlocking = undefined
    }
  }

  /** Nothing is written before it is known whether it has to be sealed. */
  private async ready(options?: StorageOptions): Promise<Storage> {
    if (this.state === 'unknown') await this.list(options)
    return this.state instanceof SealedStorage ? this.state : this.inner
  }

  override async put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    const store = await this.ready(options)
    if (store === this.inner) this.options.beforePlainPut?.()
    return store.put(name, bytes, options)
  }

  override async get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    if (this.state !== 'unknown') return (await this.ready(options)).get(name, range, options)
    try {
      return await this.inner.get(name, range, options)
    } catch (error) {
      // an encrypted store has it under another name
      if (!isAppError(error, 'not-found')) throw error
      const store = await this.ready(options)
      if (store === this.inner) throw error
      return store.get(name, range, options)
    }
  }

  override async remove(name: string, options?: StorageOptions): Promise<void> {
    await (await this.ready(options)).remove(name, options)
    if (this.keys) await this.options.onRemoved?.(this.keys.id, name)
  }

  override keeper(name: string): string | undefined {
    return this.state instanceof SealedStorage ? this.state.keeper(name) : this.inner.keeper?.(name)
  }

  override async confirm(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<void> {
    const store = await this.ready(options)
    if (store === this.inner) await super.confirm(name, bytes, options)
    else await store.confirm!(name, bytes, options)
  }
}

const ABOUT = `This repository is encrypted. Its objects, and the names of its versions, can be read only with a password
or a recovery code of it. The objects whose names begin with key- hold the wrapped key: do not delete them.
`
