import { versionLabel } from '../../repository/format/snapshot.ts'
import { openForReading } from '../../repository/open/open.ts'
import { changeTags, checkTags, type TagChange } from '../../repository/versions/tags.ts'
import { parseVersion } from '../../repository/versions/versions.ts'
import { findVersion } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'

export function tagCommand(session: Session, version: string, tags: string[], options: { move?: boolean }): Promise<Outcome> {
  return change(session, 'tag', version, { add: checkTags(tags), remove: [], move: options.move === true })
}

export function untagCommand(session: Session, version: string, tags: string[]): Promise<Outcome> {
  return change(session, 'untag', version, { add: [], remove: [...new Set(tags)], move: false })
}

async function change(session: Session, command: 'tag' | 'untag', version: string, tagChange: TagChange): Promise<Outcome> {
  const spec = parseVersion(version)
  const { storage } = await chooseStore(session)
  const context = session.context(storage, 0)
  const repository = await openForReading(context)
  const snapshot = await findVersion(session, repository, spec)
  const { tags, elsewhere } = await changeTags(context, repository, snapshot, tagChange)
  const label = versionLabel(snapshot)
  for (const { tag, newest, versions } of elsewhere)
    session.console.reporter.note(
      `${versions} versions have the tag ${tag}: ${snapshot.name}@${tag} means the newest, ${newest.id.slice(0, 8)}; tag --move removes it from the others`,
    )
  session.console.result([tags.length === 0 ? `${label} has no tags.` : `${label} has the tags: ${tags.join(', ')}`], {
    command,
    name: snapshot.name,
    version: snapshot.id,
    tags,
  })
  return 'done'
}
