import { eastAsianWidth } from 'get-east-asian-width'

const ASCII = /^[\x20-\x7e]*$/
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Control}\p{Format}\p{Nonspacing_Mark}\p{Enclosing_Mark}\p{Surrogate}]/u
/** Marks that take a column of their own, such as vowel signs of Devanagari and halfwidth voiced sound marks. */
const SPACING_MARK = /[\p{Spacing_Mark}\uff00-\uffef]/u
/** One regional indicator alone is a letter; two are a flag. */
const EMOJI = /(?!^\p{Regional_Indicator}$)\p{Emoji_Presentation}|\ufe0f|\u20e3/u

const ELLIPSIS = '…'

let segmenter: Intl.Segmenter | undefined

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter()
  return Array.from(segmenter.segment(text), part => part.segment)
}

function graphemeWidth(grapheme: string): number {
  const [first, ...marks] = Array.from(grapheme).filter(char => !INVISIBLE.test(char))
  if (first === undefined) return 0
  if (EMOJI.test(grapheme)) return 2
  const spacing = marks.filter(char => SPACING_MARK.test(char)).length
  return eastAsianWidth(first.codePointAt(0)!) + spacing
}

/**
 * Columns that a printable text takes in a terminal. The package string-width says the same, and is a witness in the
 * tests. It is not used here, because its regular expressions would cost every command 20 ms.
 */
export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length
  return graphemes(text).reduce((width, grapheme) => width + graphemeWidth(grapheme), 0)
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
