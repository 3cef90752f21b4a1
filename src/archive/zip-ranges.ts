/** Maximum number of ranges in a run. */
const MAX_RUN = 512

/** Some ranges in a row, sorted and disjoint. */
interface Run {
  starts: number[]
  ends: number[]
}

/**
 * The byte ranges of the entries of a zip file. Overlapping entries are a sign of a decompression bomb. A claim takes
 * about the same time in whatever order the entries stand: ranges are kept in short runs, so that none moves many.
 */
export class ZipRanges {
  /** Sorted. None is empty but the only one. */
  private readonly runs: Run[] = [{ starts: [], ends: [] }]

  /** False when a part of [start, end) already belongs to an entry. */
  claim(start: number, end: number): boolean {
    const number = Math.max(0, countUpTo(this.runs, run => run.starts[0]! <= start) - 1)
    const run = this.runs[number]!
    const at = countUpTo(run.starts, each => each <= start)
    const next = run.starts[at] ?? this.runs[number + 1]?.starts[0]
    if ((at > 0 && run.ends[at - 1]! > start) || (next !== undefined && next < end)) return false
    run.starts.splice(at, 0, start)
    run.ends.splice(at, 0, end)
    if (run.starts.length > MAX_RUN) {
      const half = MAX_RUN / 2
      this.runs.splice(number + 1, 0, { starts: run.starts.splice(half), ends: run.ends.splice(half) })
    }
    return true
  }
}

/** How many of the first items fulfil a condition that no item after them does. */
function countUpTo<T>(items: readonly T[], isIn: (item: T) => boolean): number {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isIn(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}
