import { takeInventory } from '../../repository/format/object-names.ts'
import { passwordBytes, wrapKey, type KeyKind } from '../../repository/sealing/key-object.ts'
import { KEY_BYTES, RepositoryKeys } from '../../repository/sealing/keys.ts'
import { formatRecoveryCode, RECOVERY_BYTES } from '../../repository/sealing/recovery-code.ts'
import { realSurroundings } from '../../util/clock.ts'
import { AppError } from '../../util/errors.ts'
import { askNewPassword, canAskPassword, checkNewPassword, givenPassword } from './password.ts'
import type { Session } from './session.ts'
import { refuseOthersFiles, type Store } from './store.ts'

export interface NewKeyObject {
  name: string
  bytes: Uint8Array
}

/** A new key object. `secret` is random if it is not a password. */
export function newKey(keys: RepositoryKeys, kind: KeyKind, secret: Uint8Array, label: string): Promise<NewKeyObject> {
  const { random, now } = realSurroundings
  return wrapKey(keys, { kind, secret, label, created: now(), random })
}

/** What a recovery code is for, and the code itself: shown once, for a person to print. */
export function recoveryLines(code: string): string[] {
  return [
    `Recovery code: ${code}`,
    'Print it and keep it away from this machine. It opens the repository if the password is lost.',
    'If all passwords and recovery codes are lost, nobody can read the repository again.',
  ]
}

/**
 * Makes a store encrypted, if it holds no repository yet. Errors: `usage` if it holds one that is not encrypted, or if
 * there is nobody to ask for a password.
 */
export async function encryptStore(session: Session, store: Store, dryRun: boolean): Promise<void> {
  const { signal, console } = session
  const { storage } = session.showingFlight(store.storage)
  const inventory = takeInventory(await storage.list({ signal }))
  if (store.encryption.repositoryKeys !== undefined) return console.reporter.detail('the repository is encrypted already')
  const { location } = store.storage
  if (!inventory.empty)
    throw new AppError('usage', `The repository in ${location} is not encrypted, and can't become so.`, {
      hint: 'Push to a new store with --encrypt, and remove the old one when all that you need is in the new one.',
    })
  await refuseOthersFiles(store, inventory)
  if (dryRun) return
  const password = await newPassword(session, `Choose a password for ${location}: `)
  const keys = new RepositoryKeys(realSurroundings.random(KEY_BYTES))
  const objects = [await newKey(keys, 'password', passwordBytes(password), session.settings.host)]
  // a code that nobody sees is no way back
  const recovery = session.options.quiet === true ? undefined : await newRecovery(session, keys)
  await store.encryption.encrypt(keys, [...(recovery ? [recovery.object] : []), ...objects], { signal })
  session.keys.set(keys.id, keys)
  if (recovery) console.event(recoveryLines(recovery.code), { event: 'encrypted', location, recoveryCode: recovery.code })
}

/** A new recovery code and its key object. */
export async function newRecovery(session: Session, keys: RepositoryKeys): Promise<{ code: string; object: NewKeyObject }> {
  const secret = realSurroundings.random(RECOVERY_BYTES)
  return { code: formatRecoveryCode(secret), object: await newKey(keys, 'recovery', secret, session.settings.host) }
}

/** A new password: the one that was given, or one that a person types twice. Errors: `usage`, `unauthenticated`. */
export async function newPassword(session: Session, question: string): Promise<string> {
  const given = await givenPassword(session)
  if (given) return checkNewPassword(given.text)
  if (canAskPassword()) return askNewPassword(session, question)
  throw new AppError('unauthenticated', 'No password was given, and nobody can be asked for one.', {
    hint: 'Set COLAB_ESCAPE_PASSWORD, name a file with --password-file, or run the command in a terminal.',
  })
}
