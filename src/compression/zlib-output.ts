/** What node:zlib's synchronous functions return with the option `info`. */
interface WithEngine {
  buffer: Uint8Array
  engine: { bytesWritten: number; _outBuffer?: unknown }
}

/**
 * `bytes` is the output of a synchronous call of node:zlib with `info: true`, `bytesTaken` what it read of its input. On Node 24 the engine stays in memory until
 * V8 looks through all of the heap; without this its buffer, as long as `chunkSize`, would stay too.
 */
export function outputOf(result: unknown): { bytes: Uint8Array; bytesTaken: number } {
  const { buffer, engine } = result as WithEngine
  engine._outBuffer = undefined
  return { bytes: buffer, bytesTaken: engine.bytesWritten }
}
