import { AppError, isAppError } from '../../util/errors.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { BlockSource } from '../read/block-source.ts'
import { describeVersion } from '../read/read-manifest.ts'
import { readSnapshot } from './versions.ts'

/**
 * True if a version still exists. Call it when data is missing, because the packs of a forgotten version may be
 * deleted.
 */
export async function isStillThere(
  { storage, signal }: Pick<BlockSource, 'storage' | 'signal'>,
  { ref }: StoredSnapshot,
): Promise<boolean> {
  try {
    await readSnapshot(storage, ref, signal)
    return true
  } catch (error) {
    if (isAppError(error, 'not-found')) return false
    throw error
  }
}

export function forgottenMeanwhile(snapshot: StoredSnapshot): AppError {
  return new AppError(
    'not-found',
    `${describeVersion(snapshot)} was forgotten while it was being read, and its data is deleted. Nothing is damaged.`,
    {
      hint: `List the versions that are left: colab-escape log ${snapshot.name}`,
    },
  )
}
