import type { Savings, Sizes } from '../../repository/index/stored-sizes.ts'
import type { GroupUsage } from '../../repository/usage/usage-by-group.ts'
import { formatCount, formatPercent } from '../../ui/format.ts'
import { renderTable, right } from '../../ui/table.ts'
import { textWidth } from '../../ui/width.ts'
import { formatBytes } from '../../util/format-bytes.ts'

const DEDUP = 'dedup: repeated or already stored data, stored once'
const WAYS = [
  ['compression', 'codec', 'codec: saved by compression alone'],
  ['filters', 'filters', 'filters: tensors split into planes and tables into columns, then compressed'],
  ['deltas', 'deltas', 'deltas: tensors stored as differences, minus data kept only for them'],
] as const

const ONE_LINE = 'dedup: repeated data, stored once; packed: saved by compression'
const IN_DETAIL = 'dedup: repeated data, stored once; packed: saved by codec, filters and deltas:'

/**
 * One line per part: the size minus the savings is what is stored. Filters and deltas have a column only if they saved
 * something.
 */
export function partsTable(title: string, parts: readonly GroupUsage[], columns: number): string[] {
  const ways = WAYS.filter(([way]) => way === 'compression' || parts.some(({ saved }) => shows(saved[way])))
  const headings = ['files', 'size', 'dedup', ...ways.map(([, heading]) => heading), 'stored', 'saved']
  const rows = parts.map(part => [
    part.group,
    formatCount(part.files),
    formatBytes(part.plainBytes),
    saving(part.plainBytes - part.distinctBytes),
    ...ways.map(([way]) => saving(part.saved[way])),
    formatBytes(Math.round(part.storedBytes)),
    savedShare(part),
  ])
  return [...renderTable([{ title }, ...headings.map(right)], rows, columns), DEDUP, ...ways.map(([, , meaning]) => meaning)]
}

export const SIZES = ['size', 'dedup', 'packed', 'stored'].map(right)

/** The cells for the columns `SIZES`. */
export function sizesCells({ plainBytes, distinctBytes, storedBytes }: Sizes): string[] {
  return [
    formatBytes(plainBytes),
    // the list of files counts as content too
    saving(Math.max(0, plainBytes - distinctBytes)),
    saving(distinctBytes - storedBytes),
    formatBytes(Math.round(storedBytes)),
  ]
}

/** Explains `dedup` and `packed`, and splits `packed` by its kinds of savings. */
export function sizesLegend(saved: Savings): string[] {
  if (!shows(saved.filters) && !shows(saved.deltas)) return [ONE_LINE]
  const ways = WAYS.filter(([way]) => shows(saved[way]))
  return [IN_DETAIL, `  ${ways.map(([way, heading]) => `${heading} ${formatBytes(Math.round(saved[way]))}`).join(', ')}`]
}

/** In whole bytes. */
export function sizesToJson({ plainBytes, distinctBytes, storedBytes, saved }: Sizes) {
  return { plainBytes, distinctBytes, storedBytes: Math.round(storedBytes), saved: savingsToJson(saved) }
}

export function savingsToJson({ compression, filters, deltas }: Savings): Savings {
  return { compression: Math.round(compression), filters: Math.round(filters), deltas: Math.round(deltas) }
}

export function savedShare({ plainBytes, storedBytes }: Pick<Sizes, 'plainBytes' | 'storedBytes'>): string {
  return plainBytes === 0 ? '' : formatPercent(Math.max(0, 1 - storedBytes / plainBytes))
}

const LONGEST_BAR = 20
const SHORTEST_BAR = 5

/** On a terminal with room beside a table, bars for the values of its rows. */
export function withBars(table: readonly string[], values: readonly number[], columns: number): string[] {
  const width = Math.max(...table.map(textWidth))
  const longest = Math.min(LONGEST_BAR, columns - width - 2)
  const largest = Math.max(0, ...values)
  if (columns === Infinity || longest < SHORTEST_BAR || largest === 0 || values.length < 2) return [...table]
  return table.map((line, row) => {
    const length = row === 0 ? 0 : Math.round((values[row - 1]! / largest) * longest)
    return length === 0 ? line : `${line}${' '.repeat(width - textWidth(line))}  ${'#'.repeat(length)}`
  })
}

const shows = (bytes: number): boolean => Math.abs(bytes) >= 1
const saving = (bytes: number): string => (shows(bytes) ? formatBytes(Math.round(bytes)) : '')
