import { conflict, notFound } from '../../../src/storage/errors.ts'
import { checkEntryName, checkName, checkSize, resolveRange } from '../../../src/storage/object-checks.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from '../../../src/storage/storage.ts'
import { equalBytes } from '../../../src/util/bytes.ts'
import { throwIfAborted } from '../../../src/util/errors.ts'

/**
 * Objects in this process's memory: the simplest store that keeps every promise. Bytes are copied on their way in and
 * out.
 */
export class MemoryStorage implements Storage {
  readonly location: string
  private readonly now: () => number
  private readonly objects = new Map<string, { bytes: Uint8Array; created: number }>()

  constructor(options: { now?: () => number; location?: string } = {}) {
    this.now = options.now ?? Date.now
    this.location = options.location ?? 'memory'
  }

  async put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    throwIfAborted(options.signal)
    checkName(name)
    checkSize(name, bytes)
    const present = this.objects.get(name)
    if (present === undefined) {
      const created = Math.floor(this.now())
      // not `slice`, which for a Buffer is a view
      this.objects.set(name, { bytes: new Uint8Array(bytes), created })
      return { created }
    }
    if (!equalBytes(present.bytes, bytes)) throw conflict(name, this.location)
    return { created: present.created }
  }

  /** Puts an object as another program would: under any name, over another object, created at any time. */
  plant(name: string, bytes: Uint8Array, created = Math.floor(this.now())): void {
    this.objects.set(name, { bytes: new Uint8Array(bytes), created })
  }

  /** All objects, for a comparison or a copy. */
  all(): [name: string, bytes: Uint8Array, created: number][] {
    return [...this.objects].map(([name, { bytes, created }]) => [name, new Uint8Array(bytes), created])
  }

  async get(name: string, range?: ByteRange, options: StorageOptions = {}): Promise<Uint8Array> {
    throwIfAborted(options.signal)
    checkEntryName(name)
    const present = this.objects.get(name)
    if (present === undefined) throw notFound(name, this.location)
    const { start, end } = resolveRange(name, present.bytes.length, range)
    return present.bytes.slice(start, end)
  }

  async list(options: StorageOptions = {}): Promise<Listing> {
    throwIfAborted(options.signal)
    const asOf = Math.floor(this.now())
    return { asOf, objects: [...this.objects].map(([name, { bytes, created }]) => ({ name, size: bytes.length, created })) }
  }

  async remove(name: string, options: StorageOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    checkEntryName(name)
    this.objects.delete(name)
  }

  async quota(options: StorageOptions = {}): Promise<Quota> {
    throwIfAborted(options.signal)
    let used = 0
    for (const { bytes } of this.objects.values()) used += bytes.length
    return { used, limit: undefined }
  }
}
