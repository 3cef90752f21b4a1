import type { Reply } from './call.ts'
import { GoogleError } from './errors.ts'
import type { DriveFile } from './file-store.ts'
import { parseRange } from './ranges.ts'

/** The content, or the one range of it that was asked for. */
export function download(file: DriveFile, range: string | undefined): Reply {
  if (file.content === undefined)
    throw new GoogleError(
      403,
      'fileNotDownloadable',
      'Only files with binary content can be directly downloaded. Use Export with Docs Editors files.',
      { location: 'alt' },
    )
  const { bytes } = file.content
  const headers = { 'content-type': file.mimeType, 'accept-ranges': 'bytes' }
  if (range === undefined) return { status: 200, headers, body: bytes }
  const part = parseRange(range, bytes.length)
  if (part === 'unsatisfiable')
    throw new GoogleError(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable', {
      location: 'Range',
      locationType: 'header',
      headers: { 'content-range': `bytes */${bytes.length}` },
    })
  const contentRange = `bytes ${part.begin}-${part.end - 1}/${bytes.length}`
  return { status: 206, headers: { ...headers, 'content-range': contentRange }, body: bytes.subarray(part.begin, part.end) }
}
