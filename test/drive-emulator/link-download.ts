import type { Call, Reply } from './call.ts'
import type { Drive } from './drive.ts'

/** Above this Drive does not scan a file for viruses, and asks: support.google.com/drive/answer/2423534. */
const SCANNED_BYTES = 100 * 1024 * 1024

const page = (status: number, title: string): Reply => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: `<!DOCTYPE html><html><head><title>${title}</title></head><body>${title}</body></html>`,
})

/**
 * What drive.usercontent.google.com does for a browser of somebody who is not logged in: it sends a file that everybody
 * with the link may read. With `confirm` it does not ask about large ones: fratajcz/speos#10 (August 2025).
 */
export function linkDownload(drive: Drive, { query, headers }: Call): Reply {
  const file = drive.store.files.get(query.get('id') ?? '')
  const isOpen = file !== undefined && drive.store.lineOf(file).some(({ linkRole }) => linkRole !== undefined)
  if (file?.content === undefined || !isOpen || drive.store.isTrashed(file)) return page(404, 'Error 404 (Not Found)!!1')
  if (headers.authorization !== undefined) return page(400, 'Error 400 (Bad Request)!!1')
  const { bytes } = file.content
  if (bytes.length > SCANNED_BYTES && !query.has('confirm')) return page(200, 'Google Drive - Virus scan warning')
  return {
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`,
    },
    body: bytes,
  }
}
