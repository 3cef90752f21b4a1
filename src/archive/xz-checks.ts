import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** A checksum of plain bytes. */
export interface Check {
  /** Bytes of the checksum. */
  readonly length: number
  add(bytes: Uint8Array): void
  /** Once, at the end. */
  digest(): Buffer
}

/** The check of an id (2.1.1.2 of the .xz file format); undefined for one that is reserved. */
export function newCheck(id: number): Check | undefined {
  if (id === 0) return { length: 0, add: () => undefined, digest: () => Buffer.alloc(0) }
  if (id === 1) return new Crc32()
  if (id === 4) return new Crc64()
  if (id !== 10) return undefined
  const hash = createHash('sha256')
  return { length: 32, add: bytes => void hash.update(bytes), digest: () => hash.digest() }
}

class Crc32 implements Check {
  readonly length = 4
  private sum = 0

  add(bytes: Uint8Array): void {
    this.sum = crc32(bytes, this.sum)
  }

  digest(): Buffer {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(this.sum)
    return bytes
  }
}

/** ECMA-182, reflected: the polynomial, lower half first. */
const [POLYNOMIAL_LOW, POLYNOMIAL_HIGH] = [0xd7870f42, 0xc96c5795]
const LOW = new Int32Array(256)
const HIGH = new Int32Array(256)

function makeTables(): void {
  for (let i = 0; i < 256; i++) {
    let [low, high] = [i, 0]
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = (low & 1) === 1
      low = (low >>> 1) | (high << 31)
      high >>>= 1
      if (isOdd) {
        low ^= POLYNOMIAL_LOW
        high ^= POLYNOMIAL_HIGH
      }
    }
    LOW[i] = low
    HIGH[i] = high
  }
}

class Crc64 implements Check {
  readonly length = 8
  private low = -1
  private high = -1

  constructor() {
    if (LOW[1] === 0) makeTables()
  }

  add(bytes: Uint8Array): void {
    let { low, high } = this
    for (let i = 0; i < bytes.length; i++) {
      const at = (low ^ bytes[i]!) & 0xff
      low = ((low >>> 8) | (high << 24)) ^ LOW[at]!
      high = (high >>> 8) ^ HIGH[at]!
    }
    this.low = low
    this.high = high
  }

  digest(): Buffer {
    const bytes = Buffer.alloc(8)
    bytes.writeInt32LE(~this.low, 0)
    bytes.writeInt32LE(~this.high, 4)
    return bytes
  }
}
