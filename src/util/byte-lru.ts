/** A map whose values may take so many bytes together: beyond that it forgets those that were used longest ago. */
export class ByteLru<K, V> {
  private readonly capacity: number
  /** In the order of their last use. */
  private readonly entries = new Map<K, { value: V; bytes: number }>()
  private totalBytes = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** Bytes of all values in it. */
  get bytes(): number {
    return this.totalBytes
  }

  /** Undefined when the value was never set or is forgotten; else it now counts as used last. */
  get(key: K): V | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined) return undefined
    this.entries.delete(key)
    this.entries.set(key, entry)
    return entry.value
  }

  /** Sets a value of so many bytes. A value larger than the capacity is not kept, and all others are forgotten. */
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
