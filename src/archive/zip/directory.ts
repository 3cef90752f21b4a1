import type { DirectoryPlace } from './end-record.ts'
import type { RangeReader } from './range-reader.ts'
import { MAX_RECORD_BYTES, parseRecord, RECORD_BYTES, RECORD_MAGIC, recordLength, type ZipRecord } from './record.ts'

/** The directory is cut or damaged: there must be more entries than those that were read. */
export class DirectoryError extends Error {}

const WINDOW_BYTES = 256 * 1024
/** What may follow the records: their signature (APPNOTE 6.3.10, 4.3.13). */
const SIGNATURE_MAGIC = 0x05054b50

/**
 * The records of a directory, in order. It ends where no record follows, whatever count is stated: some programs write
 * only the low 16 bits of that. Throws `DirectoryError` after the last record that can be read if there must be more.
 * Time: linear in the length of the directory. Memory: constant.
 */
export async function* readRecords(file: RangeReader, place: DirectoryPlace): AsyncGenerator<ZipRecord> {
  let count = 0
  for (let at = place.start; ;) {
    // whole records: the last one may begin at the end of the window
    const bytes = await file.read(at, Math.min(place.end, at + WINDOW_BYTES + MAX_RECORD_BYTES))
    let used = 0
    while (used < WINDOW_BYTES && isRecord(bytes, used)) {
      yield parseRecord(bytes, used)
      used += recordLength(bytes, used)
      count++
    }
    at += used
    if (used >= WINDOW_BYTES) continue
    const next = used + 4 <= bytes.length ? bytes.readUInt32LE(used) : 0
    const isCut = at < Math.min(place.end, place.start + place.length) && next !== SIGNATURE_MAGIC
    if (isCut || next === RECORD_MAGIC || count < place.count)
      throw new DirectoryError(`its directory is damaged: only the first ${count} entries of it can be read`)
    return
  }
}

function isRecord(bytes: Buffer, at: number): boolean {
  const isThere = at + RECORD_BYTES <= bytes.length && bytes.readUInt32LE(at) === RECORD_MAGIC
  return isThere && at + recordLength(bytes, at) <= bytes.length
}
