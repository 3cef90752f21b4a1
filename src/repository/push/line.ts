import { isAppError } from '../../util/errors.ts'
import type { Entry, FileEntry } from '../format/manifest.ts'
import { lineOf, type StoredSnapshot } from '../format/snapshot.ts'
import type { BlockSource } from '../read/read-chunks.ts'
import { readManifest } from '../read/read-manifest.ts'
import type { SourceReading } from '../source/source-reader.ts'

/** A version with less than this share of the files and of the bytes of the one before is much smaller. */
const MUCH_SMALLER = 1 / 4
/** A version continues an earlier one if it has at least this share of its files, or of its bytes, unchanged. */
const SAME = 1 / 2

export interface LineRequest {
  /** The line that this machine has pushed to from the source, or pulled into it. */
  noted: string | undefined
  /** Whether to compare with the version before if nothing is noted, which costs reading its manifest. */
  compare: boolean
}

/**
 * The line that a new version belongs to. It continues the line that is noted, or else that of `earlier`, the newest
 * version of the same source, if it has much of its content. Otherwise it begins a new line: a fresh machine that saves
 * other files under the same name must not push out what is there. The same holds where a folder has become empty or
 * much smaller. `fresh` is the name of a new line.
 */
export async function chooseLine(
  repository: BlockSource,
  { noted, fresh }: Pick<LineRequest, 'noted'> & { fresh: string },
  earlier: StoredSnapshot | undefined,
  reading: SourceReading,
): Promise<string> {
  if (earlier === undefined) return noted ?? fresh
  const line = lineOf(earlier)
  if (noted !== undefined && !isMuchSmaller(reading, earlier)) return line
  return (await hasMuchOf(repository, earlier, reading.entries)) ? line : fresh
}

function isMuchSmaller({ files, bytes }: SourceReading, earlier: StoredSnapshot): boolean {
  return files < earlier.counts.files * MUCH_SMALLER && bytes < earlier.bytes * MUCH_SMALLER
}

async function hasMuchOf(repository: BlockSource, earlier: StoredSnapshot, entries: readonly Entry[]): Promise<boolean> {
  if (earlier.counts.files === 0) return true
  const now = new Map(entries.flatMap(entry => (entry.type === 'file' ? [[entry.path, entry] as const] : [])))
  const same = { files: 0, bytes: 0 }
  try {
    for await (const entry of readManifest(repository, earlier)) {
      if (entry.type !== 'file' || !isUnchanged(entry, now.get(entry.path))) continue
      same.files++
      same.bytes += entry.size
    }
  } catch (error) {
    // what can't be read is not continued
    if (isAppError(error, 'corrupt', 'newer-format', 'not-found')) return false
    throw error
  }
  return same.files >= earlier.counts.files * SAME || (same.bytes > 0 && same.bytes >= earlier.bytes * SAME)
}

const isUnchanged = (before: FileEntry, now: FileEntry | undefined): boolean => now?.chunks.equals(before.chunks) === true
