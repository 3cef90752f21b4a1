import type { Chunker } from '../../chunking/chunker.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { RepositoryContext } from '../open/open.ts'
import { PushAttempt, type AttemptBasis, type AttemptRequest } from './attempt.ts'

/** The free space is not asked for when fewer bytes than these may be new: a full store refuses them anyway. */
const ASK_FROM_BYTES = 32 * 1024 * 1024

/**
 * Bytes of files that may be new, and free bytes in the store. Undefined when the free space need not be known, or
 * can't be.
 */
export type FreeSpace = { unknown: number; free: number } | undefined

/** Plain bytes of the files that may hold something new, as far as can be told without reading them. */
export function unknownBytes({ source, cache }: AttemptRequest): number {
  return source.entries
    .filter(entry => entry.type === 'file' && cache?.lookup(entry.path, entry.fingerprint) === undefined)
    .reduce((sum, entry) => sum + entry.fingerprint.size, 0)
}

/** Asks a store for its free space. The caller may await the answer later; a failure shows then. */
export function askFreeSpace({ storage, signal }: RepositoryContext, unknown: number): Promise<FreeSpace> {
  if (unknown < ASK_FROM_BYTES) return Promise.resolve(undefined)
  const asked = storage
    .quota({ signal })
    .then(({ used, limit }) => (used === undefined || limit === undefined ? undefined : { unknown, free: Math.max(0, limit - used) }))
  asked.catch(() => undefined)
  return asked
}

/**
 * Throws `quota` when what a push would store does not fit. If the plain bytes fit, it fits. Otherwise a trial push
 * encodes everything and stores nothing, which is the only way to know.
 */
export async function ensureItFits(
  context: RepositoryContext,
  request: AttemptRequest,
  basis: AttemptBasis,
  chunker: Chunker,
  freeSpace: FreeSpace,
): Promise<void> {
  if (!freeSpace || freeSpace.unknown <= freeSpace.free) return
  const { unknown, free } = freeSpace
  context.reporter.detail(
    `${formatBytes(unknown)} to read, ${formatBytes(free)} free in ${context.storage.location}: trying out what it takes`,
  )
  const trial = new PushAttempt(context, { ...request, dryRun: true }, { ...basis, unindexed: [] }, chunker)
  try {
    await trial.store()
  } finally {
    await trial.chunks.packs.settle()
  }
  const { storedBytes } = trial.chunks.packs
  if (storedBytes <= free) return
  throw new AppError(
    'quota',
    `This push needs ${formatBytes(storedBytes)}, but ${context.storage.location} has only ${formatBytes(free)} free; nothing was stored.`,
    { hint: 'Free some space there, push less, or use another --store.' },
  )
}
