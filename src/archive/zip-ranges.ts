/** The byte ranges of the entries of a zip file. Overlapping entries are a sign of a decompression bomb. */
export class ZipRanges {
  /** Sorted and disjoint. */
  private readonly starts: number[] = []
  private readonly ends: number[] = []

  /** False when a part of [start, end) already belongs to an entry. */
  claim(start: number, end: number): boolean {
    // entries usually come in ascending order
    let at = this.starts.length
    if (at > 0 && start < this.starts[at - 1]!) at = this.firstAfter(start)
    if (at > 0 && this.ends[at - 1]! > start) return false
    if (at < this.starts.length && this.starts[at]! < end) return false
    this.starts.splice(at, 0, start)
    this.ends.splice(at, 0, end)
    return true
  }

  private firstAfter(start: number): number {
    let [low, high] = [0, this.starts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.starts[middle]! > start) high = middle
      else low = middle + 1
    }
    return low
  }
}
