import { Chunker } from '../../chunking/chunker.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { AppError } from '../../util/errors.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { LiveRules } from '../source/live-source.ts'
import type { SourceReading } from '../source/source-reader.ts'
import { type AttemptBasis, type AttemptRequest, PushAttempt } from './attempt.ts'
import { unknownBytes } from './free-space.ts'

/** Reading fewer bytes takes no longer than an answer of the store. */
const EARLY_FROM_BYTES = 1024 * 1024

/**
 * A first attempt that begins while the store is listed: it reads, hashes and encodes files that this machine has never
 * pushed. It sends nothing before the listing is there, and relies on nothing that it guesses: if the store turns out
 * to have one of its chunks, or to be encrypted with other keys, all that it did is thrown away, and an attempt begins
 * that knows what is present.
 */
export class EarlyAttempt {
  readonly attempt: PushAttempt
  readonly reading: Promise<SourceReading>
  private readonly ended = new AbortController()
  /** What was warned of, which another attempt would find again. */
  private readonly warnings: string[] = []
  private readonly context: RepositoryContext
  private isAdopted = false

  /** Undefined where the store probably has some of the source, where there is little to do, or for a live source. */
  static begin(context: RepositoryContext, request: AttemptRequest & { live?: LiveRules }, chunkKeys: ChunkKeys): EarlyAttempt | undefined {
    const { source, dryRun, live } = request
    const unknown = unknownBytes(request)
    const all = source.entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.fingerprint.size : 0), 0)
    return dryRun || live || unknown < EARLY_FROM_BYTES || unknown < all ? undefined : new EarlyAttempt(context, request, chunkKeys)
  }

  private constructor(context: RepositoryContext, request: AttemptRequest, chunkKeys: ChunkKeys) {
    const signals = [this.ended.signal, ...(context.signal ? [context.signal] : [])]
    const warn = (text: string): void => void (this.isAdopted ? context.reporter.warn(text) : this.warnings.push(text))
    const reporter = { ...context.reporter, warn }
    this.context = context
    const chunker = new Chunker(chunkKeys)
    this.attempt = new PushAttempt({ ...context, reporter, signal: AbortSignal.any(signals) }, request, undefined, chunker)
    this.reading = this.attempt.storeFiles()
    this.reading.catch(() => undefined) // awaited in its turn
  }

  /** True if the attempt goes on from `basis`; otherwise it has ended. */
  adopt(basis: AttemptBasis): boolean {
    this.isAdopted = !this.ended.signal.aborted && this.attempt.adopt(basis)
    if (!this.isAdopted) this.end()
    else for (const text of this.warnings) this.context.reporter.warn(text)
    return this.isAdopted
  }

  /** Ends it, unless it was adopted. */
  end(): void {
    if (this.isAdopted) return
    this.ended.abort()
    this.attempt.giveUp(new AppError('interrupted', 'The store has some of this already.'))
  }

  /** Waits until nothing of it runs any more. */
  async settle(): Promise<void> {
    this.end()
    await this.reading.catch(() => undefined)
    await this.attempt.chunks.packs.settle()
  }
}
