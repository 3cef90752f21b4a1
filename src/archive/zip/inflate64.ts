import { ByteFeed } from './byte-feed.ts'
import { damagedEntry } from './entry-error.ts'
import { HuffmanCode } from './huffman-code.ts'
import { LowBits } from './low-bits.ts'

const WINDOW_BYTES = 64 * 1024
const MAX_MATCH_BYTES = 3 + 0xffff
const BUFFER_BYTES = 8 * WINDOW_BYTES
/** More than the codes of a block need, and than one symbol with its distance needs. */
const HEADER_BYTES = 640
const SYMBOL_BYTES = 16

const END_OF_BLOCK = 256
/** The order in which a block states the lengths of the codes for its lengths (RFC 1951, 3.2.7). */
const LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
/** Of symbols 257 to 285: as in RFC 1951, but the last one has 16 bits of its own instead of the one length of 258. */
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 16]
const LENGTH_BASES = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 3]
const DISTANCE_BITS = Array.from({ length: 32 }, (_, i) => Math.max(0, (i >> 1) - 1))
const DISTANCE_BASES = DISTANCE_BITS.map((bits, i) => (i < 2 ? 1 + i : 1 + ((2 + (i & 1)) << bits)))

/**
 * The plain bytes of a Deflate64 stream: RFC 1951 with a window of 64 KiB and two more distances. What follows its end
 * is not read. Throws `ZipEntryError`. Memory: constant. Time: linear
 * in the stored and the plain bytes.
 */
export async function* inflate64(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const feed = new ByteFeed(stored)
  const bits = new LowBits(feed)
  const window = new Window()
  try {
    for (let isLast = false; !isLast;) {
      await feed.more(HEADER_BYTES)
      isLast = bits.take(1) === 1
      const type = bits.take(2)
      if (type === 0) yield* copyStored(bits, feed, window)
      else {
        const codes = type === 1 ? fixedCodes() : type === 2 ? readCodes(bits) : undefined
        if (codes === undefined) throw wrong()
        for (let ended = false; !ended;) {
          if (window.isFull) yield window.take()
          if (feed.left < SYMBOL_BYTES) await feed.more(SYMBOL_BYTES)
          ended = decodeSome(bits, feed, window, codes)
        }
      }
    }
    yield window.take()
  } finally {
    await feed.close()
  }
}

interface Codes {
  literals: HuffmanCode
  distances: HuffmanCode
}

/** Decodes at least one symbol, and as many as there is input and room for. True at the end of the block. */
function decodeSome(bits: LowBits, feed: ByteFeed, window: Window, { literals, distances }: Codes): boolean {
  do {
    const symbol = literals.decode(bits)
    if (symbol < END_OF_BLOCK) window.put(symbol)
    else if (symbol === END_OF_BLOCK) return true
    else {
      const at = symbol - END_OF_BLOCK - 1
      if (at >= LENGTH_BASES.length) throw wrong()
      const length = LENGTH_BASES[at]! + bits.take(LENGTH_BITS[at]!)
      const far = distances.decode(bits)
      window.copy(DISTANCE_BASES[far]! + bits.take(DISTANCE_BITS[far]!), length)
    }
  } while (feed.left >= SYMBOL_BYTES && !window.isFull)
  return false
}

async function* copyStored(bits: LowBits, feed: ByteFeed, window: Window): AsyncGenerator<Uint8Array> {
  bits.align()
  const length = bits.take(16)
  if ((bits.take(16) ^ length) !== 0xffff) throw wrong()
  for (let left = length; left > 0; left--) {
    if (window.isFull) yield window.take()
    if (feed.left === 0) await feed.more(1)
    window.put(bits.take(8))
  }
}

let fixed: Codes | undefined

function fixedCodes(): Codes {
  const lengths = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))
  return (fixed ??= { literals: new HuffmanCode(lengths), distances: new HuffmanCode(new Array<number>(32).fill(5)) })
}

function readCodes(bits: LowBits): Codes {
  const [literals, distances, stated] = [257 + bits.take(5), 1 + bits.take(5), 4 + bits.take(4)]
  const ofLengths = new Array<number>(19).fill(0)
  for (const at of LENGTHS_ORDER.slice(0, stated)) ofLengths[at] = bits.take(3)
  const code = new HuffmanCode(ofLengths)
  const lengths: number[] = []
  while (lengths.length < literals + distances) {
    const symbol = code.decode(bits)
    if (symbol < 16) lengths.push(symbol)
    else {
      const repeated = symbol === 16 ? lengths.at(-1) : 0
      if (repeated === undefined) throw wrong()
      const times = symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7)
      for (let i = 0; i < times; i++) lengths.push(repeated)
    }
  }
  if (lengths.length > literals + distances) throw wrong()
  return { literals: new HuffmanCode(lengths.slice(0, literals)), distances: new HuffmanCode(lengths.slice(literals)) }
}

/** The last plain bytes, which matches refer to, and those that nobody has taken yet. */
class Window {
  private readonly bytes = new Uint8Array(BUFFER_BYTES)
  private end = 0
  private taken = 0

  /** Without room for the longest match. */
  get isFull(): boolean {
    return this.end + MAX_MATCH_BYTES > BUFFER_BYTES
  }

  put(byte: number): void {
    this.bytes[this.end++] = byte
  }

  copy(distance: number, length: number): void {
    const { bytes, end } = this
    if (distance > end) throw wrong()
    if (distance >= length) bytes.copyWithin(end, end - distance, end - distance + length)
    else for (let i = end; i < end + length; i++) bytes[i] = bytes[i - distance]!
    this.end += length
  }

  /** What was not taken yet. */
  take(): Uint8Array {
    const piece = this.bytes.slice(this.taken, this.end)
    const kept = Math.min(this.end, WINDOW_BYTES)
    this.bytes.copyWithin(0, this.end - kept, this.end)
    this.end = this.taken = kept
    return piece
  }
}

function wrong(): Error {
  return damagedEntry('its compressed bytes are wrong')
}
