import type { Storage } from '../../storage/storage.ts'
import { equalBytes } from '../../util/bytes.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { decodeSnapshot, encodeSnapshot, type Snapshot, type StoredSnapshot } from '../format/snapshot.ts'

/**
 * Uploads a snapshot, which makes its version, and reads it back. Throws `conflict` if it is gone again because the
 * version was forgotten, and `corrupt` if it reads back differently.
 */
export async function commitSnapshot(storage: Storage, snapshot: Snapshot, signal: AbortSignal | undefined): Promise<StoredSnapshot> {
  const { name, time } = snapshot
  const { id, objectName, bytes } = encodeSnapshot(snapshot)
  const { created } = await storage.put(objectName, bytes, { signal })
  const readBack = await storage.get(objectName, undefined, { signal }).catch((error: unknown) => {
    if (!isAppError(error, 'not-found')) throw error
    throw forgottenByAnother(name)
  })
  if (!equalBytes(readBack, bytes))
    throw new AppError('corrupt', `The new snapshot does not read back as it was written to ${storage.location}.`, {
      hint: 'Push again. If the error stays, check the disk.',
    })
  return decodeSnapshot(bytes, { objectName, name, time, shortId: id.slice(0, 16), created, effectiveTime: time })
}

export function forgottenByAnother(name: string): AppError {
  return new AppError('conflict', `The new version of ${name} is gone again: another machine forgot it while this push was ending.`, {
    hint: 'Find out which machine forgets versions of that name, then push again; or push under another --name.',
  })
}
