import { badRequest } from './errors.ts'

export interface MultipartParts {
  metadata: Buffer
  media: Buffer
  mediaType: string | undefined
}

const CR = 0x0d
const LF = 0x0a

const malformed = (why: string) => badRequest(`Malformed multipart body: ${why}.`)

function boundaryOf(contentType: string): string {
  const [type, ...rest] = contentType.split(';')
  if (type?.trim().toLowerCase() !== 'multipart/related') throw badRequest(`Bad content type: ${contentType}. Use multipart/related.`)
  const match = /(?:^|;)\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";]{1,70}))\s*(?:;|$)/i.exec(rest.join(';'))
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) throw badRequest('Missing boundary in the multipart content type.')
  return boundary
}

/**
 * Where a delimiter line (a line end, `--boundary`, optional padding, a line end) begins and ends, at or after `from`;
 * `last` for `--boundary--`. Line ends are CRLF, but Drive takes LF as well: Google's own Python client sends it.
 */
function findDelimiter(body: Buffer, boundary: string, from: number): { begin: number; end: number; last: boolean } | undefined {
  const dashes = Buffer.from(`--${boundary}`, 'latin1')
  for (let at = body.indexOf(dashes, from); at !== -1; at = body.indexOf(dashes, at + 1)) {
    // the very first one may open the body; every other one owns the line end before it
    if (at !== 0 && body[at - 1] !== LF) continue
    const begin = at === 0 ? 0 : at - (body[at - 2] === CR ? 2 : 1)
    let after = at + dashes.length
    const last = body.toString('latin1', after, after + 2) === '--'
    if (last) after += 2
    while (body[after] === 0x20 || body[after] === 0x09) after++
    const ending = lineEnd(body, after)
    if (ending > 0) return { begin, end: after + ending, last }
    if (last && after === body.length) return { begin, end: after, last }
  }
  return undefined
}

/** Bytes of the line end at `at`: 2, 1 or, where none is, 0. */
const lineEnd = (body: Buffer, at: number): number => (body[at] === LF ? 1 : body[at] === CR && body[at + 1] === LF ? 2 : 0)

/** Where the headers of a part are over: after the first empty line. */
function afterEmptyLine(part: Buffer): number | undefined {
  for (let at = part.indexOf(LF); at !== -1; at = part.indexOf(LF, at + 1)) {
    const empty = lineEnd(part, at + 1)
    if (empty > 0) return at + 1 + empty
  }
  return undefined
}

function parsePart(part: Buffer): { headers: Map<string, string>; content: Buffer } {
  const headers = new Map<string, string>()
  // a part without headers begins with the empty line itself
  const bare = lineEnd(part, 0)
  const begin = bare > 0 ? bare : afterEmptyLine(part)
  if (begin === undefined) throw malformed('a part has no empty line after its headers')
  if (bare === 0) {
    for (const line of part.toString('latin1', 0, begin).trimEnd().split(/\r?\n/)) {
      const match = /^([A-Za-z0-9-]+):[ \t]*(.*?)[ \t]*$/.exec(line)
      if (match?.[1] === undefined || match[2] === undefined || match[2].includes('\n')) throw malformed('a header line is not one')
      headers.set(match[1].toLowerCase(), match[2])
    }
  }
  const encoding = headers.get('content-transfer-encoding')?.toLowerCase() ?? 'binary'
  if (!['binary', '8bit', '7bit'].includes(encoding)) throw malformed(`Content-Transfer-Encoding ${encoding} is not supported`)
  return { headers, content: part.subarray(begin) }
}

/** The two parts of an upload by `uploadType=multipart`: metadata in JSON, then the content, byte for byte. */
export function parseMultipart(contentType: string | undefined, body: Buffer): MultipartParts {
  const boundary = boundaryOf(contentType ?? '')
  const parts: ReturnType<typeof parsePart>[] = []
  let delimiter = findDelimiter(body, boundary, 0)
  while (delimiter !== undefined && !delimiter.last) {
    const next = findDelimiter(body, boundary, delimiter.end)
    if (next === undefined) throw malformed('the closing boundary is missing')
    // an empty part: its delimiter's CRLF is the one that ended the line before
    parts.push(parsePart(body.subarray(delimiter.end, Math.max(delimiter.end, next.begin))))
    delimiter = next
  }
  const [metadata, media] = parts
  if (delimiter === undefined || metadata === undefined || media === undefined || parts.length !== 2)
    throw malformed(`${parts.length} parts instead of 2`)
  const type = metadata.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw malformed('the first part is not application/json')
  return { metadata: metadata.content, media: media.content, mediaType: media.headers.get('content-type') }
}
