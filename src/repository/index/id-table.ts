import { HASH_BYTES } from '../../util/hash.ts'

const WORDS = HASH_BYTES / 4
const SLOTS_PER_ID = 1.5

/**
 * Numbers ids (32 bytes) in the order in which they are added. An id takes 32 bytes and 6 of hash slots if their number
 * is known ahead, else up to twice that, and no object. Open addressing with linear probing; ids are hashes, so the
 * first word is the hash. An id may be added several times. Its entries are then found one after the other.
 */
export class IdTable {
  private words: Uint32Array
  private slots: Uint32Array
  size = 0

  constructor(expected = 0) {
    this.words = new Uint32Array(Math.max(16, expected) * WORDS)
    this.slots = new Uint32Array(slotsFor(Math.max(16, expected)))
  }

  /** Adds the id at `bytes[offset ..]` and returns its entry number. */
  add(bytes: Uint8Array, offset = 0): number {
    const entry = this.size++
    if (this.size * WORDS > this.words.length) {
      const grown = new Uint32Array(this.words.length * 2)
      grown.set(this.words)
      this.words = grown
    }
    new Uint8Array(this.words.buffer, entry * HASH_BYTES, HASH_BYTES).set(bytes.subarray(offset, offset + HASH_BYTES))
    if (slotsFor(this.size) > this.slots.length) this.rehash(this.slots.length * 2)
    else this.place(entry)
    return entry
  }

  private place(entry: number): void {
    let slot = this.firstSlot(this.words[entry * WORDS]!)
    while (this.slots[slot] !== 0) slot = this.nextSlot(slot)
    this.slots[slot] = entry + 1
  }

  /** Scales the word from 2^32 to the number of slots, which need not be a power of two. */
  private firstSlot(word: number): number {
    return Math.floor((word / 2 ** 32) * this.slots.length)
  }

  private nextSlot(slot: number): number {
    return slot + 1 === this.slots.length ? 0 : slot + 1
  }

  private rehash(length: number): void {
    this.slots = new Uint32Array(length)
    for (let entry = 0; entry < this.size; entry++) this.place(entry)
  }

  /** The first entry of this id, or -1. */
  find(bytes: Uint8Array, offset = 0): number {
    return this.search(bytes, offset, -1)
  }

  /** The next entry of the same id after `entry`, or -1. */
  findNext(entry: number): number {
    return this.search(this.id(entry), 0, entry)
  }

  has(bytes: Uint8Array, offset = 0): boolean {
    return this.find(bytes, offset) >= 0
  }

  private search(bytes: Uint8Array, offset: number, after: number): number {
    const first = (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0
    let passed = after < 0
    for (let slot = this.firstSlot(first); this.slots[slot] !== 0; slot = this.nextSlot(slot)) {
      const entry = this.slots[slot]! - 1
      if (this.words[entry * WORDS] !== first || !this.equals(entry, bytes, offset)) continue
      if (passed) return entry
      if (entry === after) passed = true
    }
    return -1
  }

  private equals(entry: number, bytes: Uint8Array, offset: number): boolean {
    const start = entry * HASH_BYTES
    const own = this.bytesView()
    for (let i = 4; i < HASH_BYTES; i++) if (own[start + i] !== bytes[offset + i]) return false
    return true
  }

  private view: Uint8Array | undefined
  private bytesView(): Uint8Array {
    if (this.view?.buffer !== this.words.buffer) this.view = new Uint8Array(this.words.buffer)
    return this.view
  }

  /** A view of the entry's id; valid until the next `add`. */
  id(entry: number): Uint8Array {
    return this.idsBetween(entry, entry + 1)
  }

  /** A view of the ids of the entries [first, end), in order; valid until the next `add`. */
  idsBetween(first: number, end: number): Uint8Array {
    return this.bytesView().subarray(first * HASH_BYTES, end * HASH_BYTES)
  }
}

const slotsFor = (ids: number): number => Math.ceil(ids * SLOTS_PER_ID)
