import { checkName } from '../../repository/format/object-names.ts'
import { listTrash, refuseTrashed } from '../../repository/prune/empty-trash.ts'
import { rename } from '../../repository/prune/rename.ts'
import { parseName } from '../../repository/versions/names.ts'
import { dropNotedVersion } from '../../repository/versions/noted-version.ts'
import { plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { refuseMounted } from '../shared/space-report.ts'
import { chooseStore } from '../shared/store.ts'

/** Gives all versions of a name another name. */
export async function renameCommand(session: Session, name: string, newName: string): Promise<Outcome> {
  const [from, to] = [parseName(name), checkName(newName)]
  if (from === to) throw new AppError('usage', `${from} has this name already.`, { hint: 'Give another name.' })
  const store = await chooseStore(session)
  refuseMounted(store)
  refuseTrashed(await listTrash(session.trash, { signal: session.signal }))
  const versions = await rename(session.context(store.storage, 0), from, to)
  await dropNotedVersion(session.notedVersionFile(store.storage.location, from))
  session.console.result(
    [`Renamed ${plural(versions, 'version')} of ${from} to ${to}`, `  A folder keeps its own name: push it with --name ${to} from now on.`],
    { command: 'rename', from, name: to, versions },
  )
  return 'done'
}
