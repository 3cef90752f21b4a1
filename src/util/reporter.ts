/**
 * Counters of a run in progress. They only grow, except `inFlight`. Totals grow during the walk. Bytes are plain
 * (uncompressed) bytes unless they are called stored.
 */
export interface ProgressUpdate {
  phase: 'listing' | 'scanning' | 'storing' | 'committing' | 'planning' | 'restoring' | 'checking' | 'comparing' | 'searching'
  doneBytes?: number
  totalBytes?: number
  doneFiles?: number
  totalFiles?: number
  /** Bytes sent to the store so far, after deduplication and compression. */
  storedBytes?: number
  /** Plain bytes that correspond to `storedBytes`. */
  newBytes?: number
  /** Objects that are being sent to the store or fetched from it right now. */
  inFlight?: number
}

/** Reports of the core while it works. The core never prints; a command decides how to show them. */
export interface Reporter {
  progress(update: ProgressUpdate): void
  /** Something that the user should know, reported once, e.g. a skipped socket. */
  note(message: string): void
  /** A failure that does not stop the run, e.g. an unreadable file. */
  warn(message: string): void
  /** Only shown with --verbose. */
  detail(message: string): void
}

export const silentReporter: Reporter = {
  progress: () => undefined,
  note: () => undefined,
  warn: () => undefined,
  detail: () => undefined,
}
