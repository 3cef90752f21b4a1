import type { ByteQueue, ByteStream } from './byte-stream.ts'

/** What the reader of a compressed file found out. */
export interface Container {
  /** Frames or members that were read to their end. A file of a single one that was read to its end was not cut. */
  frames: number
  /** Whether bytes follow the last one that are no frame, and no padding of zeros. */
  hasMore: boolean
  /** From the header of the first one. */
  name?: Buffer | undefined
  /** ns since 1970; from the header of the first one. */
  mtime?: bigint | undefined
}

/** Reads what follows the last frame. */
export async function passOver(input: ByteQueue, container: Container): Promise<void> {
  while (await input.fill(1)) {
    const isPadding = input.takeSome(Infinity).every(byte => byte === 0)
    container.hasMore ||= !isPadding
  }
}

export function newContainer(): Container {
  return { frames: 0, hasMore: false }
}

/**
 * What `decode` gives for `stored`. The last piece comes when the end was verified. If `stored` itself fails, all that
 * can be decoded comes before its error; then `ending` is decoded, too.
 */
export async function* decodeStream<T>(
  stored: AsyncIterable<T>,
  decode: (stored: AsyncIterable<T>) => ByteStream,
  ending: readonly T[] = [],
): AsyncGenerator<Uint8Array> {
  let failed: { error: unknown } | undefined
  async function* given(): AsyncGenerator<T> {
    try {
      yield* stored
    } catch (error) {
      failed = { error }
      yield* ending
    }
  }
  let held: Uint8Array | undefined
  try {
    for await (const piece of decode(given())) {
      if (held !== undefined) yield held
      held = piece
    }
  } catch (error) {
    if (failed === undefined) throw error
  }
  if (held !== undefined) yield held
  if (failed !== undefined) throw failed.error
}
