import { isPending } from '../../repository/format/snapshot.ts'
import type { OpenRepository } from '../../repository/open/open.ts'
import { timeRange } from '../../repository/versions/moments.ts'
import { metricsHint } from '../../repository/versions/choose-version.ts'
import { parseName, unknownName } from '../../repository/versions/names.ts'
import { readEach, readTags } from '../../repository/versions/versions.ts'
import { formatCount, plural } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { openRepository } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { parseSort, type LogRow, type Sort } from './log-order.ts'
import { logTable } from './log-table.ts'

export interface LogOptions {
  sort?: string
  reverse?: boolean
  limit?: string
  all?: boolean
  since?: string
  until?: string
  tag?: string[]
  metrics?: string
  time?: 'relative' | 'absolute'
  format?: 'table' | 'ids'
  ids?: boolean
}

/** Lines of a terminal that a list leaves free: for its heading, for what follows it, and for the prompt. */
const ROOM = 5

/**
 * Lists the versions of one name or of all names, newest first, as in a pipe and in JSON. On a terminal these are only
 * as many as it has lines: the newest one is in sight, a notebook needs no pager, and of a thousand versions only those
 * that are shown are read.
 */
export async function logCommand(session: Session, written: string | undefined, options: LogOptions): Promise<Outcome> {
  const name = written === undefined ? undefined : parseName(written)
  const sort = parseSort(options.sort)
  const limit = limitOf(options.limit)
  const metrics = options.metrics?.split(',').map(each => each.trim())
  timeRange(options, 0)
  const repository = await openRepository(session)
  const { inventory, problems } = repository.view
  const named = inventory.snapshots.filter(ref => name === undefined || ref.name === name)
  if (name !== undefined && named.length === 0)
    throw unknownName(
      repository.storage.location,
      inventory.snapshots.map(ref => ref.name),
      name,
    )
  const before = problems.length
  const { console } = session
  const asIds = options.ids === true || options.format === 'ids'
  const isCut = limit === undefined && options.all !== true && options.reverse !== true && !asIds && session.options.json !== true
  const most = limit ?? (isCut ? Math.max(ROOM, console.rows - ROOM) : Infinity)
  const { since, until } = timeRange(options, inventory.now)
  const refs = named.filter(({ effectiveTime }) => since <= effectiveTime && effectiveTime <= until).reverse()
  // what only contents tell needs all versions; of those in the order of their times, only the shown ones are read
  const byRef = sort.ofRef === true && options.tag === undefined
  const ordered = byRef
    ? sort
        .order(
          refs.map(ref => ({ ref })),
          options.reverse === true,
        )
        .map(({ ref }) => ref)
    : refs
  const read = await readRows(repository, byRef ? ordered.slice(0, most) : ordered)
  const wanted = read.filter(({ tags }) => options.tag === undefined || options.tag.some(tag => tags.includes(tag)))
  const rows = byRef ? wanted : orderRows(wanted, sort, options.reverse === true, name).slice(0, most)
  const more = byRef ? Math.max(0, ordered.length - most) : wanted.length - rows.length
  for (const problem of problems.slice(before)) console.reporter.warn(problem.message)
  const human = asIds ? rows.flatMap(({ version }) => (isAppError(version) ? [] : [version.id])) : table()
  console.print(human, {
    command: 'log',
    versions: rows.flatMap(row => (isAppError(row.version) ? [] : [versionToJson(row)])),
    damaged: rows.flatMap(row => (isAppError(row.version) ? [damageToJson(row, row.version)] : [])),
    more,
  })
  return problems.length > before ? 'damaged' : 'done'

  function table(): string[] {
    if (rows.length === 0) return [named.length === 0 ? 'No versions yet.' : 'No version matches.']
    if (metrics) checkMetrics(metrics, rows, name)
    const lines = logTable(rows, {
      ofOneName: name !== undefined,
      metrics,
      first: sort.metric,
      columns: console.columns,
      relativeTo: options.time === 'relative' || (options.time === undefined && console.columns < Infinity) ? inventory.now : undefined,
    })
    if (isCut && more > 0) lines.push(`... and ${formatCount(more)} ${sort.isTime ? 'older' : 'more'} (--all shows them, -n limits)`)
    const names = new Set(named.map(ref => ref.name)).size
    if (isCut && more > 0 && names > 1) lines.push(`${plural(names, 'name')} in all: colab-escape ls`)
    return lines
  }
}

async function readRows(repository: OpenRepository, refs: readonly LogRow['ref'][]): Promise<LogRow[]> {
  const { view, storage, signal } = repository
  const read = await readEach(repository, view, refs)
  const snapshots = read.flatMap(({ version }) => (isAppError(version) ? [] : [version]))
  const tags = await readTags(storage, view, snapshots, signal)
  return read.map(({ ref, version }) => ({
    ref,
    version,
    tags: isAppError(version) ? [] : tags.get(version.id)!,
    isPending: !isAppError(version) && version.lacksChunks === true && isPending(version, view.inventory),
  }))
}

function orderRows(rows: readonly LogRow[], sort: Sort, reverse: boolean, name: string | undefined): LogRow[] {
  if (sort.metric !== undefined) checkMetrics([sort.metric], rows, name)
  return sort.order(rows, reverse)
}

/** Throws `not-found` if none of the versions has one of the metrics. */
function checkMetrics(metrics: readonly string[], rows: readonly LogRow[], name: string | undefined): void {
  const readable = rows.flatMap(({ version }) => (isAppError(version) ? [] : [version]))
  const unknown = metrics.find(metric => !readable.some(version => Object.hasOwn(version.metrics, metric)))
  if (unknown === undefined || readable.length === 0) return
  throw new AppError('not-found', `No version${name === undefined ? '' : ` of ${name}`} has the metric ${JSON.stringify(unknown)}.`, {
    hint: metricsHint(name ?? 'The versions', readable),
  })
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text)
  throw new AppError('usage', `--limit ${text} is not a number of versions.`, { hint: 'Use e.g. -n 20.' })
}

function versionToJson({ version, tags }: LogRow): object {
  if (isAppError(version)) return {}
  const { name, id, ref, counts, bytes, added, message, host, source, parent, metrics, git, incomplete, lacksChunks } = version
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

function damageToJson({ ref }: LogRow, { message }: AppError): object {
  return { name: ref.name, version: ref.shortId, time: new Date(ref.effectiveTime).toISOString(), why: message }
}
