import { AppError } from '../util/errors.ts'
import { formatBytes } from '../util/format-bytes.ts'

/** Below this many plain bytes no ratio is suspicious. */
const HARMLESS_BYTES = 1e9
/** Real data seldom compresses to a hundredth of its size. */
const SUSPICIOUS_RATIO = 100

/** Compares the bytes that come out of an archive with those read from it, to stop decompression bombs early. */
export class Expansion {
  private readonly name: string
  private readonly allowed: boolean
  /** Bytes of the archive read so far. */
  read = 0
  private plain = 0

  constructor(name: string, allowed: boolean) {
    this.name = name
    this.allowed = allowed
  }

  /** Throws `denied` once the output exceeds 1 GB and 100 times the bytes read. */
  add(plainBytes: number): void {
    this.plain += plainBytes
    if (!this.isTooMuch(this.plain)) return
    throw new AppError(
      'denied',
      `${this.name} unpacks to more than ${SUSPICIOUS_RATIO} times its size: over 1 GB from ${formatBytes(this.read)} so far. It may be meant to fill the disk.`,
      { hint: 'If you trust it, run again with --force.' },
    )
  }

  /** False if this many zeros more, which the archive does not hold, would be too much. Else they count. */
  takeHoles(bytes: number): boolean {
    if (this.isTooMuch(this.plain + bytes)) return false
    this.plain += bytes
    return true
  }

  private isTooMuch(plain: number): boolean {
    return !this.allowed && plain > HARMLESS_BYTES && plain > SUSPICIOUS_RATIO * this.read
  }
}
