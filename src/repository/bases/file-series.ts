import { comparePaths } from '../../util/paths.ts'

/** Files whose paths differ in numbers alone, such as `ckpt-000100.pt` and `ckpt-000200.pt`, are one series. */
export interface SeriesPlace {
  series: string
  numbers: readonly number[]
}

/** Element types in names are no numbers: `model-bf16`. */
const TYPE = /(?<![a-z])(?:bf|fp|f|float|int|uint|i|u)(?:8|16|32|64)(?!\d)/gi

export function seriesOf(path: string): SeriesPlace {
  const numbers: number[] = []
  const bare = path.replace(TYPE, type => type.replace(/\d/g, digit => String.fromCharCode(0xe000 + Number(digit))))
  const series = bare.replace(/\d+/g, digits => {
    numbers.push(Number(digits))
    return '#'
  })
  return { series, numbers }
}

/** Ascending by number; equal numbers, as 7 and 007, by path. */
export function compareInSeries(a: { path: string; place: SeriesPlace }, b: { path: string; place: SeriesPlace }): number {
  for (const [i, number] of a.place.numbers.entries()) {
    const difference = number - (b.place.numbers[i] ?? 0)
    if (difference !== 0) return difference
  }
  return comparePaths(a.path, b.path)
}
