import { createCipheriv, createHash } from 'node:crypto'

/** A seeded source of numbers (sfc32): the same seed gives the same data on every machine. */
export class Seeded {
  #a: number
  #b: number
  #c: number
  #counter = 1
  #spare: number | undefined

  constructor(seed: string | number) {
    const words = createHash('sha256').update(`bench ${seed}`).digest()
    this.#a = words.readInt32LE(0)
    this.#b = words.readInt32LE(4)
    this.#c = words.readInt32LE(8)
  }

  /** From 0 to 2^32 - 1. */
  word(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0
    return result >>> 0
  }

  /** In [0, 1). */
  fraction(): number {
    return this.word() / 2 ** 32
  }

  /** A whole number in [from, to). */
  between(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from))
  }

  pick<T>(list: readonly T[]): T {
    return list[this.between(0, list.length)]!
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare
      this.#spare = undefined
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log((this.word() + 1) / (2 ** 32 + 1)))
    const angle = 2 * Math.PI * this.fraction()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
}

/** An endless stream of bytes that nothing can compress, by seed: each call gives the next `length` of them. */
export function incompressible(seed: string): (length: number) => Buffer {
  const key = createHash('sha256').update(`bench ${seed}`).digest().subarray(0, 16)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  return length => cipher.update(Buffer.alloc(length))
}
