import type { SnapshotRef } from '../../repository/format/object-names.ts'
import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import { isMetricName } from '../../repository/versions/metrics.ts'
import { AppError, isAppError } from '../../util/errors.ts'

/** A version that `log` shows, or why it can't be read. */
export interface LogRow {
  ref: SnapshotRef
  version: StoredSnapshot | AppError
  tags: readonly string[]
  /** True if its push may still replace it. */
  isPending: boolean
}

type Key = number | string | undefined

/** An order of versions. `Row` is all of a version, or what the listing tells if that is enough. */
export interface Sort {
  /** The metric that it is by. */
  metric?: string
  /** True if it needs nothing but the listing. */
  ofRef?: boolean
  isTime?: boolean
  order<Row extends Pick<LogRow, 'ref'>>(newestFirst: readonly Row[], reverse: boolean): Row[]
}

const BY_REF: Readonly<Record<string, (ref: SnapshotRef) => Key>> = {
  time: ({ effectiveTime }) => -effectiveTime,
  name: ({ name }) => name,
}
const BY_CONTENT: Readonly<Record<string, (version: StoredSnapshot) => Key>> = {
  size: ({ bytes }) => -bytes,
  new: ({ added }) => -added.storedBytes,
}

/**
 * Parses the value of --sort: `time` (newest first), `name`, `size` and `new` (largest first), or a metric: the lowest
 * first, as for `@best:metric`, and with `max:metric` the highest. Versions without it come last, reversed or not.
 */
export function parseSort(text = 'time'): Sort {
  const ofRef = Object.hasOwn(BY_REF, text) ? BY_REF[text] : undefined
  if (ofRef) return { ofRef: true, isTime: text === 'time', order: (rows, reverse) => ordered(rows, ({ ref }) => ofRef(ref), reverse) }
  const ofContent = Object.hasOwn(BY_CONTENT, text) ? BY_CONTENT[text] : undefined
  if (ofContent) return { order: (rows, reverse) => ordered(rows, byContent(ofContent), reverse) }
  const [, direction, metric = text] = /^(min|max):(.+)$/.exec(text) ?? []
  if (!isMetricName(metric))
    throw new AppError('usage', `--sort ${JSON.stringify(text)} is neither a column nor a metric.`, {
      hint: 'Use time, name, size, new, or a metric such as val_loss or max:acc.',
    })
  const sign = direction === 'max' ? -1 : 1
  const keyOf = ({ metrics }: StoredSnapshot): Key => (Object.hasOwn(metrics, metric) ? sign * metrics[metric]! : undefined)
  return { metric, order: (rows, reverse) => ordered(rows, byContent(keyOf), reverse) }
}

function byContent(keyOf: (version: StoredSnapshot) => Key): (row: Pick<LogRow, 'ref'>) => Key {
  return row => {
    const { version } = row as LogRow
    return isAppError(version) ? undefined : keyOf(version)
  }
}

/** Equal ones stay in the order of their times, newest first. */
function ordered<Row>(rows: readonly Row[], keyOf: (row: Row) => Key, reverse: boolean): Row[] {
  const sign = reverse ? -1 : 1
  return rows
    .map(row => ({ row, key: keyOf(row) }))
    .sort((a, b) => {
      if (a.key === b.key) return 0
      if (a.key === undefined || b.key === undefined) return a.key === undefined ? 1 : -1
      return a.key < b.key ? -sign : sign
    })
    .map(({ row }) => row)
}
