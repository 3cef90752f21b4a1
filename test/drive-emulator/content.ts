import { createHash } from 'node:crypto'

/** The bytes of a file with their checksums, each worked out when first asked for. */
export class Content {
  readonly bytes: Buffer
  private readonly sums = new Map<string, string>()

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  sum(algorithm: 'md5' | 'sha1' | 'sha256'): string {
    const known = this.sums.get(algorithm)
    if (known !== undefined) return known
    const sum = createHash(algorithm).update(this.bytes).digest('hex')
    this.sums.set(algorithm, sum)
    return sum
  }
}
