import type { ByteStream } from './byte-stream.ts'
import type { Container } from './container.ts'
import { ZipEntryError } from './zip/entry-error.ts'

/** What follows the level: a block, or the end of a stream without blocks. */
const BEGINNINGS = ['314159265359', '177245385090']

export function isBzip2(head: Uint8Array): boolean {
  const hex = Buffer.from(head.subarray(0, 10)).toString('hex')
  return /^425a683[1-9]/.test(hex) && BEGINNINGS.includes(hex.slice(8))
}

/**
 * The plain bytes of a bzip2 file of any number of streams. What follows the last one is passed over, and `container`
 * told. Malformed files throw a plain `Error`. Time and memory: as `bunzip2`.
 */
export async function* decompressBzip2(bytes: ByteStream, container: Container): AsyncGenerator<Uint8Array> {
  const { bunzip2 } = await import('./zip/bunzip2.ts')
  try {
    yield* bunzip2(bytes, container)
  } catch (error) {
    throw error instanceof ZipEntryError ? new Error(error.message, { cause: error }) : error
  }
}
