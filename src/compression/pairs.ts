import { corrupt } from '../util/errors.ts'

/** Bytes that a stream may have at most for two of them to fit into one. */
const MAX_SYMBOLS = 16

/** A stream of few different bytes: which they are, and their numbers, two in a byte. */
export interface PackedPairs {
  symbols: Uint8Array
  /** The first of a pair in the low half; of an odd length the last high half is 0. */
  pairs: Uint8Array
}

/**
 * Two bytes in one, where a stream has at most 16 different ones; else undefined. A Huffman code spends whole bits on each symbol, and one on the end of its
 * block: on pairs of digits that loses a hundredth, on single ones a twentieth.
 */
export function packPairs(plain: Uint8Array): PackedPairs | undefined {
  const numbers = new Int8Array(256).fill(-1)
  const symbols: number[] = []
  const pairs = new Uint8Array(Math.ceil(plain.length / 2))
  for (let i = 0; i < plain.length; i++) {
    const symbol = plain[i]!
    let number = numbers[symbol]!
    if (number < 0) {
      if (symbols.length === MAX_SYMBOLS) return undefined
      number = symbols.length
      numbers[symbol] = number
      symbols.push(symbol)
    }
    pairs[i >> 1]! |= number << (4 * (i & 1))
  }
  return { symbols: Uint8Array.from(symbols), pairs }
}

/** Throws `corrupt` where pairs name symbols that there are none of, or are not those of `plainLength` bytes. */
export function unpackPairs({ symbols, pairs }: PackedPairs, plainLength: number): Uint8Array {
  const count = symbols.length
  const fits = count >= 1 && count <= MAX_SYMBOLS && pairs.length === Math.ceil(plainLength / 2)
  if (!fits) throw corrupt('A block', `${pairs.length} pairs of ${count} symbols can't be ${plainLength} bytes`)
  const plain = new Uint8Array(2 * pairs.length)
  for (const [i, pair] of pairs.entries()) {
    const low = pair & 15
    const high = pair >> 4
    if (low >= count || high >= count) throw corrupt('A block', `pair ${pair} is of more than ${count} symbols`)
    plain[2 * i] = symbols[low]!
    plain[2 * i + 1] = symbols[high]!
  }
  if (plainLength % 2 === 1 && pairs.at(-1)! > 15) throw corrupt('A block', 'half a pair is left over')
  return plain.subarray(0, plainLength)
}
