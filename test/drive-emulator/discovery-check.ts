import type { Call, Reply } from './call.ts'
import { discoveryDocument, methodsOf } from './discovery-document.ts'
import type { Described, DescribedMethod, DiscoveryDocument } from './discovery-document.ts'
import { parseFields } from './field-mask.ts'
import type { Schema } from './field-mask.ts'
import { parseMultipart } from './multipart.ts'
import { parseTime } from './time.ts'

interface Route {
  method: DescribedMethod
  verb: string
  path: RegExp
  isUpload: boolean
}

/** A listing's files are all alike: so many of them are looked at. */
const MOST_ITEMS = 5

/**
 * Compares requests, and what is answered, with Google's description of Drive v3: paths, methods, parameters, `fields`
 * and members of JSON bodies, by name and type. What is found is told in one line each.
 */
export class DiscoveryCheck {
  private readonly document: DiscoveryDocument
  private readonly routes: Route[]
  /** Of `fields`: a program asks for the same ones again and again. */
  private readonly masks = new Map<string, string | undefined>()

  constructor(document: DiscoveryDocument) {
    this.document = document
    const route = (method: DescribedMethod, verb: string, path: string, isUpload: boolean): Route => {
      const pattern = path.replace(/\{\w+\}/g, '[^/]+').replace(/\./g, '\\.')
      return { method, verb, path: new RegExp(`^${pattern}$`), isUpload }
    }
    this.routes = methodsOf(document)
      // `files/generateIds` before `files/{fileId}`
      .sort((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')))
      .flatMap(method => [
        route(method, method.httpMethod, `/${document.servicePath}${method.path}`, false),
        ...Object.values(method.mediaUpload?.protocols ?? {}).map(({ path }) => route(method, method.httpMethod, path, true)),
      ])
  }

  /** What is wrong with a request to Drive, whose body is there. */
  request(call: Call): string[] {
    const isPiece = call.query.has('upload_id')
    const route = this.routes.find(({ verb, path }) => (isPiece || verb === call.method) && path.test(call.path))
    if (route === undefined) return [`no method of Drive is ${call.method} ${call.path}`]
    if (isPiece) return pieceProblems(call, route)
    return [...this.parameterProblems(route, call), ...this.bodyProblems(route, call)].map(problem => `${route.method.id}: ${problem}`)
  }

  /** What is wrong with the emulator's own answer. */
  reply(call: Call, reply: Reply): string[] {
    if (reply.json === undefined || reply.status !== 200) return []
    const route = this.routes.find(({ verb, path }) => (call.query.has('upload_id') || verb === call.method) && path.test(call.path))
    const response = route?.method.response
    if (route === undefined || response === undefined) return []
    return this.valueProblems(reply.json, response, 'answer', false).map(problem => `the emulator's ${route.method.id}: ${problem}`)
  }

  private parameterProblems({ method, isUpload }: Route, { query, path }: Call): string[] {
    const known = { ...this.document.parameters, ...method.parameters }
    const problems: string[] = []
    for (const name of new Set(query.keys())) {
      const described = Object.hasOwn(known, name) ? known[name] : undefined
      if (described === undefined || described.location === 'path') problems.push(`unknown parameter ${name}`)
      else if (described.deprecated === true) problems.push(`parameter ${name} is deprecated`)
      const values = query.getAll(name)
      if (values.length > 1 && described?.repeated !== true) problems.push(`parameter ${name} is repeated`)
      if (described !== undefined) problems.push(...values.flatMap(value => textProblems(value, described, `parameter ${name}`)))
    }
    for (const [name, { required, location }] of Object.entries(known))
      if (required === true && location === 'query' && !query.has(name)) problems.push(`parameter ${name} is missing`)
    if (isUpload && !['media', 'multipart', 'resumable'].includes(query.get('uploadType') ?? ''))
      problems.push('an upload without its uploadType')
    if (!isUpload && query.has('uploadType')) problems.push(`uploadType at ${path}`)
    const fields = query.get('fields')
    const inFields = fields === null ? undefined : this.fieldsProblem(method, fields)
    return inFields === undefined ? problems : [...problems, inFields]
  }

  private fieldsProblem({ id, response }: DescribedMethod, fields: string): string | undefined {
    const key = `${id} ${fields}`
    if (!this.masks.has(key)) {
      let problem: string | undefined
      try {
        parseFields(fields, this.schemaOf(response ?? {}) as Schema)
      } catch (error) {
        problem = `fields=${fields}: ${error instanceof Error ? error.message : String(error)}`
      }
      this.masks.set(key, problem)
    }
    return this.masks.get(key)
  }

  /** Schemas hold each other, so every one is made when it is first looked into. */
  private schemaOf(described: Described): Schema | 'leaf' | 'map' {
    const { type, items, properties, additionalProperties } = this.resolved(described)
    if (type === 'array' && items !== undefined) return this.schemaOf(items)
    if (properties === undefined) return additionalProperties === undefined ? 'leaf' : 'map'
    const schema = {}
    for (const [name, inside] of Object.entries(properties))
      Object.defineProperty(schema, name, { enumerable: true, get: () => this.schemaOf(inside) })
    return schema
  }

  private resolved(described: Described): Described {
    return described.$ref === undefined ? described : (this.document.schemas[described.$ref] ?? {})
  }

  private bodyProblems({ method, isUpload }: Route, call: Call): string[] {
    const type = call.headers['content-type']
    if (call.body.length === 0 || (isUpload && call.query.get('uploadType') === 'media')) return []
    if (method.request === undefined) return ['a body where there is to be none']
    try {
      const json = isUpload && call.query.get('uploadType') === 'multipart' ? parseMultipart(type, call.body).metadata : call.body
      if (json === call.body && type?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
        return [`a body of type ${type ?? 'unknown'}`]
      return json.length === 0 ? [] : this.valueProblems(JSON.parse(json.toString()), method.request, 'body', true)
    } catch (error) {
      return [`a body that can't be read: ${error instanceof Error ? error.message : String(error)}`]
    }
  }

  /** `isSent`: by a client, who may not set what only Drive sets, and may take a property away with null. */
  private valueProblems(value: unknown, described: Described, at: string, isSent: boolean): string[] {
    const whole = this.resolved(described)
    if (isSent && value === null) return []
    if (whole.type === 'array') {
      if (!Array.isArray(value)) return [`${at} is no list`]
      const some = value.slice(0, isSent ? undefined : MOST_ITEMS)
      return some.flatMap((item, i) => this.valueProblems(item, whole.items ?? {}, `${at}[${i}]`, isSent))
    }
    if (whole.type === 'object') {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no object`]
      return Object.entries(value).flatMap(([name, inside]) => {
        const member = Object.hasOwn(whole.properties ?? {}, name) ? whole.properties?.[name] : whole.additionalProperties
        if (member === undefined) return [`${at}.${name} does not exist`]
        const isOutput = member.readOnly === true || /^Output only\b/.test(member.description ?? '')
        // a resource that is sent back carries its kind
        if (isSent && isOutput && name !== 'kind') return [`${at}.${name} is set by Drive only`]
        return this.valueProblems(inside, member, `${at}.${name}`, isSent)
      })
    }
    if (whole.type === 'string') return typeof value === 'string' ? textProblems(value, whole, at) : [`${at} is no text`]
    if (whole.type === 'boolean') return typeof value === 'boolean' ? [] : [`${at} is no boolean`]
    if (whole.type === 'integer') return Number.isInteger(value) ? [] : [`${at} is no integer`]
    if (whole.type === 'number') return typeof value === 'number' ? [] : [`${at} is no number`]
    return []
  }
}

/** A parameter, or a text in JSON, against its type, format, values and limits. */
function textProblems(value: string, described: Described, at: string): string[] {
  const { type, format, enum: values, pattern, minimum, maximum } = described
  const wrong = (what: string) => [`${at}=${JSON.stringify(value)} ${what}`]
  if (values !== undefined && !values.includes(value)) return wrong(`is none of ${values.join(', ')}`)
  if (type === 'boolean' && value !== 'true' && value !== 'false') return wrong('is no boolean')
  if ((type === 'integer' || format === 'int64') && !/^-?\d+$/.test(value)) return wrong('is no integer')
  if (type === 'integer' && (Number(value) < Number(minimum ?? -Infinity) || Number(value) > Number(maximum ?? Infinity)))
    return wrong('is out of range')
  if (format === 'date-time' && parseTime(value, 'required') === undefined) return wrong('is no time')
  if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`).test(value)) return wrong(`does not match ${pattern}`)
  return []
}

/** The address of a session is Google's own; what is to be said of pieces is in their guide alone. */
function pieceProblems({ method, path }: Call, { isUpload }: Route): string[] {
  if (!isUpload) return [`upload_id at ${path}`]
  return method === 'PUT' ? [] : [`a piece with ${method}`]
}

let check: DiscoveryCheck | undefined

/** Undefined where Google's description is not installed. */
export function discoveryCheck(): DiscoveryCheck | undefined {
  const document = check === undefined ? discoveryDocument() : undefined
  if (document !== undefined) check = new DiscoveryCheck(document)
  return check
}
