import type { KeyKind, KeyObject } from '../../repository/sealing/key-object.ts'
import type { LockedStore } from '../../repository/sealing/encryptable-storage.ts'
import type { RepositoryKeys } from '../../repository/sealing/keys.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { asSentence } from '../../util/words.ts'
import type { GivenPassword } from './password.ts'
import type { Session } from './session.ts'

/** What opening an encrypted store takes of a session. */
type KeySession = Pick<Session, 'options' | 'settings' | 'signal' | 'console' | 'keys'>

/** So many times a person may type the password. */
const TRIES = 3

/** A key object that was read, under its name in the store. */
export interface StoredKey {
  name: string
  object: KeyObject
}

/**
 * The key objects of a store, the newest first. Each is read when it is asked for, and once: mostly the first one is
 * the right one, and a call to Drive takes a while. One that is damaged is told, and passed over.
 */
class StoredKeys implements AsyncIterable<StoredKey> {
  private readonly session: KeySession
  private readonly locked: LockedStore
  private readonly read = new Map<string, Promise<StoredKey | undefined>>()

  constructor(session: KeySession, locked: LockedStore) {
    this.session = session
    this.locked = locked
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoredKey, void> {
    let found = false
    for (const name of this.locked.keyObjects) {
      const key = await this.get(name)
      if (key === undefined) continue
      found = true
      yield key
    }
    if (!found) throw noKeys(this.locked.inner.location)
  }

  /** Undefined if it is not there, or damaged. */
  get(name: string): Promise<StoredKey | undefined> {
    if (!this.locked.keyObjects.includes(name)) return Promise.resolve(undefined)
    let reading = this.read.get(name)
    if (reading === undefined) this.read.set(name, (reading = readKeyObject(this.session, this.locked, name)))
    return reading
  }
}

async function readKeyObject({ console, signal }: KeySession, { inner }: LockedStore, name: string): Promise<StoredKey | undefined> {
  const { decodeKeyObject } = await import('../../repository/sealing/key-object.ts')
  try {
    return { name, object: decodeKeyObject(name, await inner.get(name, undefined, { signal })) }
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'not-found')) throw error
    console.reporter.warn(asSentence(error.message))
    return undefined
  }
}

/** All key objects that can be read. Errors: `corrupt` if there are none. */
export async function readStoredKeys(session: KeySession, locked: LockedStore): Promise<StoredKey[]> {
  const read = await Promise.all(locked.keyObjects.map(name => readKeyObject(session, locked, name)))
  const stored = read.filter(key => key !== undefined)
  if (stored.length > 0) return stored
  throw noKeys(locked.inner.location)
}

function noKeys(location: string): AppError {
  return new AppError('corrupt', `The repository in ${location} is encrypted, and no key of it is there.`, {
    hint: 'Its objects whose names begin with key- were deleted or damaged. Bring one back from the trash, or from a copy of the store.',
  })
}

/**
 * The keys of an encrypted repository: those of this command, or opened with the password that was given, with the key
 * that this machine keeps, or with what a person types. Errors: `unauthenticated`.
 */
export async function unlockStore(session: KeySession, locked: LockedStore): Promise<RepositoryKeys> {
  const known = session.keys.get(locked.keyId)
  if (known) return known
  const keys = await findKeys(session, locked)
  session.keys.set(locked.keyId, keys)
  return keys
}

async function findKeys(session: KeySession, locked: LockedStore): Promise<RepositoryKeys> {
  const { givenPassword, canAskPassword, askPassword } = await import('./password.ts')
  const { location } = locked.inner
  const given = await givenPassword(session)
  const stored = new StoredKeys(session, locked)
  if (given) return (await openWith(stored, given.text)) ?? refuse(given, location)
  const kept = await keptKey(session, locked.keyId, stored)
  if (kept) return kept
  if (!canAskPassword()) throw noPassword(location)
  for (let left = TRIES; ;) {
    const typed = await askPassword(session, `Password of ${location}: `)
    const keys = await openWith(stored, typed)
    if (keys) return keys
    if (--left === 0) refuse({ text: typed, origin: 'the terminal' }, location)
    process.stderr.write('That is not a password of this repository. ')
  }
}

/** Tells that a password opens no key. */
export function refuse({ origin }: GivenPassword, location: string): never {
  throw new AppError('unauthenticated', `The password from ${origin} does not open the repository in ${location}.`, {
    hint: 'Check it, also for spaces at its ends. A recovery code can be given in its place.',
  })
}

function noPassword(location: string): AppError {
  return new AppError('unauthenticated', `The repository in ${location} is encrypted, and no password was given.`, {
    hint: 'Set COLAB_ESCAPE_PASSWORD, name a file with --password-file, or run the command in a terminal, where it asks. `colab-escape key remember` lets this machine open the repository without a password.',
  })
}

/** Tries a text as a password, and as a recovery code if it is one. */
export async function openWith(stored: AsyncIterable<StoredKey> | Iterable<StoredKey>, text: string): Promise<RepositoryKeys | undefined> {
  const { passwordBytes, unwrapKey } = await import('../../repository/sealing/key-object.ts')
  const { parseRecoveryCode } = await import('../../repository/sealing/recovery-code.ts')
  const secrets: Record<KeyKind, Uint8Array | undefined> = {
    password: passwordBytes(text),
    recovery: parseRecoveryCode(text),
    machine: undefined,
  }
  for await (const { object } of stored) {
    const secret = secrets[object.kind]
    const keys = secret && (await unwrapKey(object, secret))
    if (keys) return keys
  }
  return undefined
}

async function keptKey({ settings, console }: KeySession, keyId: string, stored: StoredKeys): Promise<RepositoryKeys | undefined> {
  const { rememberedKey } = await import('./remembered-keys.ts')
  const kept = rememberedKey(settings.configFolder, keyId)
  if (kept === undefined) return undefined
  const { unwrapKey } = await import('../../repository/sealing/key-object.ts')
  const key = await stored.get(kept.object)
  const keys = key && (await unwrapKey(key.object, kept.secret))
  if (keys === undefined) console.reporter.note('the key that this machine keeps for the repository was removed from it')
  return keys
}
