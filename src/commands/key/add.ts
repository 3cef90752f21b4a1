import { passwordBytes } from '../../repository/sealing/key-object.ts'
import { AppError } from '../../util/errors.ts'
import { openWith, readStoredKeys, refuse, type StoredKey } from '../shared/encryption.ts'
import { newKey } from '../shared/encrypt-store.ts'
import {
  askNewPassword,
  askPassword,
  canAskPassword,
  checkNewPassword,
  givenPassword,
  passwordIn,
  type GivenPassword,
} from '../shared/password.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { findLocked, labelText, shortIdOf, unlock } from './unlocked.ts'

interface NewPassword {
  newPasswordFile?: string
  label?: string
}

export async function keyAddCommand(session: Session, options: NewPassword): Promise<Outcome> {
  const { location, storage, keys } = await unlock(session)
  const password = await newPasswordFor(session, location, options)
  const added = await newKey(keys, 'password', passwordBytes(password), options.label ?? session.settings.host)
  await storage.put(added.name, added.bytes, { signal: session.signal })
  const id = shortIdOf(added.name)
  session.console.result([`Added the password ${id} to the repository in ${location}.`], { command: 'key add', location, id })
  return 'done'
}

export async function keyChangeCommand(session: Session, options: NewPassword): Promise<Outcome> {
  const { signal, console } = session
  const locked = await findLocked(session)
  const storage = locked.inner
  const { location } = storage
  const stored = await readStoredKeys(session, locked)
  const old = await currentPassword(session, location)
  const keys = (await openWith(stored, old.text)) ?? refuse(old, location)
  const replaced: StoredKey[] = []
  for (const key of stored) if (key.object.kind === 'password' && (await openWith([key], old.text))) replaced.push(key)
  if (replaced.length === 0)
    throw new AppError('usage', 'What opens the repository now is not a password, so there is none to change.', {
      hint: 'Add a password with `colab-escape key add`, and remove an old one with `colab-escape key remove`.',
    })
  const password = await newPasswordFor(session, location, options)
  const added = await newKey(keys, 'password', passwordBytes(password), labelText(keys, replaced[0]!))
  await storage.put(added.name, added.bytes, { signal })
  // the new one is there before the old one goes
  for (const { name } of replaced) await storage.remove(name, { signal })
  const id = shortIdOf(added.name)
  console.result([`The password of the repository in ${location} is changed.`], { command: 'key change', location, id })
  return 'done'
}

/** The password that is to be replaced, also if this machine opens the repository with a key that it keeps. */
async function currentPassword(session: Session, location: string): Promise<GivenPassword> {
  const given = await givenPassword(session)
  if (given) return given
  if (canAskPassword()) return { text: await askPassword(session, `Old password of ${location}: `), origin: 'the terminal' }
  throw new AppError('unauthenticated', 'The password that is to be changed was not given.', {
    hint: 'Set COLAB_ESCAPE_PASSWORD, name a file with --password-file, or run the command in a terminal.',
  })
}

async function newPasswordFor(session: Session, location: string, { newPasswordFile }: NewPassword): Promise<string> {
  if (newPasswordFile !== undefined) return checkNewPassword(passwordIn(newPasswordFile))
  const { newPassword } = session.settings
  if (newPassword !== undefined) return checkNewPassword(newPassword)
  if (canAskPassword()) return askNewPassword(session, `New password of ${location}: `)
  throw new AppError('unauthenticated', 'No new password was given, and nobody can be asked for one.', {
    hint: 'Set COLAB_ESCAPE_NEW_PASSWORD, name a file with --new-password-file, or run the command in a terminal.',
  })
}
