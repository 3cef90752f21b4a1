import { badRequest } from './errors.ts'

export interface MultipartParts {
  metadata: Buffer
  media: Buffer
  mediaType: string | undefined
}

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
 * Where a delimiter line (CRLF, `--boundary`, optional padding, CRLF) begins and ends, at or after `from`; `last` for
 * `--boundary--`.
 */
function findDelimiter(body: Buffer, boundary: string, from: number): { begin: number; end: number; last: boolean } | undefined {
  const dashes = Buffer.from(`--${boundary}`, 'latin1')
  for (let at = body.indexOf(dashes, from); at !== -1; at = body.indexOf(dashes, at + 1)) {
    // the very first one may open the body; every other one owns the CRLF before it
    const begin = at === 0 ? 0 : at - 2
    if (at !== 0 && body.toString('latin1', at - 2, at) !== '\r\n') continue
    let after = at + dashes.length
    const last = body.toString('latin1', after, after + 2) === '--'
    if (last) after += 2
    while (body[after] === 0x20 || body[after] === 0x09) after++
    if (body.toString('latin1', after, after + 2) === '\r\n') return { begin, end: after + 2, last }
    if (last && after === body.length) return { begin, end: after, last }
  }
  return undefined
}

function parsePart(part: Buffer): { headers: Map<string, string>; content: Buffer } {
  const headers = new Map<string, string>()
  // a part without headers begins with the empty line itself
  const bare = part.toString('latin1', 0, 2) === '\r\n'
  const end = bare ? 0 : part.indexOf('\r\n\r\n')
  if (end === -1) throw malformed('a part has no empty line after its headers')
  if (!bare) {
    for (const line of part.toString('latin1', 0, end).split('\r\n')) {
      const match = /^([A-Za-z0-9-]+):[ \t]*(.*?)[ \t]*$/.exec(line)
      if (match?.[1] === undefined || match[2] === undefined || match[2].includes('\n')) throw malformed('a header line is not one')
      headers.set(match[1].toLowerCase(), match[2])
    }
  }
  const encoding = headers.get('content-transfer-encoding')?.toLowerCase() ?? 'binary'
  if (!['binary', '8bit', '7bit'].includes(encoding)) throw malformed(`Content-Transfer-Encoding ${encoding} is not supported`)
  return { headers, content: part.subarray(bare ? 2 : end + 4) }
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
