import pLimit from 'p-limit'
import { newestOf } from '../../repository/versions/versions.ts'
import { formatCount, localTime, plural, recentTime } from '../../ui/format.ts'
import { renderTable, right } from '../../ui/table.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { groupBy } from '../../util/group-by.ts'
import { openRepository } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'

/** Names whose newest versions are read side by side. */
const PARALLEL_NAMES = 8

/** Lists the names of the repository, each with its newest version that can be read. */
export async function lsNamesCommand(session: Session): Promise<Outcome> {
  const { console } = session
  const repository = await openRepository(session)
  const { inventory, problems } = repository.view
  const byName = groupBy(inventory.snapshots, ({ name }) => name)
  const before = problems.length
  const limit = pLimit(PARALLEL_NAMES)
  const names = await Promise.all(
    [...byName].map(([name, refs]) =>
      limit(async () => ({ name, versions: refs.length, newest: await newestOf(repository, repository.view, refs) })),
    ),
  )
  names.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const problem of problems.slice(before)) console.reporter.warn(problem.message)
  const timeOf = (ms: number): string => (console.columns < Infinity ? recentTime(ms, inventory.now) : localTime(ms))
  const rows = names.map(({ name, versions, newest }) => [
    name,
    formatCount(versions),
    ...(newest
      ? [newest.id.slice(0, 8), timeOf(newest.ref.effectiveTime), formatCount(newest.counts.files), formatBytes(newest.bytes)]
      : ["(can't be read)"]),
  ])
  const columns = [{ title: 'name' }, ...['versions', 'newest', 'time', 'files', 'size'].map(right)]
  const total = `${plural(names.length, 'name')}, ${plural(inventory.snapshots.length, 'version')}`
  console.print(rows.length === 0 ? ['No versions yet.'] : [...renderTable(columns, rows, console.columns), total], {
    command: 'ls',
    names: names.map(({ name, versions, newest }) => ({
      name,
      versions,
      newest: newest
        ? {
            version: newest.id,
            time: new Date(newest.ref.effectiveTime).toISOString(),
            files: newest.counts.files,
            bytes: newest.bytes,
          }
        : null,
    })),
  })
  return problems.length > before ? 'damaged' : 'done'
}
