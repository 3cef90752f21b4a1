import { freeUnusedBuffers } from '../../util/memory/unused-memory.ts'

/** Text, or bytes in consecutive parts. */
export type RequestBody = string | readonly Uint8Array[]

/** Piece size of a body: `fetch` copies any body that is not a stream as a whole, and packs are large. */
const PIECE_BYTES = 256 * 1024
/** The copies that `fetch` makes of pieces are freed after this many bytes. */
const FREE_EVERY_BYTES = 2 * 1024 * 1024
const LONGEST_HEAD = 10_000
/** Without this option, `fetch` would keep every piece until the response arrives, in case of a redirect. */
const SENT_ONCE = { window: null, redirect: 'error' } as const

/** Number of bytes, or of characters of text. */
export function lengthOf(body: RequestBody | undefined): number {
  if (body === undefined || typeof body === 'string') return body?.length ?? 0
  return body.reduce((sum, part) => sum + part.length, 0)
}

/** Its text, or that of its first part if this is short, as the head of a multipart body is. */
export function textOf(body: RequestBody = ''): string {
  if (typeof body === 'string') return body
  const [first] = body
  return first === undefined || first.length > LONGEST_HEAD ? '' : Buffer.from(first).toString()
}

/**
 * The options that `fetch` needs to send a body. `mayRedirect`: return a redirect as the response instead of following
 * it.
 */
export function sendOptions(body: RequestBody | undefined, mayRedirect: boolean): RequestInit & { headers: Record<string, string> } {
  if (body === undefined) return { headers: {} }
  if (typeof body === 'string') return { body, headers: {} }
  const length = lengthOf(body)
  if (length <= PIECE_BYTES) return { body: Buffer.concat(body), headers: {} }
  return {
    body: piecesOf(body),
    duplex: 'half',
    headers: { 'content-length': String(length) },
    ...(mayRedirect ? {} : SENT_ONCE),
  }
}

async function* piecesOf(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  let unfreed = 0
  for (const part of parts) {
    for (let at = 0; at < part.length; at += PIECE_BYTES) {
      const piece = part.subarray(at, at + PIECE_BYTES)
      yield piece
      unfreed += piece.length
      if (unfreed < FREE_EVERY_BYTES) continue
      freeUnusedBuffers()
      unfreed = 0
    }
  }
}
