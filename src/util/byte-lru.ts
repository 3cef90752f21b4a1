/** A map with a limit on the total bytes of its values. It evicts the least recently used ones. */
export class ByteLru<K, V> {
  private readonly capacity: number
  /** Least recently used first. */
  private readonly entries = new Map<K, { value: V; bytes: number }>()
  private totalBytes = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** Total bytes of its values. */
  get bytes(): number {
    return this.totalBytes
  }

  /** Undefined if the value was never set or was evicted. Otherwise it becomes the most recently used one. */
  get(key: K): V | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined) return undefined
    this.entries.delete(key)
    this.entries.set(key, entry)
    return entry.value
  }

  /** Sets a value of this many bytes. A value larger than the capacity is not kept, and evicts all others. */
  set(key: K, value: V, bytes: number): void {
    this.delete(key)
    this.entries.set(key, { value, bytes })
    this.totalBytes += bytes
    for (const oldest of this.entries.keys()) {
      if (this.totalBytes <= this.capacity) return
      this.delete(oldest)
    }
  }

  delete(key: K): void {
    this.totalBytes -= this.entries.get(key)?.bytes ?? 0
    this.entries.delete(key)
  }
}
