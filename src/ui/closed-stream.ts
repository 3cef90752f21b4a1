import type { OutputStream } from './output.ts'

/** True when the reader has ended, as after `| head`. This can't be fixed, and it must not stop a push. */
export function isClosedStream(error: Error, stream: Pick<OutputStream, 'isTTY'>): boolean {
  const code = 'code' in error ? error.code : undefined
  return code === 'EPIPE' || code === 'EOF' || code === 'ECONNRESET' || (code === 'EIO' && stream.isTTY === true)
}
