import { CLASSES, type Frequencies, MAX_TABLES, TOTAL } from '../kernels/numbers.ts'
import type { ByteReader, ByteWriter } from '../util/bytes.ts'

/** The tables of a block: one for each run of neighbouring contexts. */
export interface Tables {
  all: Frequencies[]
  /** The number of the table of each context. */
  tableOf: Uint8Array
}

/** Tables for counted numbers. */
export interface ChosenTables extends Tables {
  /** How many bits the classes take with them. */
  bits: number
  /** How many numbers of each class there are. */
  totals: Uint32Array
}

/** Some contexts with one table. */
interface Group {
  /** Of each class that occurs in any context. */
  counts: Uint32Array
  contexts: number
  cost: number
}

/** n log2 n, for numbers that are frequent. */
const WEIGHTED = Float64Array.from({ length: 4096 }, (_, n) => (n === 0 ? 0 : n * Math.log2(n)))
/** About what a class adds to a stored table, in bits. */
const CLASS_BITS = 11

/** A table takes time to read, so a block may have one for each 1,024 of its bytes. */
export function mostTables(plainLength: number): number {
  return Math.min(MAX_TABLES, Math.ceil(plainLength / 1024))
}

/**
 * Chooses which neighbouring contexts share a table, `most` of which there may be. They do if their counts are so much
 * alike, or so few, that two tables would take more space than they save. Contexts with fewer than `least` numbers
 * share one with the next anyway, which saves time. `counts` has 256 counts for each context; those from `classes` on
 * are 0. Undefined if all are 0. Time: at most quadratic in the contexts, of which there are 256 at most.
 */
export function chooseTables(counts: Uint32Array, contexts: number, most: number, least = 1): ChosenTables | undefined {
  const totals = totalsOf(counts, contexts)
  const classes = Uint8Array.from(totals.keys()).filter(c => totals[c]! > 0)
  if (classes.length === 0) return undefined
  const groups = mergeAlike(groupsOf(counts, contexts, classes, least), most)
  const tableOf = new Uint8Array(contexts)
  let context = 0
  let bits = 0
  const all = groups.map((group, table) => {
    tableOf.fill(table, context, (context += group.contexts))
    const frequencies = frequenciesOf(group.counts)
    bits += codedBits(group.counts, frequencies)
    const spread = new Uint16Array(CLASSES)
    for (let i = 0; i < classes.length; i++) spread[classes[i]!] = frequencies[i]!
    return spread
  })
  return { all, tableOf, bits, totals }
}

function totalsOf(counts: Uint32Array, contexts: number): Uint32Array {
  const totals = new Uint32Array(CLASSES)
  for (let at = 0; at < contexts * CLASSES; at++) totals[at % CLASSES]! += counts[at]!
  return totals
}

/**
 * A group for each context in use, or for so many neighbours that it has `least` numbers. Unused ones belong to the
 * group before, or to the first.
 */
function groupsOf(counts: Uint32Array, contexts: number, classes: Uint8Array, least: number): Group[] {
  const groups: Group[] = []
  let group = new Uint32Array(classes.length)
  let total = 0
  let size = 0
  for (let context = 0; context < contexts; context++) {
    const first = context * CLASSES
    let own = 0
    for (const c of classes) own += counts[first + c]!
    if (own === 0 && total === 0 && groups.length > 0) {
      groups.at(-1)!.contexts++
      continue
    }
    size++
    total += own
    if (own > 0) for (let i = 0; i < classes.length; i++) group[i]! += counts[first + classes[i]!]!
    if (total < least) continue
    groups.push({ counts: group, contexts: size, cost: costOf(group) })
    group = new Uint32Array(classes.length)
    total = size = 0
  }
  const last = groups.at(-1)
  if (total > 0 && last) groups.splice(-1, 1, merged(last, { counts: group, contexts: size, cost: 0 }))
  else if (total > 0) groups.push({ counts: group, contexts: size, cost: costOf(group) })
  return groups
}

/**
 * Merges neighbours that take less in one, pair by pair and again until there are none; then those that lose least,
 * until they are few enough.
 */
