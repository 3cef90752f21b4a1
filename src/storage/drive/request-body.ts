import { freeUnusedBuffers } from '../../util/memory/unused-memory.ts'

/** Text, or bytes in parts that follow each other. */
export type RequestBody = string | readonly Uint8Array[]

/** Of a body that goes out piece by piece: `fetch` copies any other one as a whole, and packs are large. */
const PIECE_BYTES = 256 * 1024
/** The copies that `fetch` makes of pieces are let go after so many bytes. */
const FREE_EVERY_BYTES = 2 * 1024 * 1024
/** Otherwise `fetch` would keep every piece until the answer arrives, in case it must send them to another address. */
const SENT_ONCE = { window: null, redirect: 'error' } as const

/** Bytes, or characters of text. */
export function lengthOf(body: RequestBody | undefined): number {
  if (body === undefined || typeof body === 'string') return body?.length ?? 0
  return body.reduce((sum, part) => sum + part.length, 0)
}

/** What `fetch` needs to know to send a body. `mayRedirect`: a redirect must come through as the answer that it is. */
export function sending(body: RequestBody | undefined, mayRedirect: boolean): RequestInit & { headers: Record<string, string> } {
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
