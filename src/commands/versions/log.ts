import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import { parseName, unknownName } from '../../repository/versions/names.ts'
import { readSnapshots, readTags } from '../../repository/versions/versions.ts'
import { describeIncomplete, describeMetrics, localTime } from '../../ui/format.ts'
import { renderTable, type Column } from '../../ui/table.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { openRepository } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'

type Titled = Column & { cell: (snapshot: StoredSnapshot, tags: readonly string[]) => string; optional?: boolean }

// cells of a fixed width must never be shortened, so they are aligned like numbers
const ALL: readonly Titled[] = [
  { title: 'version', align: 'right', cell: ({ id }) => id.slice(0, 8) },
  { title: 'time', align: 'right', cell: ({ ref }) => localTime(ref.effectiveTime) },
  { title: 'size', align: 'right', cell: ({ bytes }) => formatBytes(bytes) },
  { title: 'new', align: 'right', cell: ({ added }) => formatBytes(added.storedBytes) },
]
const NAME: Titled = { title: 'name', cell: ({ name }) => name }
const COMMIT: Titled = {
  title: 'commit',
  align: 'right',
  optional: true,
  cell: ({ git }) => (git ? `${git.commit.slice(0, 7)}${git.dirty === true ? '+' : ' '}` : ''),
}
const METRICS: Titled = { title: 'metrics', optional: true, cell: ({ metrics }) => describeMetrics(metrics) }
const NOTES: Titled = {
  title: 'tags, message',
  optional: true,
  cell: ({ message = '', incomplete, lacksChunks }, tags) =>
    [
      ...(incomplete ? [`(${describeIncomplete(incomplete)})`] : []),
      ...(lacksChunks ? ['(lacks data: colab-escape check)'] : []),
      ...tags.map(tag => `[${tag}]`),
      message,
    ]
      .join(' ')
      .trim(),
}

/** Lists the versions of one name or of all names, newest first. */
export async function logCommand(session: Session, written: string | undefined): Promise<Outcome> {
  const name = written === undefined ? undefined : parseName(written)
  const repository = await openRepository(session)
  const { snapshots: all } = repository.view.inventory
  const refs = all.filter(ref => name === undefined || ref.name === name)
  if (name !== undefined && refs.length === 0)
    throw unknownName(
      repository.storage.location,
      all.map(ref => ref.name),
      name,
    )
  const before = repository.view.problems.length
  const snapshots = await readSnapshots(repository, repository.view, refs, { pending: true })
  const tags = await readTags(repository.storage, repository.view, snapshots, session.signal)
  for (const problem of repository.view.problems.slice(before)) session.console.reporter.warn(problem.message)
  const newestFirst = [...snapshots].reverse()
  const shown = name === undefined ? [NAME, ...ALL, METRICS, NOTES] : [...ALL, COMMIT, METRICS, NOTES]
  const cells = shown.map(({ cell }) => newestFirst.map(snapshot => cell(snapshot, tags.get(snapshot.id)!)))
  const used = shown.flatMap((column, at) => (column.optional && cells[at]!.every(cell => cell === '') ? [] : [at]))
  const rows = newestFirst.map((_, row) => used.map(at => cells[at]![row]!))
  const columns = used.map(at => shown[at]!)
  const human = rows.length === 0 ? ['No versions yet.'] : renderTable(columns, rows, session.console.columns)
  session.console.print(human, { command: 'log', versions: newestFirst.map(snapshot => versionToJson(snapshot, tags.get(snapshot.id)!)) })
  return repository.view.problems.length > before ? 'damaged' : 'done'
}

function versionToJson(snapshot: StoredSnapshot, tags: string[]): object {
  const { name, id, ref, counts, bytes, added, message, host, source, parent, metrics, git, incomplete, lacksChunks } = snapshot
  return {
    name,
    version: id,
    time: new Date(ref.effectiveTime).toISOString(),
    counts,
    bytes,
    added,
    message: message ?? null,
    tags,
    metrics,
    git: git ?? null,
    incomplete: incomplete ?? null,
    lacksChunks: lacksChunks === true,
    host,
    source,
    parent,
  }
}
