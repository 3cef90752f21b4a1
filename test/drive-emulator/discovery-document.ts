import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A value as Google describes it: JSON Schema of an old draft, with `$ref` to other schemas by name. */
export interface Described {
  $ref?: string
  type?: 'string' | 'boolean' | 'integer' | 'number' | 'object' | 'array' | 'any'
  format?: string
  enum?: readonly string[]
  pattern?: string
  minimum?: string
  maximum?: string
  properties?: Readonly<Record<string, Described>>
  additionalProperties?: Described
  items?: Described
  description?: string
  readOnly?: boolean
  deprecated?: boolean
  required?: boolean
  repeated?: boolean
  location?: 'path' | 'query'
}

export interface DescribedMethod {
  id: string
  httpMethod: string
  path: string
  parameters?: Readonly<Record<string, Described>>
  request?: { $ref: string }
  response?: { $ref: string }
  mediaUpload?: { protocols: Readonly<Record<string, { path: string }>> }
}

interface Resource {
  methods?: Readonly<Record<string, DescribedMethod>>
  resources?: Readonly<Record<string, Resource>>
}

export interface DiscoveryDocument extends Resource {
  revision: string
  servicePath: string
  parameters: Readonly<Record<string, Described>>
  schemas: Readonly<Record<string, Described>>
  auth: { oauth2: { scopes: Readonly<Record<string, unknown>> } }
}

/** `scripts/setup` puts it into the first. Debian's python3-googleapi has had it since 2.0. */
const PLACES = [fileURLToPath(new URL('../../.google', import.meta.url)), '/usr/lib/python3/dist-packages']

/** The file with Google's description of Drive; undefined when it is not installed. */
export const DOCUMENT = PLACES.map(documentIn).find(file => existsSync(file))

function documentIn(place: string): string {
  return join(place, 'googleapiclient/discovery_cache/documents/drive.v3.json')
}

export const WITHOUT_DOCUMENT = "Requests are not checked against Google's description of Drive: it is not installed (run scripts/setup)."

let loaded: DiscoveryDocument | undefined

/** Google's own description of Drive v3, read once. */
export function discoveryDocument(): DiscoveryDocument | undefined {
  if (DOCUMENT === undefined) return undefined
  return (loaded ??= JSON.parse(readFileSync(DOCUMENT, 'utf8')) as DiscoveryDocument)
}

/** Every method, those of resources inside resources too. */
export function methodsOf({ methods = {}, resources = {} }: Resource): DescribedMethod[] {
  return [...Object.values(methods), ...Object.values(resources).flatMap(methodsOf)]
}
