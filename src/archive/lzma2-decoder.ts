/** Maximum bytes of the dictionary that a stream may ask for: that of `xz -9`. */
export const MAX_DICTIONARY_BYTES = 64 * 1024 * 1024
const FIRST_DICTIONARY_BYTES = 1024 * 1024

/** Bits of a probability, and how fast one follows what it sees. */
const [PROBABILITY_BITS, MOVE_BITS] = [11, 5]
const ONE = 1 << PROBABILITY_BITS
const TOP = 2 ** 24
const START_BYTES = 5
const STATES = 12
/** From this state on, the last symbol was no literal. */
const FIRST_MATCH_STATE = 7
const SHORTEST_MATCH = 2

/** Where each group of probabilities begins. Position states and length states have their maximum, 16 and 4. */
const MATCH = 0
const REP = MATCH + STATES * 16
const REP_FIRST = REP + STATES
const REP_SECOND = REP_FIRST + STATES
const REP_THIRD = REP_SECOND + STATES
const REP_LONG = REP_THIRD + STATES
const SLOT = REP_LONG + STATES * 16
const SPECIAL = SLOT + 4 * 64
const ALIGN = SPECIAL + 128
const MATCH_LENGTH = ALIGN + 16
/** In a group for lengths: two choices, low and middle lengths for each position state, high lengths. */
const [LENGTH_LOW, LENGTH_MIDDLE, LENGTH_HIGH] = [2, 2 + 16 * 8, 2 + 2 * 16 * 8]
const LENGTHS = LENGTH_HIGH + 256
const REP_LENGTH = MATCH_LENGTH + LENGTHS
const LITERAL = REP_LENGTH + LENGTHS
const LITERALS = 0x300

const wrong = (): Error => new Error('its compressed bytes are wrong')

/**
 * LZMA2 (the LZMA specification of the LZMA SDK, and for its chunks lzma2_decoder.c of XZ Utils), one chunk at a time:
 * a chunk has at most 64 KiB stored and 2 MiB plain. Malformed chunks throw a plain `Error`. Time: linear in the bytes
 * of the chunks. Memory: the dictionary, as far as it was filled.
 */
export class Lzma2Decoder {
  private readonly dictionaryBytes: number
  private dictionary: Buffer
  /** Where the next byte goes. */
  private position = 0
  /** Bytes that a distance may reach. */
  private full = 0

  private probabilities = new Uint16Array(LITERAL)
  private literalContextBits = 0
  private literalPositionMask = 0
  private positionMask = 0
  private needs: 'dictionary' | 'properties' | 'nothing' = 'dictionary'
  private state = 0
  private readonly distances = new Float64Array(4)
  /** Plain bytes since the last reset of the state or the dictionary, mod 2^32. */
  private processed = 0

  private input: Uint8Array = new Uint8Array(0)
  private at = 0
  private range = 0
  private code = 0

  /** `dictionaryBytes` at most `MAX_DICTIONARY_BYTES`. */
  constructor(dictionaryBytes: number) {
    this.dictionaryBytes = Math.max(dictionaryBytes, 4096)
    this.dictionary = Buffer.allocUnsafeSlow(Math.min(this.dictionaryBytes, FIRST_DICTIONARY_BYTES))
  }

  /** Bytes of a chunk's header by its first byte; 1 for the end. */
  static headerBytes(control: number): number {
    if (control === 0) return 1
    if (control < 0x80) return 3
    return control >= 0xc0 ? 6 : 5
  }

  /** How many bytes follow a header, and how many they become. */
  static sizesOf(header: Uint8Array): { stored: number; plain: number } {
    const control = header[0]!
    const first = header[1]! * 256 + header[2]! + 1
    if (control < 0x80) return { stored: first, plain: first }
    return { stored: header[3]! * 256 + header[4]! + 1, plain: (control & 0x1f) * 0x10000 + first }
  }

  /** Reads what a header says. It is not that of the end. */
  begin(header: Uint8Array): void {
    const control = header[0]!
    if (control > 2 && control < 0x80) throw wrong()
    if (control >= 0xe0 || control === 1) {
      this.full = 0
      this.processed = 0
      this.needs = 'properties'
    } else if (this.needs === 'dictionary') throw wrong()
    if (control < 0x80) return
    if (control >= 0xc0) this.takeProperties(header[5]!)
    else if (this.needs === 'properties') throw wrong()
    if (control >= 0xa0) this.resetState()
  }

