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

/** Reads the key objects. One that is damaged is told, and passed over. */
export async function readKeyObjects(session: KeySession, { inner, keyObjects }: LockedStore): Promise<StoredKey[]> {
  const { decodeKeyObject } = await import('../../repository/sealing/key-object.ts')
  const read = await Promise.all(
    keyObjects.map(async name => {
      try {
        return { name, object: decodeKeyObject(name, await inner.get(name, undefined, { signal: session.signal })) }
      } catch (error) {
        if (!isAppError(error, 'corrupt', 'not-found')) throw error
        session.console.reporter.warn(asSentence(error.message))
        return undefined
      }
    }),
  )
  return read.filter(key => key !== undefined)
}

/** The key objects. Errors: `corrupt` if none can be read. */
export async function readStoredKeys(session: KeySession, locked: LockedStore): Promise<StoredKey[]> {
  const stored = await readKeyObjects(session, locked)
  if (stored.length > 0) return stored
  throw new AppError('corrupt', `The repository in ${locked.inner.location} is encrypted, and no key of it is there.`, {
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
  const stored = await readStoredKeys(session, locked)
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

/** Tries a text as a recovery code if it is one, else as a password. */
export async function openWith(stored: readonly StoredKey[], text: string): Promise<RepositoryKeys | undefined> {
  const { passwordBytes, unwrapKey } = await import('../../repository/sealing/key-object.ts')
  const { parseRecoveryCode } = await import('../../repository/sealing/recovery-code.ts')
  const code = parseRecoveryCode(text)
  const tries: [KeyKind, Uint8Array][] = [...(code ? [['recovery', code] as [KeyKind, Uint8Array]] : []), ['password', passwordBytes(text)]]
  for (const [kind, secret] of tries) {
    for (const { object } of stored) {
      const keys = object.kind === kind ? await unwrapKey(object, secret) : undefined
      if (keys) return keys
    }
  }
  return undefined
}

async function keptKey(
  { settings, console }: KeySession,
  keyId: string,
  stored: readonly StoredKey[],
): Promise<RepositoryKeys | undefined> {
  const { rememberedKey } = await import('./remembered-keys.ts')
  const kept = rememberedKey(settings.configFolder, keyId)
  if (kept === undefined) return undefined
  const { unwrapKey } = await import('../../repository/sealing/key-object.ts')
  const key = stored.find(({ name }) => name === kept.object)
  const keys = key && (await unwrapKey(key.object, kept.secret))
  if (keys === undefined) console.reporter.note('the key that this machine keeps for the repository was removed from it')
  return keys
}
