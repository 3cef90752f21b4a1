import { KEY_BYTES } from '../../repository/sealing/keys.ts'
import { realSurroundings } from '../../util/clock.ts'
import { newKey } from '../shared/encrypt-store.ts'
import { forgetKey, keepKey, rememberedKey } from '../shared/remembered-keys.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { findLocked, shortIdOf, unlock } from './unlocked.ts'

export async function keyRememberCommand(session: Session): Promise<Outcome> {
  const { location, storage, keys, stored } = await unlock(session)
  const { configFolder, host } = session.settings
  const kept = rememberedKey(configFolder, keys.id)
  if (kept && stored.some(({ name }) => name === kept.object)) {
    session.console.result([`This machine keeps a key of the repository in ${location} already.`], {
      command: 'key remember',
      location,
      id: shortIdOf(kept.object),
    })
    return 'done'
  }
  const secret = realSurroundings.random(KEY_BYTES)
  const object = await newKey(keys, 'machine', secret, host)
  await storage.put(object.name, object.bytes, { signal: session.signal })
  const file = await keepKey(configFolder, keys.id, { secret, object: object.name })
  session.console.result(
    [
      `This machine opens the repository in ${location} without a password from now on.`,
      `Its key is in ${file}, which only you can read. \`colab-escape key forget\` removes it.`,
    ],
    { command: 'key remember', location, id: shortIdOf(object.name), file },
  )
  return 'done'
}

export async function keyForgetCommand(session: Session): Promise<Outcome> {
  const { keyId, inner } = await findLocked(session)
  const { configFolder } = session.settings
  const kept = rememberedKey(configFolder, keyId)
  // first in the store: a copy of the file is then worth nothing
  if (kept) await inner.remove(kept.object, { signal: session.signal })
  forgetKey(configFolder, keyId)
  const what = kept ? 'This machine keeps no key any more of' : 'This machine kept no key of'
  session.console.result([`${what} the repository in ${inner.location}.`], { command: 'key forget', location: inner.location })
  return 'done'
}
