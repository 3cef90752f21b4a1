/**
 * Counters of a run in progress. All only grow, except `inFlight`; totals grow while the walk goes on. Bytes are plain
 * (uncompressed) bytes unless they are called stored.
 */
export interface ProgressUpdate {
  phase: 'listing' | 'scanning' | 'storing' | 'committing' | 'planning' | 'restoring' | 'checking' | 'comparing'
  doneBytes?: number
  totalBytes?: number
  doneFiles?: number
  totalFiles?: number
  /** Bytes sent to the store so far, after deduplication and compression. */
  storedBytes?: number
  /** Plain bytes that `storedBytes` stand for. */
  newBytes?: number
  /** Objects being sent to the store or fetched from it right now: goes up and down. */
  inFlight?: number
}

/** What the core tells the outside while it works. It never prints; a command decides how this looks. */
export interface Reporter {
  progress(update: ProgressUpdate): void
  /** Something the person should know, once, e.g. a skipped socket. */
  note(message: string): void
  /** Something that went wrong without stopping the run, e.g. an unreadable file. */
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
