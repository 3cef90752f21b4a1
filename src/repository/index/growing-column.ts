/** A growing array of numbers below 2^32, 4 bytes each. */
export class GrowingColumn {
  private values: Uint32Array
  length = 0

  constructor(expected = 16) {
    this.values = new Uint32Array(Math.max(16, expected))
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const grown = new Uint32Array(this.values.length * 2)
      grown.set(this.values)
      this.values = grown
    }
    this.values[this.length++] = value
  }

  at(position: number): number {
    return this.values[position]!
  }

  /** The position of the last value that is not greater than `value`, or 0 if all are greater. Values must ascend. */
  lastUpTo(value: number): number {
    let first = 0
    let end = this.length
    while (end - first > 1) {
      const middle = (first + end) >>> 1
      if (this.values[middle]! <= value) first = middle
      else end = middle
    }
    return first
  }
}
