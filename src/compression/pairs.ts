import { corrupt } from '../util/errors.ts'

/** Two symbols fit into one byte if a stream has at most this many different ones. Older programs wrote such pairs. */
const MAX_SYMBOLS = 16

/** A stream of few different bytes: its symbols, and the stream as symbol numbers, two per byte. */
export interface PackedPairs {
  symbols: Uint8Array
  /** The low half holds the first symbol of a pair. If the length is odd, the last high half is 0. */
  pairs: Uint8Array
}

/**
 * Throws `corrupt` if pairs refer to missing symbols, or do not decode to `plainLength` bytes. Time and memory: linear
 * in `plainLength`, which `pairs` must have.
 */
export function unpackPairs({ symbols, pairs }: PackedPairs, plainLength: number): Uint8Array {
  const count = symbols.length
  const fits = count >= 1 && count <= MAX_SYMBOLS && pairs.length === Math.ceil(plainLength / 2)
  if (!fits) throw corrupt('A block', `${pairs.length} pairs of ${count} symbols can't be ${plainLength} bytes`)
  const lows = Uint8Array.from({ length: 256 }, (_, pair) => symbols[pair & 15] ?? 0)
  const highs = Uint8Array.from({ length: 256 }, (_, pair) => symbols[pair >> 4] ?? 0)
  const impossible = Uint8Array.from({ length: 256 }, (_, pair) => ((pair & 15) >= count || pair >> 4 >= count ? 1 : 0))
  const plain = new Uint8Array(2 * pairs.length)
  let wrong = 0
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i]!
    plain[2 * i] = lows[pair]!
    plain[2 * i + 1] = highs[pair]!
    wrong |= impossible[pair]!
  }
  if (wrong) throw corrupt('A block', `its pairs are of more than ${count} symbols`)
  if (plainLength % 2 === 1 && pairs.at(-1)! > 15) throw corrupt('A block', 'half a pair is left over')
  return plain.subarray(0, plainLength)
}
