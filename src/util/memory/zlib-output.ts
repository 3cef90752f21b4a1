/** The smallest output buffer that node:zlib allows. */
const MIN_CHUNK_BYTES = 64

/** The result of node:zlib's synchronous functions with the option `info`. */
interface ResultWithEngine {
  buffer: Uint8Array
  engine: { bytesWritten: number; _outBuffer?: unknown }
}

/**
 * The option `chunkSize` for a synchronous call of node:zlib with about `bytes` bytes of output: one buffer for all of
 * them.
 */
export function chunkSizeFor(bytes: number): number {
  return Math.max(MIN_CHUNK_BYTES, bytes)
}

/**
 * The output of a synchronous call of node:zlib with `info: true`, and the number of input bytes it read. Detaches the
 * output buffer from the engine, which Node 24 keeps until V8 collects the whole heap.
 */
export function outputOf(result: unknown): { bytes: Uint8Array; bytesRead: number } {
  const { buffer, engine } = result as ResultWithEngine
  engine._outBuffer = undefined
  return { bytes: buffer, bytesRead: engine.bytesWritten }
}
