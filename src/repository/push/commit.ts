import { confirmObject } from '../../storage/confirm-object.ts'
import type { Storage } from '../../storage/storage.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { decodeSnapshot, encodeSnapshot, isLate, type Snapshot, type StoredSnapshot } from '../format/snapshot.ts'

/**
 * Uploads a snapshot, which makes its version, and has the store confirm it. Throws `conflict` if it is gone again
 * because the version was forgotten, or if what it needs is gone; and `corrupt` if it reads back differently.
 */
export async function commitSnapshot(storage: Storage, snapshot: Snapshot, signal: AbortSignal | undefined): Promise<StoredSnapshot> {
  const { name, time } = snapshot
  const { id, objectName, bytes } = encodeSnapshot(snapshot)
  const { created } = await storage.put(objectName, bytes, { signal })
  const stored = decodeSnapshot(bytes, { objectName, name, time, shortId: id.slice(0, 16), created, effectiveTime: time })
  await confirmObject(storage, objectName, bytes, { signal }).catch((error: unknown) => {
    // what a late snapshot needs is looked for in a new listing
    if (isLate(stored) && isAppError(error, 'conflict')) return
    if (!isAppError(error, 'not-found')) throw error
    throw forgottenByAnother(name)
  })
  return stored
}

export function forgottenByAnother(name: string): AppError {
  return new AppError('conflict', `The new version of ${name} is gone again: another machine forgot it while this push was ending.`, {
    hint: 'Find out which machine forgets versions of that name, then push again; or push under another --name.',
  })
}
