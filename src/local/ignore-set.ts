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

const NOT_CLOSED = 'a bracket in it is not closed'

/** As a byte: it ends a name, and so does 0. */
const SLASH = 0x2f

interface CharacterSet {
  has: (character: string) => boolean
  /** Whether no character that a name may have is in it. */
  isEmpty: boolean
  /** Where its closing bracket is. */
  end: number
}

/**
 * The set that opens with the bracket at `start`, by the rules of git: `!` or `^` negates it, `]` as its first member
 * is literal, a backslash makes the next character literal, and `[:alpha:]` is a class. A text says why there is no
 * set: then the whole pattern can't match. Characters are bytes. Time: linear in its length.
 */
export function setAt(characters: string, start: number): CharacterSet | string {
  const isMember = new Uint8Array(256)
  let at = start + 1
  const negated = characters[at] === '!' || characters[at] === '^'
  if (negated) at++
  // the member that a range may begin with
  let before: number | undefined
  let close = -1
  for (let first = true; first || characters[at] !== ']'; first = false, at++) {
    if (characters.startsWith('[:', at)) {
      if (close < at + 2) close = characters.indexOf(']', at + 2)
      if (close === -1) return NOT_CLOSED
      if (close > at + 2 && characters[close - 1] === ':') {
        const name = characters.slice(at + 2, close - 1)
        const found = CLASSES.get(name)
        if (found === undefined) return `[:${name}:] is no class of characters, as [:alpha:] and [:digit:] are`
        for (let byte = 0; byte < 128; byte++) if (found.test(String.fromCharCode(byte))) isMember[byte] = 1
        before = undefined
        at = close
        continue
      }
    }
    const isRange = characters[at] === '-' && before !== undefined && at + 1 < characters.length && characters[at + 1] !== ']'
    if (isRange) at++
    if (characters[at] === '\\') at++
    if (at >= characters.length) return NOT_CLOSED
    const member = characters.charCodeAt(at)
    if (isRange) isMember.fill(1, before, Math.max(before!, member + 1))
    else isMember[member] = 1
    before = isRange ? undefined : member
  }
  const isEmpty = !isMember.some((one, byte) => (one === 1) !== negated && byte !== 0 && byte !== SLASH)
  return { has: character => (isMember[character.charCodeAt(0)] === 1) !== negated, isEmpty, end: at }
}
