import type { OutputStream } from './output.ts'

/** The other end is gone, as after `| head`: nothing that we could do, and no reason to stop a push. */
export function isClosedStream(error: Error, stream: Pick<OutputStream, 'isTTY'>): boolean {
  const code = 'code' in error ? error.code : undefined
  return code === 'EPIPE' || code === 'EOF' || code === 'ECONNRESET' || (code === 'EIO' && stream.isTTY === true)
}
