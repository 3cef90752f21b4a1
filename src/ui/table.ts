import { printable } from './printable.ts'
import { shortenMiddle, textWidth } from './width.ts'

export interface Column {
  /** If the titles of all columns are empty, there is no heading. */
  title: string
  align?: 'left' | 'right'
}

export const right = (title: string): Column => ({ title, align: 'right' })

const GAP = '  '
const NARROWEST = 8

/** Repeatedly shortens the widest left-aligned column until the row fits or no column can become narrower. */
function fit(columns: readonly Column[], widths: number[], width: number): void {
  let excess = widths.reduce((sum, each) => sum + each, GAP.length * (columns.length - 1)) - width
  while (excess > 0) {
    let widest = -1
    for (const [index, column] of columns.entries()) {
      if (column.align !== 'right' && widths[index]! > NARROWEST && (widest < 0 || widths[index]! > widths[widest]!)) widest = index
    }
    if (widest < 0) return
    widths[widest]!--
    excess--
  }
}

/**
 * Aligned lines of cells. They have at most `width` columns if that is possible without shortening numbers. Makes cells
 * printable.
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width = Infinity): string[] {
  const heading = columns.map(column => column.title)
  const lines = heading.some(title => title !== '') ? [heading, ...rows] : rows
  const cells = lines.map(line => columns.map((_, index) => printable(line[index] ?? '')))
  const widths = columns.map((_, index) => cells.reduce((most, line) => Math.max(most, textWidth(line[index]!)), 0))
  if (width < Infinity) fit(columns, widths, width)
  return cells.map(line =>
    line
      .map((cell, index) => {
        const text = columns[index]!.align === 'right' ? cell : shortenMiddle(cell, widths[index]!)
        const padding = ' '.repeat(Math.max(0, widths[index]! - textWidth(text)))
        return columns[index]!.align === 'right' ? padding + text : text + padding
      })
      .join(GAP)
      .trimEnd(),
  )
}
