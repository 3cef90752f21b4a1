import { dirname, join } from 'node:path'
import { replaceFile } from '../../local/replace-file.ts'
import { README_NAME } from '../../repository/format/object-names.ts'
import type { LatelyStored, LatelyStoredNote } from '../../storage/drive/lately-stored.ts'
import { makeFolder } from '../../util/file-system.ts'
import { fileNameFor } from '../../util/hash.ts'
import { isRecord } from '../../util/json-fields.ts'
import { readSmallFile } from '../../util/small-file.ts'

/** Drive's listings have not been seen to lag longer. */
const LATELY_MS = 10 * 60_000

/** A file of the cache that notes what was stored last in a folder of Drive. Without a cache, nothing is noted. */
export function latelyStoredFile(cache: string | undefined, location: string): LatelyStoredNote | undefined {
  if (cache === undefined) return undefined
  const path = join(cache, 'drive', `${fileNameFor(location)}.json`)
  return {
    load: async () => {
      try {
        return read(JSON.parse(readSmallFile(path, { maxBytes: 1000, mustBeOwn: true }).toString()))
      } catch {
        return undefined // nothing was stored, or the file is damaged
      }
    },
    save: async (stored, name) => {
      if (name === README_NAME) return // it may outlive the repository
      try {
        makeFolder(dirname(path), { mode: 0o700 })
        await replaceFile(path, JSON.stringify({ ...stored, at: Date.now() }))
      } catch {
        // the next command may have to be told again that a listing lags
      }
    },
  }
}

function read(note: unknown): LatelyStored | undefined {
  if (!isRecord(note)) return undefined
  const { folder, file, at } = note
  if (typeof folder !== 'string' || typeof file !== 'string' || typeof at !== 'number') return undefined
  return Math.abs(Date.now() - at) > LATELY_MS ? undefined : { folder, file }
}
