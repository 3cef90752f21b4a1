import { parseKeyObjectName } from '../../repository/sealing/key-object.ts'
import { AppError } from '../../util/errors.ts'
import { canAsk, confirm, unlessDeclined } from '../shared/prompt.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { describeKind, labelText, shortIdOf, unlock } from './unlocked.ts'

export async function keyRemoveCommand(session: Session, given: string, { yes }: { yes?: boolean }): Promise<Outcome> {
  const { location, storage, keys, stored } = await unlock(session)
  const found = stored.filter(({ name }) => /^[0-9a-f]{4,64}$/.test(given) && parseKeyObjectName(name)!.id.startsWith(given))
  const [key] = found
  if (key === undefined || found.length > 1)
    throw new AppError('not-found', `${found.length > 1 ? 'Several keys begin' : 'No key begins'} with ${JSON.stringify(given)}.`, {
      hint: '`colab-escape key list` shows the ids.',
    })
  // a kept key goes with its machine, so it is no way back
  const others = stored.filter(each => each !== key && each.object.kind !== 'machine')
  if (others.length === 0)
    throw new AppError('usage', `${shortIdOf(key.name)} is the last password or recovery code of the repository in ${location}.`, {
      hint: 'Without it nobody could read the repository again. Add another one first: `colab-escape key add`, or `colab-escape key recovery`.',
    })
  const what = `${describeKind[key.object.kind]} ${shortIdOf(key.name)} (${labelText(keys, key)})`
  return unlessDeclined(session, async () => {
    if (canAsk(session, yes === true)) await confirm(session, `Remove the ${what} from the repository in ${location}?`)
    await storage.remove(key.name, { signal: session.signal })
    const lines = [
      `Removed the ${what} from the repository in ${location}.`,
      'Who has opened the repository with it may have kept the master key, and can still read what is stored. Only a new repository has a new one.',
    ]
    session.console.result(lines, { command: 'key remove', location, id: shortIdOf(key.name) })
    return 'done'
  })
}
