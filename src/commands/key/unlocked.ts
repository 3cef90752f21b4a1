import type { LockedStore } from '../../repository/sealing/encryptable-storage.ts'
import { labelOf, parseKeyObjectName } from '../../repository/sealing/key-object.ts'
import type { RepositoryKeys } from '../../repository/sealing/keys.ts'
import type { Storage } from '../../storage/storage.ts'
import { AppError } from '../../util/errors.ts'
import { readStoredKeys, unlockStore, type StoredKey } from '../shared/encryption.ts'
import type { Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'

/** An encrypted repository whose keys are known. */
export interface UnlockedStore {
  location: string
  /** The store as it is, with retries. */
  storage: Storage
  keys: RepositoryKeys
  stored: StoredKey[]
}

/** Opens the keys of the store that counts. Errors: `usage` if it is not encrypted, `unauthenticated`. */
export async function unlock(session: Session): Promise<UnlockedStore> {
  const locked = await findLocked(session)
  const keys = await unlockStore(session, locked)
  return { location: locked.inner.location, storage: locked.inner, keys, stored: await readStoredKeys(session, locked) }
}

export async function findLocked(session: Session): Promise<LockedStore> {
  const { encryption } = await chooseStore(session)
  session.console.reporter.progress({ phase: 'listing' })
  const locked = await encryption.lockedStore({ signal: session.signal })
  if (locked === undefined)
    throw new AppError('usage', `The repository in ${encryption.location} is not encrypted.`, {
      hint: 'Only a new repository can be made an encrypted one: colab-escape push <path> --encrypt.',
    })
  return { ...locked, inner: session.showingFlight(locked.inner).storage }
}

/** The digits of a key object's id that people name it by. */
export const shortIdOf = (name: string): string => parseKeyObjectName(name)!.id.slice(0, 8)

export const describeKind = { password: 'password', recovery: 'recovery code', machine: 'kept key' } as const

/** What the person calls a key. */
export const labelText = (keys: RepositoryKeys, { object }: StoredKey): string => labelOf(keys, object) ?? '(changed)'
