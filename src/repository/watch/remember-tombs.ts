import { RememberingStorage } from '../../storage/remembering.ts'
import type { Storage } from '../../storage/storage.ts'

const OBJECT_BYTES = 64 * 1024
const TOTAL_BYTES = 4 * 1024 * 1024

/**
 * Reads each tomb once. Where a version is made every few minutes and older ones are forgotten, dozens of tombs wait at any time, and every push and every prune has to
 * know them all. A tomb never changes, and one that is gone names nothing that is still there (rule 10 of docs/format.md).
 */
export function rememberTombs(storage: Storage): Storage {
  const remembers = (name: string): boolean => name.startsWith('tomb-')
  return new RememberingStorage(storage, { remembers, objectBytes: OBJECT_BYTES, totalBytes: TOTAL_BYTES })
}
