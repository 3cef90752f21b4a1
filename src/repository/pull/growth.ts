import { AppError, throwIfAborted } from '../../util/errors.ts'
import { Breather } from '../../util/event-loop.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import type { OpenRepository } from '../open/open.ts'
import { bytesOfHoles } from './free-space.ts'
import type { PlannedFile } from './pull-plan.ts'

/** Below this many bytes no growth is suspicious. */
const HARMLESS_BYTES = 1e9
/** Real data seldom compresses to a hundredth of its size. */
const SUSPICIOUS_RATIO = 100

/**
 * The error if files grow so much that they may be meant to fill the disk. Holes don't count: they take no space. Time:
 * linear in the chunks of the files.
 */
export async function findSuspectGrowth(repository: OpenRepository, files: readonly PlannedFile[]): Promise<AppError | undefined> {
  const bytes = files.reduce((sum, { entry }) => sum + entry.size, 0)
  if (bytes <= HARMLESS_BYTES) return undefined
  const stored = await storedBytes(repository, files)
  if (bytes <= SUSPICIOUS_RATIO * stored) return undefined
  const written = bytes - (await bytesOfHoles(repository, files))
  if (written <= HARMLESS_BYTES || written <= SUSPICIOUS_RATIO * stored) return undefined
  return new AppError(
    'denied',
    `The files to write take ${formatBytes(written)}, which is more than ${SUSPICIOUS_RATIO} times what the repository holds of them (${formatBytes(stored)}). They may be meant to fill the disk. Nothing was changed.`,
    { hint: 'If you trust the repository, run again with --allow-growth.' },
  )
}

/** Bytes of all blocks that the files need, each counted once. */
async function storedBytes({ index, signal }: OpenRepository, files: readonly PlannedFile[]): Promise<number> {
  const turns = new Breather()
  const isCounted = new Uint8Array(index.blocks.length)
  let bytes = 0
  for (const { entry } of files) {
    for (let offset = 0; offset < entry.chunks.length; offset += HASH_BYTES) {
      const block = index.blockOf(index.whole.best(entry.chunks, offset))
      if (isCounted[block] === 0) {
        isCounted[block] = 1
        bytes += index.blocks[block]!.storedLength
      }
      if (turns.isDue()) {
        await turns.breathe()
        throwIfAborted(signal)
      }
    }
  }
  return bytes
}
