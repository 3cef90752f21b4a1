import { ByteFeed } from './byte-feed.ts'
import { damagedEntry, ZipEntryError } from './entry-error.ts'
import { HighBits } from './high-bits.ts'

const MAGIC = 0x425a68 // BZh
const BLOCK_MAGIC = [0x314159, 0x265359]
const END_MAGIC = [0x177245, 0x385090]
const BLOCK_BYTES_PER_LEVEL = 100_000
/** More than the fields before the tables of a block need. */
const HEADER_BYTES = 64
/** Symbols that share a table, and more bytes than they, or a table of 258 lengths, need. */
const GROUP_SYMBOLS = 50
const GROUP_BYTES = 160
const TABLE_BYTES = 258 * 6
const MAX_CODE_BITS = 20
const RUN_A = 0
const RUN_B = 1
/** So many equal bytes are followed by the number of further ones. */
const RUN_BYTES = 4
const PIECE_BYTES = 256 * 1024

/** What was found out when a file was read. */
export interface Bzip2Ending {
  /** Streams that were read to their end. */
  frames: number
  /** Whether bytes follow the last one that are no stream, and no padding of zeros. */
  hasMore: boolean
}

/**
 * The plain bytes of a bzip2 stream, or of several in a row. The last bytes of a block come when its checksum was
 * verified. What follows the last stream is passed over. Throws `ZipEntryError`. Memory: that of a block, at most 4 MB.
 * Time: linear in the stored and the plain bytes. There is no official specification; "BZIP2: Format Specification" by
 * Joe Tsai describes it.
 */
export async function* bunzip2(
  stored: AsyncIterable<Uint8Array>,
  ending: Bzip2Ending = { frames: 0, hasMore: false },
): AsyncGenerator<Uint8Array> {
  const feed = new ByteFeed(stored)
  const bits = new HighBits(feed)
  const block = new Block()
  try {
    do {
      await feed.more(HEADER_BYTES)
      if (ending.frames > 0 && bits.peek(24) !== MAGIC) return await passOver(bits, feed, ending)
      if (bits.take(24) !== MAGIC) throw wrong()
      const level = bits.take(8) - 0x30
      if (level < 1 || level > 9) throw wrong()
      let all = 0
      for (;;) {
        const { isLast, sum } = await readHead(bits, feed)
        if (isLast && sum !== all) throw damagedEntry('its checksum is wrong')
        if (isLast) break
        await readBlock(bits, feed, block, level * BLOCK_BYTES_PER_LEVEL)
        yield* verified(block.plain(), sum)
        all = ((all << 1) | (all >>> 31)) ^ sum
      }
      ending.frames++
      bits.align()
      await feed.more(HEADER_BYTES)
    } while (feed.left + bits.buffered > 0)
  } finally {
    await feed.close()
  }
}

async function passOver(bits: HighBits, feed: ByteFeed, ending: Bzip2Ending): Promise<void> {
  ending.hasMore = bits.peek(24) !== 0
  for (; feed.left > 0; await feed.more(1)) {
    ending.hasMore ||= feed.bytes.subarray(feed.at).some(byte => byte !== 0)
    feed.at = feed.bytes.length
  }
}

/** What comes before a block and at the end of a stream: a checksum of the block, or of those of all blocks. */
async function readHead(bits: HighBits, feed: ByteFeed): Promise<{ isLast: boolean; sum: number }> {
  await feed.more(HEADER_BYTES)
  const [first, second] = [bits.take(24), bits.take(24)]
  const sum = (bits.take(16) << 16) | bits.take(16)
  if (first === BLOCK_MAGIC[0] && second === BLOCK_MAGIC[1]) return { isLast: false, sum }
  if (first === END_MAGIC[0] && second === END_MAGIC[1]) return { isLast: true, sum }
  throw wrong()
}

function* verified(pieces: Iterable<Uint8Array>, sum: number): Generator<Uint8Array> {
  let found = -1
  let held: Uint8Array | undefined
  for (const piece of pieces) {
    if (held !== undefined) yield held
    held = piece
    for (const byte of piece) found = (found << 8) ^ SUMS[(found >>> 24) ^ byte]!
  }
  if (~found !== sum) throw damagedEntry('its checksum is wrong')
  if (held !== undefined) yield held
}

/** CRC-32 with the highest bit first. */
const SUMS = Int32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24
  for (let bit = 0; bit < 8; bit++) sum = (sum << 1) ^ (sum < 0 ? 0x04c11db7 : 0)
  return sum
})

async function readBlock(bits: HighBits, feed: ByteFeed, block: Block, capacity: number): Promise<void> {
  if (bits.take(1) === 1) throw new ZipEntryError('it was made by bzip2 0.9.0 or earlier: bzip2 reads such files', false)
  const first = bits.take(24)
  const bytes = readBytes(bits)
  const tables = bits.take(3)
  const selectors = await readSelectors(bits, feed, tables)
  const codes: BlockCode[] = []
  for (let i = 0; i < tables; i++) {
    await feed.more(TABLE_BYTES)
    codes.push(new BlockCode(readLengths(bits, bytes.length + 2)))
  }
  block.begin(capacity)
  const end = bytes.length + 1
  let [run, weight] = [0, 1]
  for (const selector of selectors) {
    if (feed.left < GROUP_BYTES) await feed.more(GROUP_BYTES)
    const code = codes[selector]!
    for (let i = 0; i < GROUP_SYMBOLS; i++) {
      const symbol = code.decode(bits)
      if (symbol <= RUN_B) {
        // a run is a number with the digits 1 and 2, the lowest first
        run += weight * (symbol === RUN_A ? 1 : 2)
        weight *= 2
        if (run > capacity) throw wrong()
        continue
      }
      if (run > 0) block.put(bytes[0]!, run)
      run = 0
      weight = 1
      if (symbol === end) return block.finish(first)
      block.put(toFront(bytes, symbol - 1), 1)
    }
  }
  throw wrong()
}

