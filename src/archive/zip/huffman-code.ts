import { damagedEntry } from './entry-error.ts'
import type { LowBits } from './low-bits.ts'

const MAX_BITS = 15
/** Codes of up to so many bits are found in a table. */
const TABLE_BITS = 9

/** A canonical Huffman code (RFC 1951, 3.2.2). */
export class HuffmanCode {
  /** Symbols with codes of each length. */
  private readonly counts = new Uint16Array(MAX_BITS + 1)
  /** Ordered by code. */
  private readonly symbols: Uint16Array
  /** For each following bits: the symbol times 16, plus the length of its code; 0 if that is longer. */
  private readonly table = new Uint16Array(1 << TABLE_BITS)

  /** `lengths`: of each symbol's code, in bits, at most 15; 0 for symbols without a code. Throws `ZipEntryError`. */
  constructor(lengths: readonly number[]) {
    for (const length of lengths) this.counts[length]!++
    this.counts[0] = 0
    const [starts, codes] = [new Uint16Array(MAX_BITS + 2), new Uint16Array(MAX_BITS + 2)]
    let code = 0
    for (let length = 1; length <= MAX_BITS; length++) {
      starts[length + 1] = starts[length]! + this.counts[length]!
      codes[length] = code
      code += this.counts[length]!
      if (code > 1 << length) throw damagedEntry('its compressed bytes are wrong')
      code <<= 1
    }
    this.symbols = new Uint16Array(lengths.length)
    lengths.forEach((length, symbol) => {
      if (length === 0) return
      this.symbols[starts[length]!++] = symbol
      const own = codes[length]!++
      if (length > TABLE_BITS) return
      for (let bits = reversed(own, length); bits < 1 << TABLE_BITS; bits += 1 << length) this.table[bits] = (symbol << 4) | length
    })
  }

  decode(bits: LowBits): number {
    const found = this.table[bits.peek(TABLE_BITS)]!
    if (found === 0) return this.decodeLong(bits)
    bits.drop(found & 15)
    return found >> 4
  }

  private decodeLong(bits: LowBits): number {
    const ahead = bits.peek(MAX_BITS)
    let [code, first, index] = [0, 0, 0]
    for (let length = 1; length <= MAX_BITS; length++) {
      code |= (ahead >> (length - 1)) & 1
      const count = this.counts[length]!
      if (code - first < count) {
        bits.drop(length)
        return this.symbols[index + code - first]!
      }
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    throw damagedEntry('its compressed bytes are wrong')
  }
}

function reversed(code: number, length: number): number {
  let bits = 0
  for (let i = 0; i < length; i++) bits |= ((code >> i) & 1) << (length - 1 - i)
  return bits
}
