import type { IncomingHttpHeaders } from 'node:http'

/** What a request asks for; faults, recording and pacing go by it. */
export type CallKind =
  | 'about.get'
  | 'files.list'
  | 'files.create'
  | 'files.generateIds'
  | 'files.get'
  | 'media.get'
  | 'files.update'
  | 'files.delete'
  | 'files.emptyTrash'
  | 'files.copy'
  | 'permissions.list'
  | 'permissions.get'
  | 'permissions.create'
  | 'permissions.delete'
  | 'drives.list'
  | 'drives.get'
  | 'upload.media'
  | 'upload.multipart'
  | 'upload.start'
  | 'upload.piece'
  | 'upload.status'
  | 'oauth.auth'
  | 'oauth.token'
  | 'oauth.revoke'
  | 'oauth.tokeninfo'
  | 'oauth.userinfo'
  | 'link.download'
  | 'metadata'
  | 'unknown'

/** One request whose body has been read. */
export interface Call {
  kind: CallKind
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  body: Buffer
  /** False when the client hung up inside the body: nobody reads the answer, but a resumable upload keeps what came. */
  complete: boolean
  /** `https://www.googleapis.com`, or whatever else the client called this server. */
  origin: string
  /** Of an `upload.piece`: the server keeps only so many of its bytes. */
  acceptOnlyBytes?: number
}

export interface Reply {
  status: number
  headers?: Record<string, string>
  json?: unknown
  body?: Buffer | string
}

const FILE = /^\/drive\/v3\/files\/([^/]+)$/
const PERMISSION = /^\/drive\/v3\/files\/([^/]+)\/permissions(?:\/([^/]+))?$/
const UPLOAD = /^(?:\/resumable)?\/upload\/drive\/v3\/files(?:\/([^/]+))?$/

/** The file id in the path of a call about one file. */
export function fileIdOf(path: string): string {
  const match = FILE.exec(path) ?? UPLOAD.exec(path) ?? /^\/drive\/v3\/files\/([^/]+)\/copy$/.exec(path) ?? PERMISSION.exec(path)
  return match?.[1] === undefined ? '' : decodeURIComponent(match[1])
}

/** The permission that a path names; empty for all of them. */
export const permissionIdIn = (path: string): string => PERMISSION.exec(path)?.[2] ?? ''

/** The shared drive that a path names; undefined for all of them. */
export const driveIdIn = (path: string): string | undefined => /^\/drive\/v3\/drives\/([^/]+)$/.exec(path)?.[1]

const EXACT: Readonly<Record<string, CallKind>> = {
  'GET /drive/v3/about': 'about.get',
  'GET /drive/v3/files': 'files.list',
  'GET /drive/v3/drives': 'drives.list',
  'POST /drive/v3/files': 'files.create',
  'GET /drive/v3/files/generateIds': 'files.generateIds',
  'DELETE /drive/v3/files/trash': 'files.emptyTrash',
  'GET /download': 'link.download',
  'GET /o/oauth2/v2/auth': 'oauth.auth',
  'POST /o/oauth2/v2/auth': 'oauth.auth',
  'GET /o/oauth2/auth': 'oauth.auth',
  'POST /o/oauth2/auth': 'oauth.auth',
  'POST /token': 'oauth.token',
  'POST /oauth2/v4/token': 'oauth.token',
  'POST /oauth2/v3/token': 'oauth.token',
  'POST /o/oauth2/token': 'oauth.token',
  'POST /revoke': 'oauth.revoke',
  'GET /tokeninfo': 'oauth.tokeninfo',
  'GET /oauth2/v3/tokeninfo': 'oauth.tokeninfo',
  'GET /oauth2/v3/userinfo': 'oauth.userinfo',
  'GET /oauth2/v2/userinfo': 'oauth.userinfo',
  'GET /v1/userinfo': 'oauth.userinfo',
}

const UPLOAD_KINDS: ReadonlyMap<string | null, CallKind> = new Map([
  ['media', 'upload.media'],
  ['multipart', 'upload.multipart'],
  ['resumable', 'upload.start'],
])

function uploadKind(method: string, fileId: string | undefined, query: URLSearchParams, headers: IncomingHttpHeaders): CallKind {
  if (query.has('upload_id')) {
    // Google documents PUT; Go clients, rclone among them, send the pieces with POST, which works as well
    if (method !== 'PUT' && method !== 'POST') return 'unknown'
    return /^bytes \*\/(?:\*|[1-9]\d*)$/.test(headers['content-range'] ?? '') ? 'upload.status' : 'upload.piece'
  }
  if (method !== (fileId === undefined ? 'POST' : 'PATCH')) return 'unknown'
  return UPLOAD_KINDS.get(query.get('uploadType')) ?? 'unknown'
}

export function kindOf(method: string, path: string, query: URLSearchParams, headers: IncomingHttpHeaders): CallKind {
  const exact = EXACT[`${method} ${path}`]
  if (exact !== undefined) return exact
  const upload = UPLOAD.exec(path)
  if (upload !== null) return uploadKind(method, upload[1], query, headers)
  if (FILE.test(path)) {
    if (method === 'GET') return query.get('alt') === 'media' ? 'media.get' : 'files.get'
    if (method === 'PATCH') return 'files.update'
    if (method === 'DELETE') return 'files.delete'
  }
  if (method === 'POST' && path.endsWith('/copy') && fileIdOf(path) !== '') return 'files.copy'
  if (PERMISSION.test(path)) {
    const isOne = permissionIdIn(path) !== ''
    if (method === 'GET') return isOne ? 'permissions.get' : 'permissions.list'
    if (method === 'POST' && !isOne) return 'permissions.create'
    if (method === 'DELETE' && isOne) return 'permissions.delete'
  }
  if (method === 'GET' && driveIdIn(path) !== undefined) return 'drives.get'
  if (method === 'GET' && path.startsWith('/computeMetadata/')) return 'metadata'
  return 'unknown'
}
