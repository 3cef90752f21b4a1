const HEADER_BYTES = 4

/**
 * The data of the first extra field with this id (APPNOTE 6.3.10, 4.5). A field that says that it is longer than what
 * is left of `extra` ends the search: what lies behind it can't be found. Time: linear in the number of fields.
 */
export function extraField(extra: Buffer, id: number): Buffer | undefined {
  for (let at = 0; at + HEADER_BYTES <= extra.length;) {
    const start = at + HEADER_BYTES
    const end = start + extra.readUInt16LE(at + 2)
    if (end > extra.length) return undefined
    if (extra.readUInt16LE(at) === id) return extra.subarray(start, end)
    at = end
  }
  return undefined
}
