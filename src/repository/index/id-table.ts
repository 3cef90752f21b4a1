import { HASH_BYTES } from '../../util/hash.ts'

const WORDS = HASH_BYTES / 4
const SLOTS_PER_ID = 1.5
/** Up to this many entries of an id are searched for again rather than remembered. */
const MANY_ENTRIES = 8

/**
 * Numbers ids (32 bytes) in the order in which they are added. An id takes 32 bytes, 6 bytes of hash slots and no
 * object if the number of ids is known ahead, otherwise up to twice as much. Open addressing with linear probing; ids
 * are hashes, so the first word is the hash. An id may be added several times. Its entries are then found one after the
 * other.
 */
export class IdTable {
  private words: Uint32Array
  private slots: Uint32Array
  /** By entry number: the next entry of the same id, or -1. Only ids that were added many times are in it. */
  private readonly nexts = new Map<number, number>()
  size = 0

  constructor(expected = 0) {
    this.words = new Uint32Array(Math.max(16, expected) * WORDS)
    this.slots = new Uint32Array(slotsFor(Math.max(16, expected)))
  }

  /** Adds the id at `bytes[offset ..]` and returns its entry number. */
  add(bytes: Uint8Array, offset = 0): number {
    const entry = this.size++
    if (this.nexts.size > 0) this.nexts.clear()
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
    const first = firstWord(bytes, offset)
    for (let slot = this.firstSlot(first); this.slots[slot] !== 0; slot = this.nextSlot(slot)) {
      const entry = this.slots[slot]! - 1
      if (this.words[entry * WORDS] === first && this.equals(entry, bytes, offset)) return entry
    }
    return -1
  }

  /**
   * The next entry of the same id after `entry`, or -1. Searches for many entries of an id once, until the table grows.
   */
  findNext(entry: number): number {
    const known = this.nexts.get(entry)
    if (known !== undefined) return known
    const same = this.findAll(this.id(entry))
    if (same.length > MANY_ENTRIES) same.forEach((one, i) => this.nexts.set(one, same[i + 1] ?? -1))
    return same[same.indexOf(entry) + 1] ?? -1
  }

  has(bytes: Uint8Array, offset = 0): boolean {
    return this.find(bytes, offset) >= 0
  }

  private findAll(id: Uint8Array): number[] {
    const first = firstWord(id, 0)
    const same: number[] = []
    for (let slot = this.firstSlot(first); this.slots[slot] !== 0; slot = this.nextSlot(slot)) {
      const entry = this.slots[slot]! - 1
      if (this.words[entry * WORDS] === first && this.equals(entry, id, 0)) same.push(entry)
    }
    return same
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

function firstWord(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0
}

const slotsFor = (ids: number): number => Math.ceil(ids * SLOTS_PER_ID)
