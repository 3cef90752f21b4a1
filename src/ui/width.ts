const ASCII = /^[\x20-\x7e]*$/
const INVISIBLE = /^[\p{Mark}\p{Format}\p{Control}]*$/u
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u
/** First and last code points of what terminals draw two columns wide (East Asian Width W and F, without emoji). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x3fffd],
]

const ELLIPSIS = '…'

let segmenter: Intl.Segmenter | undefined

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter()
  return Array.from(segmenter.segment(text), part => part.segment)
}

function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0
  const code = grapheme.codePointAt(0)!
  return EMOJI.test(grapheme) || WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1
}

/** Columns that a printable text takes in a terminal. */
export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length
  return graphemes(text).reduce((width, grapheme) => width + graphemeWidth(grapheme), 0)
}

/** As many of `parts` from the front as fit into `width` columns. */
function fitting(parts: readonly string[], width: number): string[] {
  let used = 0
  const end = parts.findIndex(part => (used += graphemeWidth(part)) > width)
  return parts.slice(0, end < 0 ? parts.length : end)
}

/** Cuts the end off a text that takes more than `width` columns. */
export function shortenEnd(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  return fitting(graphemes(text), width - 1).join('') + ELLIPSIS
}

/** Takes the middle out of a text that is wider than `width` columns: the beginning and the end of a path say most. */
export function shortenMiddle(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  if (width < 1) return ''
  const parts = graphemes(text)
  const head = fitting(parts, Math.ceil((width - 1) / 2))
  const tail = fitting(parts.toReversed(), Math.floor((width - 1) / 2)).reverse()
  return head.join('') + ELLIPSIS + tail.join('')
}
