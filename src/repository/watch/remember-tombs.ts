import { RememberingStorage } from '../../storage/remembering.ts'
import type { Storage } from '../../storage/storage.ts'

const OBJECT_BYTES = 64 * 1024
const TOTAL_BYTES = 4 * 1024 * 1024

/**
 * Reads each tomb once. When a version is made every few minutes and older ones are forgotten, there are dozens of
 * tombs at any time, and every push and every prune must know them all. A tomb never changes, and one that was deleted
 * names nothing that still exists (rule 10 of docs/format.md).
 */
export function rememberTombs(storage: Storage): Storage {
  const remembers = (name: string): boolean => name.startsWith('tomb-')
  return new RememberingStorage(storage, { remembers, objectBytes: OBJECT_BYTES, totalBytes: TOTAL_BYTES })
}
