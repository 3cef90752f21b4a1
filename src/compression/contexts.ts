import { CLASSES, STATES_BYTES } from '../kernels/numbers.ts'
import { REGION_BYTES } from '../kernels/planes.ts'
import { ByteReader, ByteWriter } from '../util/bytes.ts'
import { chooseTables, mostTables, readTables, writeTables } from './frequencies.ts'
import { sharedKernel } from './numbers.ts'

const SUBJECT = 'A block'
/** A reader makes 4,096 slots for each table: a writer takes fewer tables than a reader accepts. */
const MAX_TABLES = 16
const TABLE_SPACING = 2048
/** Choosing tables takes time: so rare contexts share one with their neighbours from the beginning. */
const MAX_GROUPS = 256
/** What is stored besides tables and codes, at most: the number of words, the states, and what the last words waste. */
const OTHER_BYTES = 3 + STATES_BYTES + 8

/** Bytes coded in contexts. */
export interface CodedBytes {
  bytes: Uint8Array
  /** How many of these do not grow with the plain bytes: the tables. */
  fixed: number
}

/**
 * Codes up to 4 MiB, each byte in the context of the byte before it, with tables that neighbouring contexts share.
 * Bytes lie in four lanes, as the kernel wants them. A sample, which is a `share` of a plane, has as many tables as the
 * plane.
 * Undefined if the result is not smaller. Time: linear, 5 to 10 ns a byte, and some 50 µs for the tables.
 */
export function encodeContexts(plain: Uint8Array, share = 1, kernel = sharedKernel()): CodedBytes | undefined {
  if (plain.length > REGION_BYTES) return undefined
  kernel.input.set(plain)
  const classes = kernel.countBytes(plain.length) + 1
  const most = Math.min(MAX_TABLES, Math.ceil(plain.length / share / TABLE_SPACING))
  const tables = chooseTables(kernel.counts, classes, most, Math.ceil(plain.length / MAX_GROUPS))
  if (!tables) return undefined
  const out = new ByteWriter(plain.length)
  tables.tableOf = allContexts(tables.tableOf)
  writeTables(out, tables)
  const fixed = out.length
  if (fixed + tables.bits / 8 + OTHER_BYTES > plain.length) return undefined
  kernel.setCodes(tables.all, tables.tableOf)
  const words = kernel.encodeBytes(plain.length)
  out.varint((words.length - STATES_BYTES) / 2)
  out.put(words)
  out.put(plain.subarray(plain.length & ~3))
  return { bytes: out.finish(), fixed }
}

/** Contexts that do not occur share the last table. */
function allContexts(tableOf: Uint8Array): Uint8Array {
  const all = new Uint8Array(CLASSES).fill(tableOf.at(-1)!)
  all.set(tableOf)
  return all
}

/**
 * Undoes `encodeContexts`. Throws `corrupt` if the tables, the lengths or the ends of the states are none that a writer
 * makes. Time and memory: linear in `plainLength`, which is at most 4 MiB.
 */
export function decodeContexts(stored: Uint8Array, plainLength: number, kernel = sharedKernel()): Uint8Array {
  const reader = new ByteReader(stored, SUBJECT)
  if (stored.length > plainLength || plainLength > REGION_BYTES) reader.fail('its codes are longer than its bytes')
  const { all, tableOf } = readTables(reader, CLASSES, CLASSES, mostTables(plainLength))
  const words = STATES_BYTES + 2 * reader.varint(plainLength)
  const from = reader.position
  reader.take(words)
  const end = reader.position
  const tail = reader.take(plainLength & 3)
  reader.finish()
  kernel.setSlots(all, tableOf)
  kernel.input.set(stored)
  if (!kernel.decodeBytes(plainLength, from, end)) reader.fail('its codes do not end where they should')
  const plain = kernel.output.slice(0, plainLength)
  plain.set(tail, plainLength - tail.length)
  return plain
}
