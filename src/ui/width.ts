import stringWidth from 'string-width'

const ELLIPSIS = '…'

let segmenter: Intl.Segmenter | undefined

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter()
  return Array.from(segmenter.segment(text), part => part.segment)
}

/** Columns that a printable text takes in a terminal. */
export function textWidth(text: string): number {
  return stringWidth(text, { countAnsiEscapeCodes: true })
}

/** The longest prefix of `parts` that fits into `width` columns. */
function fitting(parts: readonly string[], width: number): string[] {
  let used = 0
  const end = parts.findIndex(part => (used += textWidth(part)) > width)
  return parts.slice(0, end < 0 ? parts.length : end)
}

/** Cuts off the end of a text that is wider than `width` columns. */
export function shortenEnd(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  return fitting(graphemes(text), width - 1).join('') + ELLIPSIS
}

/** Removes the middle of a text that is wider than `width` columns: the start and the end of a path are most useful. */
export function shortenMiddle(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  const parts = graphemes(text)
  const head = fitting(parts, Math.ceil((width - 1) / 2))
  const tail = fitting(parts.toReversed(), Math.floor((width - 1) / 2)).reverse()
  return head.join('') + ELLIPSIS + tail.join('')
}
