/** What a pax header says of an entry, as far as it counts here. */
export interface PaxFields {
  path?: Buffer | undefined
  linkpath?: Buffer | undefined
  size?: string | undefined
  mtime?: string | undefined
  sparse?: PaxSparse
}

/** What GNU.sparse.* says: forms 0.0, 0.1 and 1.0. */
export interface PaxSparse {
  name?: Buffer | undefined
  /** Bytes of the file with its holes. */
  size?: string | undefined
  /** Form 1.0 has its map before the data. */
  major?: string | undefined
  /** Form 0.1: the map. Form 0.0 has one record for each number. */
  map?: string[]
}

/** Longest number. */
const MAX_VALUE_BYTES = 64

/**
 * Adds the records of a pax header to `fields`: `<length> <key>=<value>\n`. A record without a value takes an earlier
 * one back. False if it stopped at a malformed one. Time: linear in the length of `bytes`; memory: that of the fields
 * that count. POSIX.1-2008, pax; the GNU tar manual, "Storing Sparse Files".
 */
export function addPaxRecords(fields: PaxFields, bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length;) {
    const space = bytes.subarray(at, at + 20).indexOf(0x20)
    const digits = bytes.toString('latin1', at, at + Math.max(space, 0))
    const length = /^\d+$/.test(digits) ? Number(digits) : NaN
    if (!(length > space + 1 && at + length <= bytes.length && bytes[at + length - 1] === 0x0a)) return bytes[at] === 0
    const record = bytes.subarray(at + space + 1, at + length - 1)
    const equals = record.indexOf(0x3d)
    if (equals === -1) return false
    addPaxRecord(fields, record.toString('latin1', 0, Math.min(equals, 64)), record.subarray(equals + 1))
    at += length
  }
  return true
}

function addPaxRecord(fields: PaxFields, key: string, bytes: Buffer): void {
  const value = bytes.length === 0 ? undefined : bytes
  if (key === 'path' || key === 'linkpath') fields[key] = value
  else if (key === 'size' || key === 'mtime') fields[key] = value?.toString('latin1', 0, MAX_VALUE_BYTES)
  else if (key.startsWith('GNU.sparse.')) addSparseRecord((fields.sparse ??= {}), key.slice('GNU.sparse.'.length), bytes)
}

function addSparseRecord(sparse: PaxSparse, key: string, value: Buffer): void {
  if (key === 'map') sparse.map = value.toString('latin1').split(',')
  else if (key === 'name') sparse.name = value
  else {
    const number = value.toString('latin1', 0, MAX_VALUE_BYTES)
    if (key === 'size' || key === 'realsize') sparse.size = number
    else if (key === 'major') sparse.major = number
    else if (key === 'offset' || key === 'numbytes') (sparse.map ??= []).push(number)
  }
}

/** A size in a pax header; undefined if it is none. */
export function paxSize(text: string): number | undefined {
  const size = /^\d+$/.test(text) ? Number(text) : undefined
  return Number.isSafeInteger(size) ? size : undefined
}

const PAX_TIME = /^(-?)(\d{1,12})(?:\.(\d{0,9})\d*)?$/

/** ns since 1970; undefined if it is no time. */
export function paxTime(text: string): bigint | undefined {
  const [, sign, seconds, fraction = ''] = PAX_TIME.exec(text) ?? []
  if (seconds === undefined) return undefined
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
  return sign === '-' ? -ns : ns
}
