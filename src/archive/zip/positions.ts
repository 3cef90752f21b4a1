import { DirectoryError, readRecords } from './directory.ts'
import type { DirectoryPlace } from './end-record.ts'
import { guessCodePage } from './guess-code-page.ts'
import type { CodePage } from './code-pages.ts'
import { isOfUnknownEncoding } from './names.ts'
import type { RangeReader } from './range-reader.ts'
import { LOCAL_BYTES, LOCAL_MAGIC, type ZipRecord } from './record.ts'

const WRAP = 2 ** 32
/** So many bytes of names are enough to guess their encoding. */
const MAX_GUESSED_BYTES = 64 * 1024
/** Between an entry and the next there is hardly more: a data descriptor, or bytes that align the next one. */
const MAX_GAP_BYTES = 64 * 1024

/** What all entries of a zip tell together. */
export interface Survey {
  /** Positions of the local headers, in the order of the directory. */
  starts: Float64Array
  /** The code page of names, if it can be guessed. */
  page: CodePage | undefined
}

/** Reads the directory once. Time: linear in its length. Memory: 8 bytes for each entry. */
export async function surveyOf(file: RangeReader, place: DirectoryPlace): Promise<Survey> {
  const starts: number[] = []
  const names: Buffer[] = []
  let left = MAX_GUESSED_BYTES
  try {
    for await (const record of readRecords(file, place)) {
      const start = record.headerAt + place.base
      starts.push(place.wraps ? await unwrappedStart(file, place, record, starts.at(-1) ?? 0) : start)
      if (left <= 0 || !isOfUnknownEncoding(record)) continue
      names.push(Buffer.from(record.rawName))
      left -= record.rawName.length
    }
  } catch (error) {
    // who reads the entries gets it after the last of them
    if (!(error instanceof DirectoryError)) throw error
  }
  return { starts: Float64Array.from(starts), page: names.length === 0 ? undefined : guessCodePage(names) }
}

/** Where an entry begins of which the low 32 bits are stated: after the one before it, and its name is there. */
async function unwrappedStart(file: RangeReader, place: DirectoryPlace, { headerAt, rawName }: ZipRecord, last: number): Promise<number> {
  for (let at = headerAt + Math.floor(last / WRAP) * WRAP; at < place.start; at += WRAP) {
    if (at < last || at + LOCAL_BYTES + rawName.length > file.size) continue
    const header = await file.read(at, at + LOCAL_BYTES + rawName.length)
    if (header.readUInt32LE() === LOCAL_MAGIC && header.subarray(LOCAL_BYTES).equals(rawName)) return at
  }
  return headerAt
}

/** Whether a local header begins at a position. */
export async function isLocalHeader(file: RangeReader, at: number): Promise<boolean> {
  return at >= 0 && at + LOCAL_BYTES <= file.size && (await file.read(at, at + 4)).readUInt32LE() === LOCAL_MAGIC
}

/** The entries of a zip beside each other. */
export class Neighbours {
  private readonly file: RangeReader
  /** Sorted. */
  private readonly starts: Float64Array
  private readonly end: number
  /** Starts that several records share, of which one was handed out. */
  private readonly shared = new Set<number>()

  /** `end`: where the bytes of entries end. */
  constructor(file: RangeReader, starts: Float64Array, end: number) {
    this.file = file
    this.starts = starts.slice().sort()
    this.end = end
  }

  /**
   * Whether bytes of an entry belong to another one too, as they do only in archives that are made to fill a disk. Of
   * records with the same start, the first that is asked about has it. So all stored bytes that are read are no more
   * than the file. Starts where there is no entry don't count. Time for all entries together: n log n.
   */
  async shares(start: number, storedLength: number): Promise<boolean> {
    const after = this.countUpTo(start)
    if (this.starts[after - 2] === start) {
      if (this.shared.has(start)) return true
      this.shared.add(start)
    }
    const end = start + LOCAL_BYTES + storedLength
    for (let i = after; i < this.starts.length && this.starts[i]! < end; i++)
      if (await isLocalHeader(this.file, this.starts[i]!)) return true
    return false
  }

  /**
   * The stored length of an entry of which the low 32 bits are stated, by where the next entry begins. `at` is where
   * its bytes begin.
   */
  unwrapped(start: number, at: number, storedLength: number): number {
    const room = (this.starts[this.countUpTo(start)] ?? this.end) - at - storedLength
    return room >= WRAP && room % WRAP <= MAX_GAP_BYTES ? storedLength + room - (room % WRAP) : storedLength
  }

  private countUpTo(start: number): number {
    let [low, high] = [0, this.starts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.starts[middle]! <= start) low = middle + 1
      else high = middle
    }
    return low
  }
}
