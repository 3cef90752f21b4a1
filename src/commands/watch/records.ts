import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { sha256Hex } from '../../util/hash.ts'
import { fsPath } from '../../util/paths.ts'
import { readSmallFile } from '../../util/small-file.ts'
import type { Background, Status } from './watch-screen.ts'

/** The state of a watch in the background, as its file in the cache folder holds it. */
export type WatchRecord = Status & { background: Background }

/** A record with thousands of waiting files is smaller. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024
const RECORD = /^[0-9a-f]{16}\.json$/

export const recordsFolder = (cacheFolder: string): string => join(cacheFolder, 'watches')

/** One for each folder and name. `path` has its links resolved. */
export function recordFile(cacheFolder: string, { path, name }: { path: string; name: string }): string {
  return join(recordsFolder(cacheFolder), `${sha256Hex(Buffer.from(`${path}\0${name}`)).slice(0, 16)}.json`)
}

export const logOf = (record: string): string => record.replace(/json$/, 'log')

/** Undefined if there is none that is ours and whole. */
export function readRecord(file: string): WatchRecord | undefined {
  try {
    const record = JSON.parse(readSmallFile(file, { maxBytes: MAX_RECORD_BYTES, mustBeOwn: true }).toString()) as Partial<WatchRecord>
    return Number.isSafeInteger(record.pid) && record.pid! > 0 && record.background !== undefined ? (record as WatchRecord) : undefined
  } catch {
    return undefined
  }
}

/** Of all watches that ran in the background on this machine, by path and name. */
export function readRecords(cacheFolder: string): WatchRecord[] {
  const folder = recordsFolder(cacheFolder)
  const records = namesIn(folder).map(name => readRecord(join(folder, name)))
  const key = ({ path, name }: WatchRecord): string => `${path}\0${name}`
  return records.filter(record => record !== undefined).sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(fsPath(folder)).filter(name => RECORD.test(name))
  } catch {
    return [] // no watch has ever run in the background
  }
}