  /** Plain pieces of a chunk that is stored as it is. */
  *copied(bytes: Uint8Array): Generator<Buffer> {
    for (let at = 0; at < bytes.length;) {
      const room = this.room(bytes.length - at)
      this.dictionary.set(bytes.subarray(at, at + room), this.position)
      this.processed = (this.processed + room) >>> 0
      yield this.taken(room)
      at += room
    }
  }

  /** Plain pieces of a chunk. If bytes of it are missing, those come that the others give, then an error. */
  *decoded(bytes: Uint8Array, plain: number): Generator<Buffer> {
    this.input = bytes
    if (bytes.length < START_BYTES || bytes[0] !== 0) throw wrong()
    this.range = 0xffffffff
    this.code = Buffer.from(bytes.buffer, bytes.byteOffset + 1, 4).readUInt32BE()
    this.at = START_BYTES
    let pending = 0
    for (let left = plain; left > 0;) {
      const room = this.room(left)
      const end = this.position + room
      const start = this.position
      try {
        pending = this.fill(end, pending, left)
      } catch (error) {
        const done = this.position - start
        this.position = start
        yield this.taken(done)
        throw error
      }
      this.position = start
      left -= room
      yield this.taken(room)
    }
    this.normalize()
    if (pending > 0 || this.at !== bytes.length || this.code !== 0) throw wrong()
  }

  private takeProperties(byte: number): void {
    if (byte >= 9 * 5 * 5) throw wrong()
    const literalContextBits = byte % 9
    const literalPositionBits = Math.floor(byte / 9) % 5
    if (literalContextBits + literalPositionBits > 4) throw wrong()
    this.literalContextBits = literalContextBits
    this.literalPositionMask = (1 << literalPositionBits) - 1
    this.positionMask = (1 << Math.floor(byte / 45)) - 1
    const count = LITERAL + LITERALS * 2 ** (literalContextBits + literalPositionBits)
    if (this.probabilities.length !== count) this.probabilities = new Uint16Array(count)
    this.needs = 'nothing'
  }

  private resetState(): void {
    this.probabilities.fill(ONE / 2)
    this.state = 0
    this.distances.fill(0)
  }

  /** How many of `wanted` bytes fit behind each other. */
  private room(wanted: number): number {
    if (this.position === this.dictionary.length) {
      if (this.position < this.dictionaryBytes) {
        const larger = Buffer.allocUnsafeSlow(Math.min(this.dictionaryBytes, 2 * this.position))
        this.dictionary.copy(larger)
        this.dictionary = larger
      } else this.position = 0
    }
    return Math.min(wanted, this.dictionary.length - this.position)
  }

  /** A copy of the next `count` bytes, which are now in the dictionary. */
  private taken(count: number): Buffer {
    const bytes = Buffer.from(this.dictionary.subarray(this.position, this.position + count))
    this.position += count
    this.full = Math.min(this.full + count, this.dictionaryBytes)
    return bytes
  }

  /**
   * Decodes up to the position `end`, beginning with `pending` bytes of a match. Gives how many bytes of a match are
   * left; a match ends within the `left` bytes of its chunk.
   */
  private fill(end: number, pending: number, left: number): number {
    const { distances, positionMask } = this
    const begin = this.position
    let { state } = this
    if (pending > 0) pending = this.copy(pending, end)
    while (this.position < end) {
      const processed = this.processed
      const positionState = processed & positionMask
      if (this.bit(MATCH + state * 16 + positionState) === 0) {
        this.literal(state)
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
        this.state = state
        continue
      }
      let length: number
      if (this.bit(REP + state) === 0) {
        distances.copyWithin(1, 0, 3)
        length = this.length(MATCH_LENGTH, positionState)
        distances[0] = this.distance(length)
        state = state < FIRST_MATCH_STATE ? 7 : 10
      } else {
        let isLong = true
        if (this.bit(REP_FIRST + state) === 0) isLong = this.bit(REP_LONG + state * 16 + positionState) === 1
        else {
          const which = this.bit(REP_SECOND + state) === 0 ? 1 : this.bit(REP_THIRD + state) === 0 ? 2 : 3
          const distance = distances[which]!
          distances.copyWithin(1, 0, which)
          distances[0] = distance
        }
        length = isLong ? this.length(REP_LENGTH, positionState) : 1
        if (isLong) state = state < FIRST_MATCH_STATE ? 8 : 11
        else state = state < FIRST_MATCH_STATE ? 9 : 11
      }
      this.state = state
      if (distances[0]! >= Math.min(this.full + this.position - begin, this.dictionaryBytes)) throw wrong()
      if (length > left - (this.position - begin)) throw wrong()
      pending = this.copy(length, end)
    }
    return pending
  }

