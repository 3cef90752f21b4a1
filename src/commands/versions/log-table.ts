import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import { describeIncomplete, formatMetric, localTime, plural, recentTime } from '../../ui/format.ts'
import { renderTable, type Column } from '../../ui/table.ts'
import { shortenEnd, shortenMiddle, textWidth } from '../../ui/width.ts'
import { isAppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { LogRow } from './log-order.ts'

export interface LogLook {
  ofOneName: boolean
  /** The metrics that the user wants to see. */
  metrics: readonly string[] | undefined
  /** The metric that the rows are sorted by: the first one to be shown. */
  first: string | undefined
  columns: number
  /** Times are told from here, ms since 1970. Undefined: absolute times. */
  relativeTo: number | undefined
}

interface Filled extends Column {
  cells: readonly string[]
}

interface MetricColumn extends Filled {
  name: string
}

const GAP = 2
/** Of a name, and of tags and message, so much is shown before a further metric is. */
const LEAST_TEXT = 20
const WIDEST_TITLE = 18

/** A table of versions with a column for each metric that fits, and a line that names the metrics that don't. */
export function logTable(rows: readonly LogRow[], look: LogLook): string[] {
  const fixed = fixedColumns(rows, look)
  const notes: Filled = { title: 'tags, message', cells: rows.map(notesOf) }
  const hasNotes = notes.cells.some(cell => cell !== '')
  const metrics = metricColumns(rows, look)
  const room = look.columns - widthOf([...fixed, ...(hasNotes ? [notes] : [])], LEAST_TEXT)
  const { fitting, rest } = fit(metrics, room)
  const columns = [...fixed, ...fitting]
  if (hasNotes) {
    const left = look.columns - widthOf(columns, LEAST_TEXT) - GAP
    // the beginning of a message says most
    columns.push({ ...notes, cells: notes.cells.map(cell => shortenEnd(cell, Math.max(LEAST_TEXT, left))) })
  }
  const lines = renderTable(
    columns,
    rows.map((_, row) => columns.map(({ cells }) => cells[row]!)),
    look.columns,
  )
  return rest.length === 0 ? lines : [...lines, shortenEnd(`+${plural(rest.length, 'metric')}: --metrics ${rest.join(',')}`, look.columns)]
}

function fixedColumns(rows: readonly LogRow[], { ofOneName, relativeTo }: LogLook): Filled[] {
  const right = (title: string, cellOf: (version: StoredSnapshot) => string): Filled => ({
    title,
    align: 'right',
    cells: rows.map(({ version }) => (isAppError(version) ? '' : cellOf(version))),
  })
  const timeOf = (ms: number): string => (relativeTo === undefined ? localTime(ms) : recentTime(ms, relativeTo))
  const commit = right('commit', ({ git }) => (git ? `${git.commit.slice(0, 7)}${git.dirty === true ? '+' : ' '}` : ''))
  return [
    ...(ofOneName ? [] : [{ title: 'name', cells: rows.map(({ ref }) => ref.name) }]),
    // cells of a fixed width must never be shortened, so they are aligned like numbers
    { title: 'version', align: 'right', cells: rows.map(({ ref }) => ref.shortId.slice(0, 8)) },
    { title: 'time', align: 'right', cells: rows.map(({ ref }) => timeOf(ref.effectiveTime)) },
    right('size', ({ bytes }) => formatBytes(bytes)),
    right('new', ({ added }) => formatBytes(added.storedBytes)),
    ...(ofOneName && commit.cells.some(cell => cell !== '') ? [commit] : []),
  ]
}

function notesOf({ version, tags, isPending }: LogRow): string {
  if (isAppError(version)) return version.code === 'newer-format' ? '(of a newer colab-escape)' : '(damaged: colab-escape check)'
  const { message = '', incomplete, lacksChunks } = version
  const parts = [
    ...(incomplete ? [`(${describeIncomplete(incomplete)})`] : []),
    ...(lacksChunks ? [isPending ? '(unfinished)' : '(damaged: lacks data)'] : []),
    ...tags.map(tag => `[${tag}]`),
    message,
  ]
  return parts.join(' ').trim()
}

/** The columns of the metrics that the shown versions have, in the order in which they are to be kept. */
function metricColumns(rows: readonly LogRow[], { metrics, first, columns }: LogLook): MetricColumn[] {
  const valuesOf = (name: string): (number | undefined)[] =>
    rows.map(({ version }) => (!isAppError(version) && Object.hasOwn(version.metrics, name) ? version.metrics[name]! : undefined))
  const given = new Set(rows.flatMap(({ version }) => (isAppError(version) ? [] : Object.keys(version.metrics))))
  const names = metrics ?? (columns < Infinity ? usefulFirst([...given], first, valuesOf) : [...given])
  return names.map(name => ({
    title: columns < Infinity ? shortenMiddle(name, WIDEST_TITLE) : name,
    name,
    align: 'right' as const,
    cells: valuesOf(name).map(value => (value === undefined ? '' : formatMetric(value))),
  }))
}

const HELD_OUT = /^(val|valid|validation|eval|test|dev|best)(?![a-z])/i
const COUNTER = /(^|[^a-z])(epochs?|steps?|iter(ation)?s?|lr|learning_rate|seed|time|runtime|seconds)($|[^a-z])/i

/**
 * What tells versions apart comes first: the metric that they are sorted by, then those of held-out data, then other
 * ones, then counters and settings, at last what is the same in all.
 */
function usefulFirst(names: string[], first: string | undefined, valuesOf: (name: string) => (number | undefined)[]): string[] {
  const rank = (name: string): number => {
    const values = valuesOf(name).filter(value => value !== undefined)
    if (name === first) return 0
    if (values.length > 1 && new Set(values).size === 1) return 4
    return COUNTER.test(name) ? 3 : HELD_OUT.test(name) ? 1 : 2
  }
  return names
    .map(name => ({ name, rank: rank(name) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ name }) => name)
}

/** As many of the columns as fit, the first ones first. A narrower one may fit where a wider one doesn't. */
function fit(columns: readonly MetricColumn[], room: number): { fitting: MetricColumn[]; rest: string[] } {
  const fitting: MetricColumn[] = []
  const rest: string[] = []
  let left = room
  for (const column of columns) {
    const width = cellWidth(column) + GAP
    if (width <= left) {
      fitting.push(column)
      left -= width
    } else rest.push(column.name)
  }
  return { fitting, rest }
}

const cellWidth = ({ title, cells }: Filled): number => cells.reduce((most, cell) => Math.max(most, textWidth(cell)), textWidth(title))

/** The width that columns need. Those of text need `leastText` at most. */
function widthOf(columns: readonly Filled[], leastText: number): number {
  const widths = columns.map(column => (column.align === 'right' ? cellWidth(column) : Math.min(cellWidth(column), leastText)))
  return widths.reduce((sum, width) => sum + width + GAP, -GAP)
}
