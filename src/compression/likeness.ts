import { gearTable } from '../kernels/fastcdc.ts'

/** The gear hash at a place is that of the last 32 bytes. */
const STRING_BYTES = 32
/** One place in so many is remembered. A repeat that is longer than both together has one of them. */
const STEP = 256
/** Of a stretch that may repeat these places, all places in some windows are looked up. */
const WINDOWS = 16
const WINDOW_BYTES = 16 * 1024
/** Twice as many slots as places in a long block. */
const TABLE_BITS = 17

/** Strings at regular places of a block, to tell whether other bytes repeat it. */
export class RegularStrings {
  /** The last hash that has this slot; 0: none. */
  private readonly hashes = new Uint32Array(1 << TABLE_BITS)

  /** Forgets everything, so that it can be used again. */
  clear(): void {
    this.hashes.fill(0)
  }

  /** Takes about 1 ms for 4 MiB. */
  add(bytes: Uint8Array): void {
    forEachRegular(bytes, hash => (this.hashes[slotOf(hash)] = hash))
  }

  /**
   * The share of `bytes` that repeats what was added, and that nothing before it in `bytes` (4 MiB at most) repeats: an
   * estimate for repeats of some hundred bytes. Takes about 2 ms, whatever the length.
   */
  repeatedIn(bytes: Uint8Array): number {
    const gear = gearTable()
    const windowBytes = Math.min(WINDOW_BYTES, bytes.length)
    const windows = Math.min(WINDOWS, Math.floor(bytes.length / windowBytes))
    const share = bytes.length / windows
    let isFilled = false
    let found = 0
    for (let i = 0; i < windows; i++) {
      const start = Math.floor(i * share + (share - windowBytes) / 2)
      let hash = 0
      for (let at = start; at < start + windowBytes; at++) {
        hash = ((hash << 1) + gear[bytes[at]!]!) | 0
        if (this.hashes[slotOf(hash)] !== hash >>> 0 || at < start + STRING_BYTES) continue
        if (!isFilled) fillOwn(bytes)
        isFilled = true
        const first = ownPlaces[ownSlot(hash >>> 0)]!
        if (first === 0 || first >= at) found++
      }
    }
    return Math.min(1, (found * STEP) / (windows * windowBytes))
  }
}

function forEachRegular(bytes: Uint8Array, take: (hash: number, at: number) => void): void {
  const gear = gearTable()
  for (let at = STEP - 1; at < bytes.length; at += STEP) {
    let hash = 0
    for (let i = at - STRING_BYTES + 1; i <= at; i++) hash = ((hash << 1) + gear[bytes[i]!]!) | 0
    take(hash >>> 0, at)
  }
}

const OWN_SLOTS = 1 << 15
/** The places of one stretch by their hashes, with linear probing. Used again: V8 would keep many of them for long. */
const ownHashes = new Uint32Array(OWN_SLOTS)
const ownPlaces = new Int32Array(OWN_SLOTS)

/** The slot where the hash is, or a free one. */
function ownSlot(hash: number): number {
  let slot = slotOf(hash) & (OWN_SLOTS - 1)
  while (ownPlaces[slot] !== 0 && ownHashes[slot] !== hash) slot = (slot + 1) & (OWN_SLOTS - 1)
  return slot
}

function fillOwn(bytes: Uint8Array): void {
  ownPlaces.fill(0)
  forEachRegular(bytes, (hash, at) => {
    const slot = ownSlot(hash)
    if (ownPlaces[slot] !== 0) return
    ownHashes[slot] = hash
    ownPlaces[slot] = at
  })
}

const slotOf = (hash: number): number => Math.imul(hash, 0x9e3779b1) >>> (32 - TABLE_BITS)
