import type { Savings, Sizes } from '../../repository/index/stored-sizes.ts'
import type { PartUsage } from '../../repository/usage/usage-by-part.ts'
import { formatBytes, formatCount, formatPercent } from '../../ui/format.ts'
import { renderTable, right } from '../../ui/table.ts'

const DEDUP = 'dedup: repeated or there already, stored once'
const WAYS = [
  ['compression', 'codec', 'codec: saved by compression alone'],
  ['filters', 'filters', 'filters: by planes of tensors and columns of tables, each of them compressed'],
  ['deltas', 'deltas', 'deltas: by storing tensors as changes of others, less what is kept only for it'],
] as const

const ONE_LINE = 'dedup: repeated, stored once; packed: saved by compression'
const IN_DETAIL = 'dedup: repeated, stored once; packed: saved by codec, filters and deltas:'

/** One part a line: size, less what each way to store it saved, is what is stored. Ways that only tensors and tables know are left out where none is stored so. */
export function partsTable(title: string, parts: readonly PartUsage[], columns: number): string[] {
  const ways = WAYS.filter(([way]) => way === 'compression' || parts.some(({ saved }) => shows(saved[way])))
  const headings = ['files', 'size', 'dedup', ...ways.map(([, heading]) => heading), 'stored', 'saved']
  const rows = parts.map(part => [
    part.part,
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

/** Cells of `SIZES`. */
export function sizesCells({ plainBytes, distinctBytes, storedBytes }: Sizes): string[] {
  return [
    formatBytes(plainBytes),
    // the list of files counts as content too
    saving(Math.max(0, plainBytes - distinctBytes)),
    saving(distinctBytes - storedBytes),
    formatBytes(Math.round(storedBytes)),
  ]
}

/** What `dedup` and `packed` mean, and how much of `packed` is what. */
export function sizesLegend(saved: Savings): string[] {
  if (!shows(saved.filters) && !shows(saved.deltas)) return [ONE_LINE]
  const ways = WAYS.filter(([way]) => shows(saved[way]))
  return [IN_DETAIL, `  ${ways.map(([way, heading]) => `${heading} ${formatBytes(Math.round(saved[way]))}`).join(', ')}`]
}

/** For machines: whole bytes. */
export function sizesToJson({ plainBytes, distinctBytes, storedBytes, saved }: Sizes) {
  return { plainBytes, distinctBytes, storedBytes: Math.round(storedBytes), saved: savingsToJson(saved) }
}

export function savingsToJson({ compression, filters, deltas }: Savings): Savings {
  return { compression: Math.round(compression), filters: Math.round(filters), deltas: Math.round(deltas) }
}

export function savedShare({ plainBytes, storedBytes }: Pick<Sizes, 'plainBytes' | 'storedBytes'>): string {
  return plainBytes === 0 ? '' : formatPercent(Math.max(0, 1 - storedBytes / plainBytes))
}

const shows = (bytes: number): boolean => Math.abs(bytes) >= 1
const saving = (bytes: number): string => (shows(bytes) ? formatBytes(Math.round(bytes)) : '')
