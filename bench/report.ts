import { readFileSync, writeFileSync } from 'node:fs'

/** A number as text; `-` where nothing was measured. */
const fixed = (number: number, digits: number): string => (Number.isFinite(number) ? number.toFixed(digits) : '-')

export const megabytes = (bytes = NaN, digits = 1): string => fixed(bytes / 1e6, digits)
export const seconds = (number = NaN): string => fixed(number, number < 10 ? 2 : 1)
export const perSecond = (bytes: number, time = NaN): string => fixed(bytes / 1e6 / time, 0)
export const ratio = (a = NaN, b = NaN): string => fixed(a / b, 2)

const NUMBERS = /^[-\d./ ]+$/

/** A Markdown table; columns of numbers are aligned to the right. Short rows are filled up. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heads, ...rows.map(row => heads.map((_, i) => row[i] ?? ''))]
  const widths = heads.map((_, i) => Math.max(3, ...all.map(row => row[i]!.length)))
  const toRight = heads.map((_, i) => all.some(row => NUMBERS.test(row[i]!)))
  const pad = (cell: string, i: number): string => (toRight[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))
  const line = (cells: readonly string[]): string => `| ${cells.map(pad).join(' | ')} |\n`
  const rule = widths.map((width, i) => (toRight[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return line(heads) + line(rule) + all.slice(1).map(line).join('')
}

/** Replaces the text between `<!-- <part> -->` and `<!-- end of <part> -->` in a Markdown file. */
export function replacePart(file: string, part: string, text: string): void {
  const begin = `<!-- ${part} -->`
  const end = `<!-- end of ${part} -->`
  const old = readFileSync(file, 'utf8')
  const from = old.indexOf(begin)
  const to = old.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${file} has no part between ${begin} and ${end}`)
  writeFileSync(file, `${old.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${old.slice(to)}`)
}
