import { badRequest } from './errors.ts'

/** `Content-Range` of a piece: `bytes a-b/N`, `bytes a-b/*`, or a question, `bytes *\/N`, `bytes *\/*`. */
export type ContentRange =
  { type: 'piece'; first: number; last: number; total: number | undefined } | { type: 'status'; total: number | undefined }

const LARGEST = 5 * 1024 ** 4

export function parseContentRange(header: string): ContentRange {
  const match = /^bytes (?:\*|(\d{1,15})-(\d{1,15}))\/(\*|\d{1,15})$/.exec(header)
  const total = match?.[3] === '*' ? undefined : Number(match?.[3])
  if (match === null || (total !== undefined && total > LARGEST)) throw badRequest('Failed to parse Content-Range header.')
  if (match[1] === undefined) return { type: 'status', total }
  const [first, last] = [Number(match[1]), Number(match[2])]
  if (last < first || (total !== undefined && last >= total)) throw badRequest('Failed to parse Content-Range header.')
  return { type: 'piece', first, last, total }
}

/**
 * The bytes that a `Range` header asks for, as a half-open interval; `unsatisfiable` -> 416. One range only: clients of
 * this project never ask for more, and Drive's answer to more is not documented.
 */
export function parseRange(header: string, size: number): { begin: number; end: number } | 'unsatisfiable' {
  const match = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/.exec(header)
  if (match === null) throw badRequest(`Range header not understood: ${header}`)
  if (match[3] !== undefined) {
    const length = Math.min(Number(match[3]), size)
    return length === 0 ? 'unsatisfiable' : { begin: size - length, end: size }
  }
  const begin = Number(match[1])
  const last = match[2] === '' ? size - 1 : Number(match[2])
  if (match[2] !== '' && last < begin) throw badRequest(`Range header not understood: ${header}`)
  return begin >= size ? 'unsatisfiable' : { begin, end: Math.min(last + 1, size) }
}