function mergeAlike(all: readonly Group[], most: number): Group[] {
  let groups = all
  for (let before = Infinity; groups.length < before;) {
    before = groups.length
    const next: Group[] = []
    for (let i = 0; i < before; i++) {
      const group = groups[i]!
      const other = groups[i + 1]
      const together = other && merged(group, other)
      if (together && together.cost < group.cost + other.cost) {
        next.push(together)
        i++
      } else next.push(group)
    }
    groups = next
  }
  const few = [...groups]
  while (few.length > most) {
    const losses = few.slice(1).map((group, i) => merged(few[i]!, group).cost - few[i]!.cost - group.cost)
    const best = losses.indexOf(Math.min(...losses))
    few.splice(best, 2, merged(few[best]!, few[best + 1]!))
  }
  return few
}

function merged(a: Group, b: Group): Group {
  const counts = new Uint32Array(a.counts.length)
  for (let c = 0; c < counts.length; c++) counts[c] = a.counts[c]! + b.counts[c]!
  return { counts, contexts: a.contexts + b.contexts, cost: costOf(counts) }
}

/** Bits that the numbers and their table take. */
function costOf(counts: Uint32Array): number {
  let total = 0
  let used = 0
  let weighted = 0
  for (let c = 0; c < counts.length; c++) {
    const count = counts[c]!
    if (count === 0) continue
    total += count
    used++
    weighted += count < WEIGHTED.length ? WEIGHTED[count]! : count * Math.log2(count)
  }
  return total * Math.log2(total) - weighted + used * CLASS_BITS
}

/** In proportion to the counts, at least 1 for each class that occurs. */
function frequenciesOf(counts: Uint32Array): Uint16Array {
  const frequencies = new Uint16Array(counts.length)
  const used: number[] = []
  let total = 0
  for (let c = 0; c < counts.length; c++) {
    if (counts[c]! > 0) used.push(c)
    total += counts[c]!
  }
  used.sort((a, b) => counts[b]! - counts[a]! || a - b)
  let left = TOTAL
  for (const c of used) left -= frequencies[c] = Math.max(1, Math.round((counts[c]! * TOTAL) / total))
  // the frequent classes give or take what rounding left
  for (let i = 0; left !== 0; i = (i + 1) % used.length) {
    const step = left < 0 ? -1 : 1
    if (frequencies[used[i]!]! + step < 1) continue
    frequencies[used[i]!]! += step
    left -= step
  }
  return frequencies
}

function codedBits(counts: Uint32Array, frequencies: Uint16Array): number {
  let bits = 0
  for (let c = 0; c < counts.length; c++) if (counts[c]! > 0) bits += counts[c]! * Math.log2(TOTAL / frequencies[c]!)
  return bits
}

export function writeTables(out: ByteWriter, { all, tableOf }: Tables): void {
  out.varint(all.length)
  for (const [table, frequencies] of all.entries()) {
    out.varint(tableOf.lastIndexOf(table) - tableOf.indexOf(table) + 1)
    let left = TOTAL
    for (let c = 0; left > 0; c++) {
      const frequency = frequencies[c]!
      out.varint(frequency)
      left -= frequency
      if (frequency > 0) continue
      const next = frequencies.findIndex((other, i) => i > c && other > 0)
      out.varint(next - c - 1)
      c = next - 1
    }
  }
}

/** Reads what `writeTables` wrote for so many contexts and classes; `most` tables at most. */
export function readTables(reader: ByteReader, contexts: number, classes: number, most: number): Tables {
  const count = reader.count(2, most)
  const tableOf = new Uint8Array(contexts)
  let context = 0
  const all = Array.from({ length: count }, (_, table) => {
    const run = reader.varint(contexts - context)
    tableOf.fill(table, context, (context += run))
    const frequencies = new Uint16Array(CLASSES)
    let left = TOTAL
    for (let c = 0; left > 0; c++) {
      if (c >= classes) reader.fail('the frequencies of a table are too small')
      left -= frequencies[c] = reader.varint(left)
      if (frequencies[c] === 0) c += reader.varint(CLASSES)
    }
    return frequencies
  })
  if (context !== contexts) reader.fail('a context has no table')
  return { all, tableOf }
}
