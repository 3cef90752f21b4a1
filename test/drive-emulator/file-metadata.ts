import { badRequest, GoogleError, invalidValue } from './errors.ts'
import { FILE_FIELDS } from './file-resource.ts'
import { parseTime } from './time.ts'

/** What a body may set; absent means untouched. A property of value null goes away. */
export interface Metadata {
  id?: string
  name?: string
  mimeType?: string
  parents?: string[]
  description?: string
  originalFilename?: string
  starred?: boolean
  trashed?: boolean
  createdTime?: number
  modifiedTime?: number
  properties?: Record<string, string | null>
  appProperties?: Record<string, string | null>
  /** `shortcutDetails.targetId` */
  target?: string
}

export type MetadataUse = 'create' | 'update' | 'copy'

const EVERYWHERE = ['name', 'mimeType', 'description', 'starred', 'modifiedTime', 'properties', 'appProperties']
const WRITABLE: Readonly<Record<MetadataUse, readonly string[]>> = {
  create: [...EVERYWHERE, 'shortcutDetails', 'id', 'parents', 'createdTime', 'originalFilename'],
  copy: [...EVERYWHERE, 'id', 'parents', 'createdTime'],
  update: [...EVERYWHERE, 'trashed', 'originalFilename'],
}

function requireWritable(key: string, use: MetadataUse): void {
  if (WRITABLE[use].includes(key)) return
  if (key === 'parents')
    throw new GoogleError(
      403,
      'fieldNotWritable',
      'The parents field is not directly writable in update requests. Use the addParents and removeParents parameters instead.',
    )
  // Drive's own resource sent back carries its kind
  if (key === 'kind') return
  if (Object.hasOwn(FILE_FIELDS, key))
    throw new GoogleError(403, 'fieldNotWritable', 'The resource body includes fields which are not directly writable.')
  throw badRequest(`Invalid JSON payload received. Unknown name "${key}": Cannot find field.`)
}

function text(key: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidValue(key)
  return value
}

function flag(key: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidValue(key)
  return value
}

function time(key: string, value: unknown): number {
  const parsed = parseTime(text(key, value), 'required')
  if (parsed === undefined) throw invalidValue(key, `Invalid value for: Invalid format: "${String(value)}"`)
  return parsed
}

function properties(key: string, value: unknown): Record<string, string | null> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidValue(key)
  const entries = Object.entries(value as Record<string, unknown>)
  for (const [name, content] of entries) {
    if (content === null) continue
    if (Buffer.byteLength(name) + Buffer.byteLength(text(key, content)) > 124) throw invalidValue(key, 'A property is over 124 bytes long.')
  }
  return Object.fromEntries(entries) as Record<string, string | null>
}

/** Checks the JSON body of a create, update or copy; an empty body sets nothing. */
export function parseMetadata(body: Buffer, contentType: string | undefined, use: MetadataUse): Metadata {
  if (body.length === 0) return {}
  if (contentType?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
    throw badRequest(`Unsupported content with type: ${contentType ?? 'none'}`)
  return parseMetadataJson(body, use)
}

export function parseMetadataJson(body: Buffer, use: MetadataUse): Metadata {
  if (body.length === 0) return {}
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new GoogleError(400, 'parseError', 'Parse Error')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new GoogleError(400, 'parseError', 'Parse Error')
  const metadata: Metadata = {}
  for (const [key, value] of Object.entries(parsed as Record<string, unknown>)) {
    requireWritable(key, use)
    switch (key) {
      case 'id':
      case 'name':
      case 'mimeType':
      case 'description':
      case 'originalFilename':
        metadata[key] = text(key, value)
        break
      case 'starred':
      case 'trashed':
        metadata[key] = flag(key, value)
        break
      case 'createdTime':
      case 'modifiedTime':
        metadata[key] = time(key, value)
        break
      case 'properties':
      case 'appProperties':
        metadata[key] = properties(key, value)
        break
      case 'shortcutDetails':
        metadata.target = text(key, (value as { targetId?: unknown } | null)?.targetId)
        break
      case 'parents':
        if (!Array.isArray(value)) throw invalidValue(key)
        metadata.parents = value.map(parent => text(key, parent))
    }
  }
  return metadata
}

/** At most 30 properties of one kind. */
export function mergeProperties(before: Record<string, string>, change: Record<string, string | null>): Record<string, string> {
  const merged = new Map<string, string>(Object.entries(before))
  for (const [key, value] of Object.entries(change))
    if (value === null) merged.delete(key)
    else merged.set(key, value)
  if (merged.size > 30) throw new GoogleError(403, 'propertiesLimitExceeded', 'The limit of 30 properties has been exceeded.')
  return Object.fromEntries(merged)
}
