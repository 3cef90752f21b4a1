import { randomFillSync } from 'node:crypto'
import { HASH_BYTES } from '../../util/hash.ts'

const SLOTS_PER_ID = 1.5
/** Values of one byte. */
const BYTES = 256

/** SHA-256s never make a table look at so many slots for an id: these ids were chosen. */
const MANY_SLOTS = 500

/**
 * Numbers ids (32 bytes) in the order in which they are added. An id takes 32 bytes, 8 bytes of hash slots and no
 * object if the number of ids is known ahead, otherwise up to twice as much. An id may be added several times: its
 * entries are chained in their order, for which 4 bytes an id are taken when the first one comes twice.
 *
 * Time and memory: linear in the number of ids, whatever ids a stranger chose.
 */
export class IdTable {
  private ids: Uint8Array
  /** Open addressing with linear probing. A slot holds 1 more than the last entry of an id, or 0. */
  private slots: Uint32Array
  /** By slot: one byte of the hash, which mostly tells another id without a look at it. */
  private tags: Uint8Array
  /** By entry: the next one of the same id, and for the last one the first. Empty if no id has come twice. */
  private nexts = new Uint32Array(0)
  /**
   * The first four bytes of an id are its hash, until ids turn out to be chosen so that they meet. From then on, random
   * numbers for each byte at each place are XORed. For ids that were chosen without knowing these numbers, linear
   * probing then takes constant time on average.
   */
  private chance: Uint32Array | undefined
  size = 0

  constructor(expected = 0) {
    const capacity = Math.max(16, expected)
    this.ids = new Uint8Array(capacity * HASH_BYTES)
    this.slots = new Uint32Array(slotsFor(capacity))
    this.tags = new Uint8Array(this.slots.length)
  }

  /** Adds the id at `bytes[offset ..]` and returns its entry number. */
  add(bytes: Uint8Array, offset = 0): number {
    const entry = this.size
    const start = entry * HASH_BYTES
    if (start === this.ids.length) this.growIds()
    for (let i = 0; i < HASH_BYTES; i++) this.ids[start + i] = bytes[offset + i]!
    if (slotsFor(entry + 1) > this.slots.length) this.rehash(this.slots.length * 2)
    const slot = this.slotOf(this.ids, start)
    const last = this.slots[slot]! - 1
    if (last >= 0) this.chain(last, entry)
    else if (this.nexts.length > 0) this.nexts[entry] = entry
    this.slots[slot] = entry + 1
    this.tags[slot] = this.hashOf(this.ids, start)
    this.size++
    return entry
  }

  private growIds(): void {
    const ids = new Uint8Array(this.ids.length * 2)
    ids.set(this.ids)
    this.ids = ids
    if (this.nexts.length === 0) return
    const nexts = new Uint32Array(this.nexts.length * 2)
    nexts.set(this.nexts)
    this.nexts = nexts
  }

  /** Puts all entries into new slots. */
  private rehash(slots: number): void {
    this.slots = new Uint32Array(slots)
    this.tags = new Uint8Array(slots)
    for (let entry = 0; entry < this.size; entry++) {
      if (!this.isLast(entry)) continue
      const hash = this.hashOf(this.ids, entry * HASH_BYTES)
      let slot = this.firstSlot(hash)
      while (this.slots[slot] !== 0) slot = this.nextSlot(slot)
      this.slots[slot] = entry + 1
      this.tags[slot] = hash
    }
  }

  /** Puts `entry` behind `last`, the last entry of the same id so far. */
  private chain(last: number, entry: number): void {
    if (this.nexts.length === 0) {
      this.nexts = new Uint32Array(this.ids.length / HASH_BYTES)
      for (let i = 0; i < entry; i++) this.nexts[i] = i
    }
    this.nexts[entry] = this.nexts[last]!
    this.nexts[last] = entry
  }

  private isLast(entry: number): boolean {
    return this.nexts.length === 0 || this.nexts[entry]! <= entry
  }

  /** The slot of the id at `bytes[offset ..]`, or the empty slot where it belongs. */
  private slotOf(bytes: Uint8Array, offset: number): number {
    const hash = this.hashOf(bytes, offset)
    const tag = hash & 255
    let slot = this.firstSlot(hash)
    for (let looked = 0; looked < MANY_SLOTS || this.chance; looked++, slot = this.nextSlot(slot)) {
      const entry = this.slots[slot]! - 1
      if (entry < 0 || (this.tags[slot] === tag && this.equals(entry, bytes, offset))) return slot
    }
    this.chance = randomFillSync(new Uint32Array(HASH_BYTES * BYTES))
    this.rehash(this.slots.length)
    return this.slotOf(bytes, offset)
  }

  private hashOf(bytes: Uint8Array, offset: number): number {
    return this.chance ? chanceOf(this.chance, bytes, offset) : firstWord(bytes, offset)
  }

  /** Scales the hash from 2^32 to the number of slots, which need not be a power of two. */
  private firstSlot(hash: number): number {
    return Math.floor((hash / 2 ** 32) * this.slots.length)
  }

  private nextSlot(slot: number): number {
    return slot + 1 === this.slots.length ? 0 : slot + 1
  }

  private equals(entry: number, bytes: Uint8Array, offset: number): boolean {
    const start = entry * HASH_BYTES
    for (let i = 0; i < HASH_BYTES; i++) if (this.ids[start + i] !== bytes[offset + i]) return false
    return true
  }

  /** The first entry of this id, or -1. */
  find(bytes: Uint8Array, offset = 0): number {
    const last = this.slots[this.slotOf(bytes, offset)]! - 1
    return last < 0 || this.nexts.length === 0 ? last : this.nexts[last]!
  }

  /** The next entry of the same id after `entry`, or -1. */
  findNext(entry: number): number {
    return this.isLast(entry) ? -1 : this.nexts[entry]!
  }

  has(bytes: Uint8Array, offset = 0): boolean {
    return this.find(bytes, offset) >= 0
  }

  /** A view of the entry's id; valid until the next `add`. */
  id(entry: number): Uint8Array {
    return this.idsBetween(entry, entry + 1)
  }

  /** A view of the ids of the entries [first, end), in order; valid until the next `add`. */
  idsBetween(first: number, end: number): Uint8Array {
    return this.ids.subarray(first * HASH_BYTES, end * HASH_BYTES)
  }
}

function firstWord(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0
}

function chanceOf(chance: Uint32Array, bytes: Uint8Array, offset: number): number {
  let hash = 0
  for (let i = 0; i < HASH_BYTES; i++) hash ^= chance[i * BYTES + bytes[offset + i]!]!
  return hash >>> 0
}

const slotsFor = (ids: number): number => Math.ceil(ids * SLOTS_PER_ID)
