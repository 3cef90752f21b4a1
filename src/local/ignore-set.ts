/** Classes of ASCII characters, as git has them. */
const CLASSES: ReadonlyMap<string, RegExp> = new Map([
  ['alnum', /[0-9A-Za-z]/],
  ['alpha', /[A-Za-z]/],
  ['blank', /[ \t]/],
  // eslint-disable-next-line no-control-regex
  ['cntrl', /[\x00-\x1f\x7f]/],
  ['digit', /[0-9]/],
  ['graph', /[!-~]/],
  ['lower', /[a-z]/],
  ['print', /[ -~]/],
  ['punct', /[!-/:-@[-`{-~]/],
  ['space', /[ \t\n\r]/],
  ['upper', /[A-Z]/],
  ['xdigit', /[0-9A-Fa-f]/],
])

interface CharacterSet {
  has: (character: string) => boolean
  /** Where its closing bracket is. */
  end: number
}

/**
 * The set that opens with the bracket at `start`, by the rules of git: `!` or `^` negates it, `]` as its first member
 * is literal, a backslash makes the next character literal, and `[:alpha:]` is a class. Undefined if it is not closed,
 * or names an unknown class: then the whole pattern can't match. Time: linear in its length.
 */
export function setAt(characters: readonly string[], start: number): CharacterSet | undefined {
  let at = start + 1
  const negated = characters[at] === '!' || characters[at] === '^'
  if (negated) at++
  const singles = new Set<string>()
  const ranges: [low: number, high: number][] = []
  const classes = new Set<RegExp>()
  // the member that a range may begin with
  let before: string | undefined
  let close = -1
  for (let first = true; first || characters[at] !== ']'; first = false, at++) {
    let member = characters[at]
    if (member === '[' && characters[at + 1] === ':') {
      if (close < at + 2) close = characters.indexOf(']', at + 2)
      if (close === -1) return undefined
      if (close > at + 2 && characters[close - 1] === ':') {
        const found = CLASSES.get(characters.slice(at + 2, close - 1).join(''))
        if (found === undefined) return undefined
        classes.add(found)
        before = undefined
        at = close
        continue
      }
    }
    const next = characters[at + 1]
    if (member === '-' && before !== undefined && next !== undefined && next !== ']') {
      member = characters[++at]
      if (member === '\\') member = characters[++at]
      if (member === undefined) return undefined
      ranges.push([codeOf(before), codeOf(member)])
      before = undefined
      continue
    }
    if (member === '\\') member = characters[++at]
    if (member === undefined) return undefined
    singles.add(member)
    before = member
  }
  const inRanges = lookup(ranges)
  const isIn = (character: string): boolean =>
    singles.has(character) || inRanges(codeOf(character)) || [...classes].some(each => each.test(character))
  return { has: character => isIn(character) !== negated, end: at }
}

/** Finds a code in ranges that may overlap, in logarithmic time: a set may have thousands of ranges. */
function lookup(ranges: readonly (readonly [low: number, high: number])[]): (code: number) => boolean {
  const lows: number[] = []
  const highs: number[] = []
  for (const [low, high] of ranges.filter(([low, high]) => low <= high).sort((a, b) => a[0] - b[0])) {
    const last = highs.at(-1)
    if (last !== undefined && low <= last) highs[highs.length - 1] = Math.max(last, high)
    else {
      lows.push(low)
      highs.push(high)
    }
  }
  return code => {
    let [first, end] = [0, lows.length]
    while (first < end) {
      const middle = (first + end) >> 1
      if (highs[middle]! < code) first = middle + 1
      else end = middle
    }
    return first < lows.length && lows[first]! <= code
  }
}

function codeOf(character: string): number {
  return character.codePointAt(0)!
}