  /** Copies a match up to `end`, and gives how many bytes of it are left. */
  private copy(length: number, end: number): number {
    const { dictionary } = this
    const count = Math.min(length, end - this.position)
    let to = this.position
    let from = to - this.distances[0]! - 1
    // what is before the beginning lies at the end of a dictionary that is full
    if (from < 0) from += dictionary.length
    for (let i = 0; i < count; i++) {
      dictionary[to++] = dictionary[from++]!
      if (from === dictionary.length) from = 0
    }
    this.position = to
    this.processed = (this.processed + count) >>> 0
    return length - count
  }

  private literal(state: number): void {
    const { dictionary, probabilities } = this
    const before = this.byteAt(0)
    const context = ((this.processed & this.literalPositionMask) << this.literalContextBits) + (before >> (8 - this.literalContextBits))
    const base = LITERAL + LITERALS * context
    let symbol = 1
    if (state >= FIRST_MATCH_STATE) {
      let match = this.byteAt(this.distances[0]!)
      do {
        const wanted = (match >> 7) & 1
        match = (match << 1) & 0xff
        const bit = this.bit(base + ((1 + wanted) << 8) + symbol)
        symbol = (symbol << 1) | bit
        if (wanted !== bit) break
      } while (symbol < 0x100)
    }
    let { range, code, at } = this
    const { input } = this
    while (symbol < 0x100) {
      if (range < TOP) {
        if (at === input.length) throw wrong()
        range = (range << 8) >>> 0
        code = ((code << 8) | input[at++]!) >>> 0
      }
      const i = base + symbol
      const probability = probabilities[i]!
      const bound = (range >>> PROBABILITY_BITS) * probability
      if (code < bound) {
        range = bound
        probabilities[i] = probability + ((ONE - probability) >> MOVE_BITS)
        symbol <<= 1
      } else {
        range -= bound
        code -= bound
        probabilities[i] = probability - (probability >> MOVE_BITS)
        symbol = (symbol << 1) | 1
      }
    }
    this.range = range
    this.code = code
    this.at = at
    dictionary[this.position++] = symbol
    this.processed = (this.processed + 1) >>> 0
  }

  /** The byte that is `distance` before the last one; 0 before the first. */
  private byteAt(distance: number): number {
    const at = this.position - distance - 1
    if (at >= 0) return this.processed === 0 && this.full === 0 ? 0 : this.dictionary[at]!
    return this.full === 0 ? 0 : this.dictionary[at + this.dictionary.length]!
  }

  private length(group: number, positionState: number): number {
    if (this.bit(group) === 0) return SHORTEST_MATCH + this.tree(group + LENGTH_LOW + positionState * 8, 3)
    if (this.bit(group + 1) === 0) return SHORTEST_MATCH + 8 + this.tree(group + LENGTH_MIDDLE + positionState * 8, 3)
    return SHORTEST_MATCH + 16 + this.tree(group + LENGTH_HIGH, 8)
  }

  private distance(length: number): number {
    const slot = this.tree(SLOT + Math.min(length - SHORTEST_MATCH, 3) * 64, 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const high = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return high + this.reversed(SPECIAL + high - slot, bits)
    return high + this.direct(bits - 4) * 16 + this.reversed(ALIGN, 4)
  }

  private tree(base: number, bits: number): number {
    let symbol = 1
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(base + symbol)
    return symbol - (1 << bits)
  }

  private reversed(base: number, bits: number): number {
    let [symbol, value] = [1, 0]
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(base + symbol)
      symbol = (symbol << 1) | bit
      value |= bit << i
    }
    return value
  }

  /** Bits without probabilities. */
  private direct(bits: number): number {
    let value = 0
    for (let i = 0; i < bits; i++) {
      this.normalize()
      this.range >>>= 1
      const bit = this.code >= this.range ? 1 : 0
      if (bit === 1) this.code -= this.range
      value = value * 2 + bit
    }
    return value
  }

  private bit(i: number): number {
    this.normalize()
    const probability = this.probabilities[i]!
    const bound = (this.range >>> PROBABILITY_BITS) * probability
    if (this.code < bound) {
      this.range = bound
      this.probabilities[i] = probability + ((ONE - probability) >> MOVE_BITS)
      return 0
    }
    this.range -= bound
    this.code -= bound
    this.probabilities[i] = probability - (probability >> MOVE_BITS)
    return 1
  }

  private normalize(): void {
    if (this.range >= TOP) return
    if (this.at === this.input.length) throw wrong()
    this.range = (this.range << 8) >>> 0
    this.code = ((this.code << 8) | this.input[this.at++]!) >>> 0
  }
}
