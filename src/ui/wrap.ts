import { textWidth } from './width.ts'

/** What stays in one piece: a command in backticks can be copied, and a word such as a path gets a line of its own. */
const PIECES = /[^\s`]*`[^`]*`\S*|\S+/g

/** Breaks a text at its spaces into lines of at most `width` columns. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = []
  for (const [piece] of text.matchAll(PIECES)) {
    const joined = lines.length === 0 ? piece : `${lines.at(-1)!} ${piece}`
    if (lines.length > 0 && textWidth(joined) <= width) lines[lines.length - 1] = joined
    else lines.push(piece)
  }
  return lines
}

/**
 * Like `wrapWords`, for a line that may be indented. The lines after the first are indented by `hanging` columns more.
 * A line that fits stays as it is.
 */
export function wrapLine(line: string, width: number, hanging = 2): string[] {
  if (width === Infinity || textWidth(line) <= width) return [line]
  const indent = line.length - line.trimStart().length
  const [first = '', ...rest] = wrapWords(line, width - indent)
  const others = wrapWords(rest.join(' '), width - indent - hanging)
  return [' '.repeat(indent) + first, ...others.map(each => ' '.repeat(indent + hanging) + each)]
}
