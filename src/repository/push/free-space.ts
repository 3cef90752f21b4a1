import type { Chunker } from '../../chunking/chunker.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { RepositoryContext } from '../open/open.ts'
import { PushAttempt, type AttemptBasis, type AttemptRequest } from './attempt.ts'

/** If fewer bytes than these may be new, the free space is not asked for: a full store refuses them anyway. */
const ASK_FROM_BYTES = 32 * 1024 * 1024

/**
 * Bytes of files that may be new, and free bytes in the store of all that it has. Undefined if the free space can't be
 * known or is not needed.
 */
export type FreeSpace = { unknown: number; free: number; limit: number } | undefined

/** Plain bytes of the files that may hold new chunks: the files that the cache does not know. */
export function unknownBytes({ source, cache }: AttemptRequest): number {
  return source.entries
    .filter(entry => entry.type === 'file' && cache?.lookup(entry.path, entry.fingerprint) === undefined)
    .reduce((sum, entry) => sum + entry.fingerprint.size, 0)
}

/** Asks a store for its free space. The caller may await the promise later; it then rejects if this failed. */
export function askFreeSpace({ storage, signal }: RepositoryContext, unknown: number): Promise<FreeSpace> {
  if (unknown < ASK_FROM_BYTES) return Promise.resolve(undefined)
  const asked = storage
    .quota({ signal })
    .then(({ used, limit }) =>
      used === undefined || limit === undefined ? undefined : { unknown, free: Math.max(0, limit - used), limit },
    )
  asked.catch(() => undefined)
  return asked
}

/**
 * Throws `quota` if the store has too little space for a push. If the plain bytes fit, the push fits. Otherwise a trial
 * push encodes everything and stores nothing, which is the only way to know.
 */
export async function ensureItFits(
  context: RepositoryContext,
  request: AttemptRequest,
  basis: AttemptBasis,
  chunker: () => Chunker,
  freeSpace: FreeSpace,
): Promise<void> {
  if (!freeSpace || freeSpace.unknown <= freeSpace.free) return
  const { unknown, free } = freeSpace
  context.reporter.detail(
    `${formatBytes(unknown)} to read, ${formatBytes(free)} free in ${context.storage.location}: a trial push measures what it needs`,
  )
  const trial = new PushAttempt(context, { ...request, dryRun: true }, { ...basis, unindexed: [] }, chunker())
  try {
    await trial.storeManifest(await trial.storeFiles())
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
