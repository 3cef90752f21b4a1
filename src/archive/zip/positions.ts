import { DirectoryError, readRecords } from './directory.ts'
import type { DirectoryPlace } from './end-record.ts'
import { guessCodePage } from './guess-code-page.ts'
import type { CodePage } from './code-pages.ts'
import { isOfUnknownEncoding } from './names.ts'
import type { RangeReader } from './range-reader.ts'
import { LOCAL_BYTES, type ZipRecord } from './record.ts'

const WRAP = 2 ** 32
/** So many bytes of names are enough to guess their encoding. */
const MAX_GUESSED_BYTES = 64 * 1024
/** Between an entry and the next there is hardly more: a data descriptor, or bytes that align the next one. */
const MAX_GAP_BYTES = 64 * 1024

/** What all entries of a zip tell together. */
export interface Survey {
  /** Positions of the local headers, in ascending order. */
  starts: Float64Array
  /** The code page of names, if it can be guessed. */
  page: CodePage | undefined
}

/** Reads the directory once. Time: n log n in the number of entries. Memory: 8 bytes for each. */
export async function surveyOf(file: RangeReader, place: DirectoryPlace): Promise<Survey> {
  const starts: number[] = []
  const names: Buffer[] = []
  let left = MAX_GUESSED_BYTES
  const positionOf = positions(place)
  try {
    for await (const record of readRecords(file, place)) {
      starts.push(positionOf(record))
      if (left <= 0 || !isOfUnknownEncoding(record)) continue
      names.push(Buffer.from(record.rawName))
      left -= record.rawName.length
    }
  } catch (error) {
    // who reads the entries gets it after the last of them
    if (!(error instanceof DirectoryError)) throw error
  }
  return { starts: Float64Array.from(starts).sort(), page: names.length === 0 ? undefined : guessCodePage(names) }
}

/** Gives the position of each record's local header. Records must come in the order of the directory. */
export function positions({ base, wraps }: DirectoryPlace): (record: ZipRecord) => number {
  let [last, lift] = [0, 0]
  return ({ headerAt }) => {
    if (!wraps) return headerAt + base
    // entries stand in the order of the directory, where only the low 32 bits of their offsets are stored
    if (headerAt + lift < last) lift += WRAP
    last = headerAt + lift
    return last
  }
}

/** The entries of a zip beside each other. */
export class Neighbours {
  private readonly starts: Float64Array
  private readonly end: number
  /** Starts that several records share, of which one was handed out. */
  private readonly shared = new Set<number>()

  /** `end`: where the bytes of entries end. */
  constructor(starts: Float64Array, end: number) {
    this.starts = starts
    this.end = end
  }

  /**
   * Whether bytes of an entry belong to another one too, as they do only in archives that are made to fill a disk. Of
   * records with the same start, the first that is asked about has it. So all stored bytes that are read are no more
   * than the file.
   */
  shares(start: number, storedLength: number): boolean {
    const after = this.countUpTo(start)
    const next = this.starts[after]
    if (next !== undefined && start + LOCAL_BYTES + storedLength > next) return true
    if (this.starts[after - 2] !== start) return false
    if (this.shared.has(start)) return true
    this.shared.add(start)
    return false
  }

  /**
   * The stored length of an entry whose low 32 bits are stated, by where the next entry begins. `at` is where its bytes
   * begin.
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
