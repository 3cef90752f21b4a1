import type { StoredSnapshot } from '../repository/snapshot.ts'
import { checkName } from '../repository/object-names.ts'
import { readSnapshots, readTags } from '../repository/versions.ts'
import { formatBytes, formatCount } from '../ui/format.ts'
import { renderTable, type Column } from '../ui/table.ts'
import { AppError } from '../util/errors.ts'
import { openRepository } from './open.ts'
import type { Outcome, Session } from './session.ts'

const COLUMNS: Column[] = [
  { title: 'name' },
  { title: 'version' },
  { title: 'time' },
  { title: 'files', align: 'right' },
  { title: 'size', align: 'right' },
  { title: 'added', align: 'right' },
  { title: 'tags' },
  { title: 'message' },
]

/** Versions of one name or of all, the newest first. */
export async function logCommand(session: Session, name: string | undefined): Promise<Outcome> {
  if (name !== undefined) checkName(name)
  const repository = await openRepository(session)
  const { inventory } = repository.view
  const refs = inventory.snapshots.filter(ref => name === undefined || ref.name === name)
  if (name !== undefined && refs.length === 0) {
    const names = [...new Set(inventory.snapshots.map(ref => ref.name))].sort()
    throw new AppError('not-found', `There is no ${JSON.stringify(name)} in ${repository.storage.location}.`, {
      hint: `It holds: ${names.join(', ') || 'nothing yet'}`,
    })
  }
  const before = repository.view.problems.length
  const snapshots = await readSnapshots(repository, repository.view, refs)
  const tags = await readTags(repository.storage, repository.view, snapshots, session.signal)
  for (const problem of repository.view.problems.slice(before)) session.console.reporter.warn(problem.message)
  const newestFirst = [...snapshots].reverse()
  const rows = newestFirst.map(snapshot => row(snapshot, tags.get(snapshot.id)!))
  const human = rows.length === 0 ? 'No versions yet.' : renderTable(COLUMNS, rows, session.console.columns)
  session.console.print(human, { command: 'log', versions: newestFirst.map(snapshot => machine(snapshot, tags.get(snapshot.id)!)) })
  return repository.view.problems.length > before ? 'damaged' : 'done'
}

export function localTime(ms: number): string {
  const time = new Date(ms)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`
}

function row(snapshot: StoredSnapshot, tags: string[]): string[] {
  const { name, id, time, counts, bytes, added, message } = snapshot
  return [
    name,
    id.slice(0, 8),
    localTime(time),
    formatCount(counts.files),
    formatBytes(bytes),
    formatBytes(added.storedBytes),
    tags.join(' '),
    message ?? '',
  ]
}

function machine(snapshot: StoredSnapshot, tags: string[]): object {
  const { name, id, time, counts, bytes, added, message, host, source, parent, metrics } = snapshot
  return {
    name,
    version: id,
    time: new Date(time).toISOString(),
    counts,
    bytes,
    added,
    message: message ?? null,
    tags,
    metrics,
    host,
    source,
    parent,
  }
}
