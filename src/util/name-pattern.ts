/** In a pattern: any text, also none. */
export const ANY = Symbol('any text')

/** A part of a pattern: any text, one character, or one character of a set. */
export type Part = typeof ANY | string | ((character: string) => boolean)

/** Counts steps of matching, so that a caller can bound the time. */
export interface Effort {
  steps: number
}

/**
 * True when all of `name` matches `pattern`: `*` is any text, `?` any character, `[abc]` and `[a-c]` one of these,
 * `[!abc]` none of them; anything else is literal. The time is at most proportional to the product of both lengths.
 */
export function matchesName(pattern: string, name: string): boolean {
  return matchesParts(partsOf(pattern), Array.from(name), { steps: 0 })
}

/** Whether all characters of a text match. Time: at most proportional to the product of both lengths. */
export function matchesParts(parts: readonly Part[], text: ArrayLike<string>, effort: Effort): boolean {
  let [part, at] = [0, 0]
  // where to resume when the part after the last star does not match at its last attempt
  let [star, starAt] = [-1, 0]
  let steps = 0
  for (; at < text.length; steps++) {
    const element = parts[part]
    if (element === ANY) {
      star = part++
      starAt = at
    } else if (typeof element === 'string' ? element === text[at] : element?.(text[at]!) === true) {
      part++
      at++
    } else if (star >= 0) {
      part = star + 1
      at = ++starAt
    } else break
  }
  effort.steps += steps
  while (parts[part] === ANY) part++
  return at === text.length && part === parts.length
}

function partsOf(pattern: string): Part[] {
  const parts: Part[] = []
  const characters = Array.from(pattern)
  const lastEnd = characters.lastIndexOf(']')
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!
    // a bracket right after the opening one is part of the set
    const end = character === '[' && i < lastEnd ? characters.indexOf(']', i + (characters[i + 1] === '!' ? 3 : 2)) : -1
    if (character === '*') parts.push(ANY)
    else if (character === '?') parts.push(() => true)
    else if (end > 0) {
      parts.push(setOf(characters.slice(i + 1, end)))
      i = end
    } else parts.push(character)
  }
  return parts
}

function setOf(inside: readonly string[]): (character: string) => boolean {
  const negated = inside[0] === '!'
  const members = negated ? inside.slice(1) : inside
  const isMember = (character: string): boolean => {
    for (let i = 0; i < members.length; i++) {
      const last = members[i + 1] === '-' ? members[i + 2] : undefined
      if (last === undefined ? character === members[i] : isBetween(members[i]!, character, last)) return true
      if (last !== undefined) i += 2
    }
    return false
  }
  return character => isMember(character) !== negated
}

function isBetween(first: string, character: string, last: string): boolean {
  const [low, at, high] = [first, character, last].map(each => each.codePointAt(0)!) as [number, number, number]
  return low <= at && at <= high
}
