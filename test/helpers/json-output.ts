import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

interface ObjectSchema {
  properties: Record<string, { const?: string; enum?: string[] }>
}
interface Schema {
  anyOf: { $ref: string }[]
  $defs: Record<string, ObjectSchema>
}

const schema = JSON.parse(readFileSync(new URL('../../docs/json-output.schema.json', import.meta.url), 'utf8')) as Schema

/** Kinds of lines, by their names in the schema. */
export const KINDS: readonly string[] = schema.anyOf.map(({ $ref }) => $ref.slice('#/$defs/'.length))

/**
 * The schema lets fields be added, for programs that read a later version's output; a test must not meet one that it
 * does not tell of.
 */
function closed<T>(part: T): T {
  if (typeof part !== 'object' || part === null) return part
  if (Array.isArray(part)) return part.map(closed) as T
  const copy = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, closed(value as unknown)]))
  const isObject = copy.type === 'object' && copy.properties !== undefined
  return (isObject ? { ...copy, additionalProperties: false } : copy) as T
}

let validators: Map<string, ValidateFunction> | undefined
/** Each kind by itself, so that an error tells of the one that was meant. */
function validatorsByKind(): Map<string, ValidateFunction> {
  if (validators) return validators
  const ajv = new Ajv2020({ formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ } })
  ajv.addSchema({ $id: 'output', ...closed(schema) })
  validators = new Map(KINDS.map(kind => [kind, ajv.getSchema(`output#/$defs/${kind}`)!]))
  return validators
}

/** The kind of a line that a command printed with --json; throws where it is none of the schema. */
export function kindOfLine(line: Record<string, unknown>): string {
  const answers = ({ const: one, enum: several = [] }: { const?: string; enum?: string[] } = {}, value: unknown): boolean =>
    one === value || several.includes(value as string)
  const meant = KINDS.filter(kind => {
    const { event, command } = schema.$defs[kind]!.properties
    return answers(event, line.event) && answers(command, line.command)
  })
  const errors: string[] = []
  for (const kind of meant) {
    const validate = validatorsByKind().get(kind)!
    if (validate(line)) return kind
    errors.push(`${kind}: ${JSON.stringify(validate.errors)}`)
  }
  throw new Error(`docs/json-output.schema.json does not tell of ${JSON.stringify(line)}\n${errors.join('\n')}`)
}

/** What `stdout` of a command with --json holds, each line one that the schema tells of. */
export function linesOf(stdout: string): Record<string, unknown>[] {
  const lines = stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  for (const line of lines) kindOfLine(line)
  return lines
}