/** The bytes that occur in a block. */
function readBytes(bits: HighBits): Uint8Array {
  const rows = bits.take(16)
  const bytes: number[] = []
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue
    const columns = bits.take(16)
    for (let column = 0; column < 16; column++) if ((columns & (0x8000 >> column)) !== 0) bytes.push(row * 16 + column)
  }
  return bytes.length > 0 ? Uint8Array.from(bytes) : fail()
}

/** Which table each group of symbols uses. */
async function readSelectors(bits: HighBits, feed: ByteFeed, tables: number): Promise<Uint8Array> {
  if (tables < 2 || tables > 6) throw wrong()
  const order = Uint8Array.of(0, 1, 2, 3, 4, 5).subarray(0, tables)
  const selectors = new Uint8Array(bits.take(15))
  for (let i = 0; i < selectors.length; i++) {
    if (feed.left < HEADER_BYTES) await feed.more(HEADER_BYTES)
    let place = 0
    while (bits.take(1) === 1) if (++place >= tables) throw wrong()
    selectors[i] = toFront(order, place)
  }
  return selectors
}

function toFront(items: Uint8Array, at: number): number {
  const item = items[at] ?? fail()
  items.copyWithin(1, 0, at)
  items[0] = item
  return item
}

function readLengths(bits: HighBits, symbols: number): number[] {
  let length = bits.take(5)
  return Array.from({ length: symbols }, () => {
    while (bits.take(1) === 1) {
      length += bits.take(1) === 0 ? 1 : -1
      if (length < 1 || length > MAX_CODE_BITS) throw wrong()
    }
    return length >= 1 && length <= MAX_CODE_BITS ? length : fail()
  })
}

/** A canonical code whose bits are read from the highest down. */
class BlockCode {
  private readonly symbols: number[] = []
  /** The first code after those of each length, and what is added to a code of that length for its symbol's place. */
  private readonly ends = new Int32Array(MAX_CODE_BITS + 1)
  private readonly places = new Int32Array(MAX_CODE_BITS + 1)

  constructor(lengths: readonly number[]) {
    let code = 0
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      code <<= 1
      const place = this.symbols.length - code
      for (const [symbol, each] of lengths.entries()) if (each === length) this.symbols.push(symbol)
      code = this.symbols.length - place
      this.places[length] = place
      this.ends[length] = code
      if (code > 1 << length) throw wrong()
    }
  }

  decode(bits: HighBits): number {
    const ahead = bits.peek(MAX_CODE_BITS)
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      const code = ahead >> (MAX_CODE_BITS - length)
      if (code >= this.ends[length]!) continue
      bits.drop(length)
      return this.symbols[code + this.places[length]!]!
    }
    throw wrong()
  }
}

/** The bytes of a block: sorted by what follows them, until `plain` puts them into order. */
class Block {
  /** The low 8 bits are a byte; the others become the place of the byte after it. */
  private cells = new Uint32Array(1024)
  private capacity = 0
  private count = 0
  private first = 0

  begin(capacity: number): void {
    this.capacity = capacity
    this.count = 0
  }

  put(byte: number, times: number): void {
    const end = this.count + times
    if (end > this.capacity) throw wrong()
    if (end > this.cells.length) {
      const larger = new Uint32Array(Math.min(this.capacity, Math.max(end, 2 * this.cells.length)))
      larger.set(this.cells.subarray(0, this.count))
      this.cells = larger
    }
    this.cells.fill(byte, this.count, end)
    this.count = end
  }

  /** Links each byte to the one after it: the inverse of the Burrows-Wheeler transform. */
  finish(first: number): void {
    const { cells, count } = this
    if (first >= count) throw wrong()
    const starts = new Uint32Array(257)
    for (let i = 0; i < count; i++) starts[cells[i]! + 1]!++
    for (let i = 0; i < 256; i++) starts[i + 1]! += starts[i]!
    for (let i = 0; i < count; i++) {
      const at = starts[cells[i]! & 0xff]!++
      cells[at] = (cells[at]! | (i << 8)) >>> 0
    }
    this.first = cells[first]! >>> 8
  }

  /** The content, with its runs of equal bytes. */
  *plain(): Generator<Uint8Array> {
    const { cells, count } = this
    let piece = new Uint8Array(PIECE_BYTES)
    let [length, cell, last, same] = [0, this.first, -1, 0]
    for (let i = 0; i < count; i++) {
      const found = cells[cell]!
      const byte = found & 0xff
      cell = found >>> 8
      if (length + 256 > PIECE_BYTES) {
        yield piece.subarray(0, length)
        piece = new Uint8Array(PIECE_BYTES)
        length = 0
      }
      if (same === RUN_BYTES) {
        piece.fill(last, length, length + byte)
        length += byte
        same = 0
        last = -1
        continue
      }
      piece[length++] = byte
      same = byte === last ? same + 1 : 1
      last = byte
    }
    yield piece.subarray(0, length)
  }
}

function wrong(): Error {
  return damagedEntry('its compressed bytes are wrong')
}

function fail(): never {
  throw wrong()
}
