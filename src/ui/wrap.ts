import { textWidth } from './width.ts'

/**
 * Breaks a text at its spaces into lines of at most `width` columns. A longer word, such as a path, gets a line of its
 * own.
 */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const joined = lines.length === 0 ? word : `${lines.at(-1)!} ${word}`
    if (lines.length > 0 && textWidth(joined) <= width) lines[lines.length - 1] = joined
    else lines.push(word)
  }
  return lines
}
