import { loadNumbers } from '../kernels/load-numbers.ts'
import { classCount, CLASSES, classTables, type NumberModel, type NumbersKernel, STATES_BYTES } from '../kernels/numbers.ts'
import { REGION_BYTES } from '../kernels/planes.ts'
import { ByteReader, ByteWriter } from '../util/bytes.ts'
import { type ChosenTables, chooseTables, mostTables, readTables, writeTables } from './frequencies.ts'

/** The size of coded numbers, in bytes. */
export interface NumbersSize {
  /** Of the numbers: it grows with the block. */
  numbers: number
  /** Of the tables. */
  tables: number
}

const SUBJECT = 'A block'
/** What a chunk takes besides its numbers, at most: two lengths, and what the states and the last bits waste. */
const CHUNK_BYTES = 2 * 4 + STATES_BYTES + 2

const NO_HEAD = new Uint8Array(0)

let shared: NumbersKernel | undefined

/** The kernel of this thread. */
export function sharedKernel(): NumbersKernel {
  return (shared ??= loadNumbers())
}

/**
 * Codes the numbers of 1 to 4 MiB, each chunk by itself, so that it needs only its own part of the base. Undefined if
 * that is not smaller. For a model of differences `base` is as long as `plain`; for others it holds the context of each
 * element, a byte, if there are contexts. All chunks but the last are whole elements. `head` comes before the tables.
 */
export function encodeNumbers(
  plain: Uint8Array,
  model: NumberModel,
  chunkLengths: readonly number[] = [plain.length],
  base?: Uint8Array,
  head: Uint8Array = NO_HEAD,
  kernel = sharedKernel(),
): Uint8Array | undefined {
  const tables = survey(plain, model, chunkLengths, base, kernel)
  const out = new ByteWriter(plain.length)
  out.put(head)
  if (tables) writeTables(out, tables)
  if (!tables || out.length + tables.bits / 8 + CHUNK_BYTES * chunkLengths.length + model.width > plain.length) return undefined
  kernel.setCodes(tables.all, tables.tableOf)
  let start = 0
  for (const length of chunkLengths) {
    const { words, bits } = kernel.encode(start, length)
    out.varint((words.length - STATES_BYTES) / 2)
    out.varint(bits.length)
    out.put(words)
    out.put(bits)
    start += length
  }
  out.put(plain.subarray(plain.length - (plain.length % model.width)))
  return out.view()
}

/** The size that `encodeNumbers` would give one chunk, without coding it. */
export function sizeOfNumbers(plain: Uint8Array, model: NumberModel, base?: Uint8Array, kernel = sharedKernel()): NumbersSize {
  const tables = survey(plain, model, [plain.length], base, kernel)
  const out = new ByteWriter()
  if (tables) writeTables(out, tables)
  return { numbers: tables ? tables.bits / 8 : 0, tables: out.length }
}

/** Counts the numbers and chooses their tables. The bits are those of the classes and the low bits. */
function survey(
  plain: Uint8Array,
  model: NumberModel,
  chunkLengths: readonly number[],
  base: Uint8Array | undefined,
  kernel: NumbersKernel,
): ChosenTables | undefined {
  assertChunks(chunkLengths, plain.length, model.width)
  kernel.begin(model)
  kernel.input.set(plain)
  if (base) kernel.base.set(base)
  kernel.count(0, plain.length)
  const tables = chooseTables(kernel.counts, 2 ** model.bits, mostTables(plain.length))
  if (!tables) return undefined
  const { bits } = classTables(model)
  for (let c = 0; c < CLASSES; c++) tables.bits += tables.totals[c]! * bits[c]!
  return tables
}

/**
 * Undoes `encodeNumbers` in the kernel's memory. The result is valid until the kernel's next use. Chunks that do not
 * end as they should come out as zeros: their bases may be lost. Throws `corrupt` if
 * `stored` has other tables or lengths than a writer makes. Time: linear in the plain length.
 */
export function decodeNumbers(
  stored: Uint8Array,
  model: NumberModel,
  chunkLengths: readonly number[],
  base?: Uint8Array,
  kernel = sharedKernel(),
): Uint8Array {
  const plainLength = chunkLengths.reduce((sum, length) => sum + length, 0)
  const reader = new ByteReader(stored, SUBJECT)
  if (stored.length > plainLength || plainLength > REGION_BYTES) reader.fail('its numbers are longer than its bytes')
  if (!areChunks(chunkLengths, plainLength, model.width)) reader.fail('a number is in two chunks')
  const { all, tableOf } = readTables(reader, 2 ** model.bits, classCount(model), mostTables(plainLength))
  kernel.begin(model)
  kernel.setSlots(all, tableOf)
  kernel.input.set(stored)
  if (base) kernel.base.set(base)
  let start = 0
  for (const length of chunkLengths) {
    const words = STATES_BYTES + 2 * reader.varint(plainLength)
    const bits = reader.varint(plainLength)
    const from = reader.position
    reader.take(words + bits)
    if (!kernel.decode(start, length, from, from + words, reader.position)) kernel.output.fill(0, start, start + length)
    start += length
  }
  const tail = reader.take(plainLength % model.width)
  kernel.output.set(tail, plainLength - tail.length)
  reader.finish()
  return kernel.output.subarray(0, plainLength)
}

function assertChunks(lengths: readonly number[], plainLength: number, width: number): void {
  if (plainLength > REGION_BYTES || !areChunks(lengths, plainLength, width))
    throw new RangeError(`chunks of ${lengths.length} lengths are no block`)
}

function areChunks(lengths: readonly number[], plainLength: number, width: number): boolean {
  return lengths.reduce((sum, length) => sum + length, 0) === plainLength && lengths.slice(0, -1).every(length => length % width === 0)
}
