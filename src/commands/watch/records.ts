import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { sha256Hex } from '../../util/hash.ts'
import { isRecord } from '../../util/json-fields.ts'
import { fsPath } from '../../util/paths.ts'
import { howStrangersReachFolder, readSmallFile } from '../../util/small-file.ts'
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

/** Undefined if there is none that is whole, or if others could have made it. */
export function readRecord(cacheFolder: string, watched: { path: string; name: string }): WatchRecord | undefined {
  return isOurs(cacheFolder) ? read(recordFile(cacheFolder, watched)) : undefined
}

/** Of all watches that ran in the background on this machine, by path and name. */
export function readRecords(cacheFolder: string): WatchRecord[] {
  if (!isOurs(cacheFolder)) return []
  const folder = recordsFolder(cacheFolder)
  const records = readdirSync(fsPath(folder))
    .filter(name => RECORD.test(name))
    .map(name => read(join(folder, name)))
  const key = ({ path, name }: WatchRecord): string => `${path}\0${name}`
  return records.filter(record => record !== undefined).sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** A record says which process to signal, so it must not be a stranger's. */
function isOurs(cacheFolder: string): boolean {
  const folder = recordsFolder(cacheFolder)
  try {
    return lstatSync(fsPath(folder)).isDirectory() && [cacheFolder, folder].every(each => howStrangersReachFolder(each) === undefined)
  } catch {
    return false // no watch has ever run in the background
  }
}

function read(file: string): WatchRecord | undefined {
  try {
    if (!lstatSync(fsPath(file)).isFile()) return undefined
    const record: unknown = JSON.parse(readSmallFile(file, { maxBytes: MAX_RECORD_BYTES, mustBeOwn: true }).toString())
    return isRecord(record) && isWhole(record) ? (record as unknown as WatchRecord) : undefined
  } catch {
    return undefined
  }
}

function isWhole(record: Record<string, unknown>): boolean {
  const { pid, versions, state, last, trouble, background } = record
  const counts = [pid, versions].every(number => Number.isSafeInteger(number) && (number as number) >= 0)
  const texts = ['name', 'path', 'store', 'updated'].every(field => typeof record[field] === 'string')
  const lists = ['waiting', 'held'].every(field => Array.isArray(record[field]))
  return (
    counts &&
    texts &&
    lists &&
    pid !== 0 &&
    ['watching', 'stopping', 'stopped'].includes(state as string) &&
    (last === null || hasTexts(last, 'version', 'time')) &&
    (trouble === null || hasTexts(trouble, 'message', 'since')) &&
    hasTexts(background, 'log') &&
    Number.isFinite(background.graceMs) &&
    (background.start === null || typeof background.start === 'string')
  )
}

function hasTexts(value: unknown, ...fields: string[]): value is Record<string, unknown> {
  return isRecord(value) && fields.every(field => typeof value[field] === 'string')
}
