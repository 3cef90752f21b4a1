/** Words longer than this are not compared: the time is quadratic in the length. */
const LONGEST = 80

/**
 * The candidate that `word` was probably meant to be: the one that the fewest slips of the keyboard lead to, at most
 * one for each three letters. Undefined if there is none, or more than one.
 */
export function mostSimilar(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > LONGEST) return undefined
  const near = candidates
    .filter(candidate => candidate.length <= LONGEST)
    .map(candidate => ({ candidate, slips: slipsBetween(fold(word), fold(candidate)) }))
    .filter(({ candidate, slips }) => slips <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3)))
    .sort((a, b) => a.slips - b.slips)
  return near.length === 0 || near[0]!.slips === near[1]?.slips ? undefined : near[0]!.candidate
}

const fold = (text: string): string => text.normalize('NFC').toLowerCase()

/**
 * Letters left out, added, exchanged for another, or swapped with their neighbour: the optimal string alignment
 * distance.
 */
function slipsBetween(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1), isSwapped ? before[j - 2]! + 1 : Infinity))
    }
    before = last
    last = row
  }
  return last[b.length]!
}
