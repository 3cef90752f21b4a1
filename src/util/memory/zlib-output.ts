/** node:zlib takes no smaller output buffer. */
const MIN_CHUNK_BYTES = 64

/** What node:zlib's synchronous functions return with the option `info`. */
interface ResultWithEngine {
  buffer: Uint8Array
  engine: { bytesWritten: number; _outBuffer?: unknown }
}

/**
 * The option `chunkSize` of a synchronous call of node:zlib that makes about `bytes` bytes: all of them in one buffer.
 */
export function chunkSizeFor(bytes: number): number {
  return Math.max(MIN_CHUNK_BYTES, bytes)
}

/**
 * The output of a synchronous call of node:zlib with `info: true`, and how many bytes of its input it read. Takes the
 * output buffer from the engine, which Node 24 keeps until V8 collects the whole heap.
 */
export function outputOf(result: unknown): { bytes: Uint8Array; bytesRead: number } {
  const { buffer, engine } = result as ResultWithEngine
  engine._outBuffer = undefined
  return { bytes: buffer, bytesRead: engine.bytesWritten }
}
