import { type CodePage, decodeCp437, decodeWith } from './code-pages.ts'

/** The chosen page has at least this score, and leads every other by so much. */
const LEAST_SCORE = 0.7
const LEAST_LEAD = 0.15
/** So many characters that are common in Korean or Russian can't be Chinese ones by chance. */
const CERTAIN = { 'euc-kr': 8, ibm866: 6 }
const CERTAIN_SCORE = 1.5
/** What is as common in a page as in others. */
const COMMON = 1
const RARE = 0.3

/**
 * The code page of names that were made on one machine, if their bytes leave no doubt; else undefined. The score of a
 * page is the mean of the marks of all characters outside of ASCII: how common they are in names of that page, and
 * whether they stand beside others of their kind. Time: linear in the length of the names.
 */
export function guessCodePage(names: readonly Buffer[]): CodePage | undefined {
  const scores: [CodePage | undefined, number][] = PAGES.map(([page, marksOf]) => [page, scoreOf(page, marksOf, names)])
  scores.push([undefined, mean(names.flatMap(name => marksOfWestern(decodeCp437(name))))])
  const [[page, best], [, next]] = scores.sort((a, b) => b[1] - a[1]) as [(typeof scores)[0], (typeof scores)[0]]
  return best >= LEAST_SCORE && best - next >= LEAST_LEAD ? page : undefined
}

const PAGES: readonly [CodePage, (bytes: Buffer, text: string) => number[]][] = [
  ['shift_jis', (_, text) => marksOfJapanese(text)],
  ['gbk', bytes => marksOfPairs(bytes, 0xb0, 0xd7, 0xa1)],
  ['big5', bytes => marksOfPairs(bytes, 0xa4, 0xc6, 0x40)],
  ['euc-kr', bytes => marksOfPairs(bytes, 0xb0, 0xc8, 0xa1)],
  ['ibm866', (_, text) => marksOfRussian(text)],
]

function scoreOf(page: CodePage, marksOf: (bytes: Buffer, text: string) => number[], names: readonly Buffer[]): number {
  const marks: number[] = []
  for (const name of names) {
    const text = decodeWith(page, name)
    if (text === undefined) return 0
    marks.push(...marksOf(name, text))
  }
  // all that is common there is common in Chinese too
  const isCertain = (page === 'euc-kr' || page === 'ibm866') && marks.length >= CERTAIN[page] && marks.every(mark => mark === COMMON)
  return isCertain ? CERTAIN_SCORE : mean(marks)
}

function mean(marks: readonly number[]): number {
  return marks.reduce((sum, mark) => sum + mark, 0) / Math.max(1, marks.length)
}

/** Pages of two bytes order their characters: the common ones lie between these first and from this second byte on. */
function marksOfPairs(bytes: Buffer, firstLead: number, lastLead: number, firstTrail: number): number[] {
  const marks: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    const lead = bytes[i]!
    if (lead < 0x80) continue
    const trail = bytes[++i] ?? 0
    marks.push(lead >= firstLead && lead <= lastLead && trail >= firstTrail ? COMMON : RARE)
  }
  return marks
}

/** Kana and kanji. One that stands alone between Latin letters is more likely an accented letter. */
function marksOfJapanese(text: string): number[] {
  return Array.from(text.matchAll(/[^\0-\x7f]+/g), ([run]) =>
    Array.from(run, char => (run.length > 1 && /[\u3001-\u30ff\u4e00-\u9fff]/.test(char) ? COMMON : RARE)),
  ).flat()
}

/** Words in Cyrillic letters, whose capitals come first. */
function marksOfRussian(text: string): number[] {
  return Array.from(text.matchAll(/[^\0-\x7f]+/g), ([run], i) => {
    const isWord = /^(?:[А-ЯЁ]?[а-яё]+|[А-ЯЁ]+)$/.test(run) && (run.length > 1 || i > 0)
    return Array.from(run, () => (isWord ? COMMON : 0))
  }).flat()
}

/** Single small letters with an accent before small letters, and capitals. */
function marksOfWestern(text: string): number[] {
  return Array.from(text.matchAll(/([^\0-\x7f]+)(.?)/gs), ([, run = '', after = '']) => {
    const isLetter = run.length <= 2 && /^(?:[a-zß-ÿÄÅÉÆÖÜÇÑ]+)$/.test(run) && /^(?:[a-z0-9 ._()-]?|[A-Z])$/.test(after)
    const fits = isLetter && !(/^[ß-ÿ]/.test(run) && /[A-Z]/.test(after))
    return Array.from(run, () => (fits ? COMMON : 0))
  }).flat()
}
