import { readFileSync, writeFileSync } from 'node:fs'

const fixed = (number, digits) => (Number.isFinite(number) ? number.toFixed(digits) : '-')

export const megabytes = (bytes, digits = 1) => fixed(bytes / 1e6, digits)
export const seconds = number => fixed(number, number < 10 ? 2 : 1)
export const perSecond = (bytes, time) => fixed(bytes / 1e6 / time, 0)
export const ratio = (a, b) => fixed(a / b, 2)

const NUMBERS = /^[-\d./ ]+$/

/** A Markdown table; columns of numbers are aligned to the right. Short rows are filled up. */
export function table(heads, rows) {
  const all = [heads, ...rows.map(row => heads.map((_, i) => row[i] ?? ''))]
  const widths = heads.map((_, i) => Math.max(3, ...all.map(row => row[i].length)))
  const toRight = heads.map((_, i) => all.some(row => NUMBERS.test(row[i])))
  const pad = (cell, i) => (toRight[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))
  const line = cells => `| ${cells.map(pad).join(' | ')} |\n`
  const rule = widths.map((width, i) => (toRight[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return line(all[0]) + line(rule) + all.slice(1).map(line).join('')
}

/** Replaces what stands between `<!-- <part> -->` and `<!-- end of <part> -->` in a Markdown file. */
export function replacePart(file, part, text) {
  const [begin, end] = [`<!-- ${part} -->`, `<!-- end of ${part} -->`]
  const old = readFileSync(file, 'utf8')
  const from = old.indexOf(begin)
  const to = old.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${file} has no part between ${begin} and ${end}`)
  writeFileSync(file, `${old.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${old.slice(to)}`)
}
