import { RememberingStorage } from '../../storage/remembering.ts'
import type { Storage } from '../../storage/storage.ts'

const OBJECT_BYTES = 64 * 1024
const TOTAL_BYTES = 4 * 1024 * 1024

/**
 * Reads each tomb once. If a version is made every few minutes and older ones are forgotten, there are always dozens of
 * tombs, and every push and prune must know them all. A tomb never changes, and the packs of a deleted tomb are gone
 * (rule 10 of docs/format.md).
 */
export function rememberTombs(storage: Storage): Storage {
  const remembers = (name: string): boolean => name.startsWith('tomb-')
  return new RememberingStorage(storage, { remembers, objectBytes: OBJECT_BYTES, totalBytes: TOTAL_BYTES })
}
