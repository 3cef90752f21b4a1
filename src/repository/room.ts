import type { Chunker } from '../chunking/chunker.ts'
import { AppError } from '../util/errors.ts'
import type { RepositoryContext } from './context.ts'
import { Storing, type StoringBasis, type StoringRequest } from './storing.ts'

/** Less than this (bytes) is sent without asking how much space there is: a store that is full says so itself. */
const ASK_FROM_BYTES = 32 * 1024 * 1024

/**
 * Throws `quota`, with the numbers, when what a push would store can't fit. Where even the plain bytes fit nothing more is asked; else the push is tried out
 * first, encoding everything and storing nothing, which is the only way to know.
 */
export async function ensureRoom(
  context: RepositoryContext,
  request: StoringRequest,
  basis: StoringBasis,
  chunker: Chunker,
): Promise<void> {
  const unknown = request.source.entries
    .filter(entry => entry.type === 'file' && request.cache?.lookup(entry.path, entry.fingerprint) === undefined)
    .reduce((sum, entry) => sum + entry.fingerprint.size, 0)
  if (unknown < ASK_FROM_BYTES) return
  const { used, limit } = await context.storage.quota({ signal: context.signal })
  if (used === undefined || limit === undefined) return
  const free = Math.max(0, limit - used)
  if (unknown <= free) return
  context.reporter.detail(`${megabytes(unknown)} to read, ${megabytes(free)} free in ${context.storage.location}: trying out what it takes`)
  const trial = new Storing(context, { ...request, dryRun: true }, { ...basis, unindexed: [] }, chunker)
  try {
    await trial.store()
  } finally {
    await trial.writer.settle()
  }
  if (trial.writer.storedBytes <= free) return
  throw new AppError(
    'quota',
    `This push needs ${megabytes(trial.writer.storedBytes)}, but ${context.storage.location} has only ${megabytes(free)} free; nothing was stored.`,
    { hint: 'Free some space there, push less, or use another --store.' },
  )
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
