import type { ComparisonKind, TensorComparison } from '../../tensors/compare-tensors.ts'
import type { Tensor } from '../../tensors/tensor.ts'
import { formatCount, formatPercent, plural } from '../../ui/format.ts'
import { renderTable, type Column } from '../../ui/table.ts'
import { wrapWords } from '../../ui/wrap.ts'

const COLUMNS: Column[] = [
  { title: '' },
  { title: 'name' },
  { title: 'dtype', align: 'right' },
  { title: 'shape', align: 'right' },
  { title: 'changed', align: 'right' },
  { title: 'max abs', align: 'right' },
]
const MARKS: Record<ComparisonKind, string> = {
  identical: '=',
  changed: 'M',
  retyped: 'T',
  reshaped: 'S',
  unread: '?',
  removed: '-',
  added: '+',
}
const WORDS: Record<ComparisonKind, string> = {
  identical: 'identical',
  changed: 'changed (M)',
  retyped: 'of another type (T)',
  reshaped: 'of another shape (S)',
  unread: 'not compared (?)',
  removed: 'only before (-)',
  added: 'only after (+)',
}
const SIGNIFICANT_DIGITS = 3

/** One line per tensor that differs. Identical ones are only counted. */
export function compareTable(found: readonly TensorComparison[], columns: number): string[] {
  const rows = found.filter(({ kind }) => kind !== 'identical').map(row)
  return rows.length === 0 ? [] : renderTable(COLUMNS, rows, columns)
}

/** The number of tensors of each kind, in lines of at most 80 columns. */
export function summaryOf(found: readonly TensorComparison[]): string[] {
  const counts = (Object.keys(WORDS) as ComparisonKind[]).map(kind => [kind, found.filter(each => each.kind === kind).length] as const)
  const parts = counts.filter(([, count]) => count > 0).map(([kind, count]) => `${formatCount(count)} ${WORDS[kind]}`)
  const odd = found.reduce((sum, { difference }) => sum + (difference?.nonFinite ?? 0), 0)
  return [
    ...wrapWords(`${plural(found.length, 'tensor')}: ${parts.join(', ') || 'none'}`, 80),
    ...(odd > 0 ? [`${plural(odd, 'changed number')} with NaN or infinity on one side, not included in max abs`] : []),
  ]
}

function row({ kind, name, before, after, difference }: TensorComparison): string[] {
  const numbers = (before?.count ?? 0) * (before !== undefined && before.type !== undefined && before.dtype.startsWith('C') ? 2 : 1)
  return [
    MARKS[kind],
    name,
    both(before, after, ({ dtype }) => dtype),
    both(before, after, ({ shape }) => shapeText(shape)),
    difference === undefined || numbers === 0 ? '' : formatPercent(difference.changed / numbers),
    difference === undefined ? '' : maxText(difference.maxAbs),
  ]
}

function both(before: Tensor | undefined, after: Tensor | undefined, textOf: (tensor: Tensor) => string): string {
  const [first, second] = [before, after].map(tensor => tensor && textOf(tensor))
  return first === undefined || second === undefined || first === second ? (first ?? second ?? '') : `${first} -> ${second}`
}

function maxText(value: number): string {
  return Number.isInteger(value) && value < 1e6 ? String(value) : value.toPrecision(SIGNIFICANT_DIGITS)
}

export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`
}

export function comparisonToJson({ kind, name, before, after, difference }: TensorComparison): object {
  const side = ({ dtype, shape, count, bytes }: Tensor): object => ({ dtype, shape, parameters: count, bytes })
  return {
    kind,
    name: name.toWellFormed(),
    ...(before === undefined ? {} : { before: side(before) }),
    ...(after === undefined ? {} : { after: side(after) }),
    ...(difference === undefined ? {} : difference),
  }
}
