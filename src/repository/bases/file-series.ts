import { comparePaths } from '../../util/paths.ts'

/**
 * The position of a file in its series. Files whose paths differ only in numbers, such as `ckpt-000100.pt` and
 * `ckpt-000200.pt`, are one series.
 */
export interface SeriesPosition {
  series: string
  numbers: readonly number[]
}

/** Digits of an element type, as in `model-bf16`, which are not a number of the series. */
const TYPE = /(?<![a-z])(?:bf|fp|f|float|int|uint|i|u)(?:8|16|32|64)(?!\d)/gi

export function seriesOf(path: string): SeriesPosition {
  const numbers: number[] = []
  const bare = path.replace(TYPE, type => type.replace(/\d/g, digit => String.fromCharCode(0xe000 + Number(digit))))
  const series = bare.replace(/\d+/g, digits => {
    numbers.push(Number(digits))
    return '#'
  })
  return { series, numbers }
}

/** Compares by number, and by path if the numbers are equal (7 and 007). */
export function compareInSeries(a: { path: string; position: SeriesPosition }, b: { path: string; position: SeriesPosition }): number {
  for (const [i, number] of a.position.numbers.entries()) {
    const difference = number - (b.position.numbers[i] ?? 0)
    if (difference !== 0) return difference
  }
  return comparePaths(a.path, b.path)
}
