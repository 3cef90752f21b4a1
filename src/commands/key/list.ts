import { renderTable } from '../../ui/table.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { describeKind, labelText, shortIdOf, unlock } from './unlocked.ts'

export async function keyListCommand(session: Session): Promise<Outcome> {
  const { keys, stored, location } = await unlock(session)
  const rows = stored.map(key => ({
    id: shortIdOf(key.name),
    kind: key.object.kind,
    label: labelText(keys, key),
    created: new Date(key.object.created).toISOString(),
  }))
  const lines = renderTable(
    ['id', 'kind', 'made', 'label'].map(title => ({ title })),
    rows.map(({ id, kind, label, created }) => [id, describeKind[kind], created.slice(0, 10), label]),
    session.console.columns,
  )
  session.console.print(lines, {
    command: 'key list',
    location,
    key: keys.id,
    keys: rows,
  })
  return 'done'
}
