const INTRO = `# What \`--json\` prints

\`npm run docs\` makes this page from [json-output.schema.json](json-output.schema.json), a JSON Schema of one line. The tests check the output of every
command against it.

With \`--json\` a command prints JSON to stdout, one object a line. \`event\` says what a line is. Events are printed as they happen. The
last line is the result of the command (\`result\`), or the reason why it failed (\`error\`). \`push\` of several paths prints a result for each. The exit
code is the same as without \`--json\`. \`cat\` is the exception: it prints the bytes of the file, whatever the options.

Later versions may add fields and events. Existing ones do not change within one major version. Numbers of bytes are integers. Times are in UTC (ISO 8601).
Paths in versions use \`/\` between folders. If one has a backslash or a byte that is not UTF-8, it is written as \`ls\` prints it (\`\\\\\`, \`\\xff\`):
[names](pushing-and-pulling.md#names). An optional field is absent if it does not apply.`

/** The part of JSON Schema that docs/json-output.schema.json uses. */
interface Field {
  $ref?: string
  anyOf?: Field[]
  const?: unknown
  enum?: string[]
  type?: string | string[]
  format?: string
  description?: string
  items?: Field
  additionalProperties?: Field
  properties?: Record<string, Field>
  required?: string[]
}

type ObjectField = Field & Required<Pick<Field, 'properties'>>
type Section = [name: string, definition: ObjectField]

export interface Schema {
  anyOf: { $ref: string }[]
  $defs: Record<string, Field>
}

/** The text of docs/json-output.md, from the schema. */
export function jsonPage(schema: Schema): string {
  const events: Section[] = []
  const results: Section[] = []
  for (const { $ref } of schema.anyOf) {
    const name = nameOf($ref)
    const definition = schema.$defs[name]
    if (!definition || !hasFields(definition)) throw new Error(`${name} in the schema has no fields`)
    ;(definition.properties.command ? results : events).push([name, definition])
  }
  const described = new Set([...events, ...results].map(([name]) => name))
  const parts = Object.entries(schema.$defs).filter((part): part is Section => !described.has(part[0]) && hasFields(part[1]))
  const section = (heading: string, definition: ObjectField): string[] =>
    [`### ${heading}`, definition.description, fieldTable(definition, schema)].filter(text => text !== undefined)
  return `${[
    INTRO,
    '## Events',
    ...events.flatMap(([name, definition]) => section(name, definition)),
    '## Results',
    'Every result has `"event": "result"` and `command`.',
    ...results.flatMap(([, definition]) => section(commandsOf(definition), definition)),
    '## Common objects',
    ...parts.flatMap(([name, definition]) => section(name, definition)),
  ].join('\n\n')}\n`
}

const commandsOf = ({ properties: { command } }: ObjectField): string => command?.enum?.join(', ') ?? String(command?.const)
const nameOf = (ref: string): string => ref.replace('#/$defs/', '')
const hasFields = (field: Field): field is ObjectField => field.type === 'object' && field.properties !== undefined

function fieldTable(definition: ObjectField, schema: Schema): string | undefined {
  // every line has them
  const common = definition.properties.event ? ['event', 'command'] : []
  const rows = fields(definition, schema, '').filter(({ name }) => !common.includes(name))
  if (rows.length === 0) return undefined
  return [
    '| field | type | meaning |',
    '|---|---|---|',
    ...rows.map(({ name, optional, type, text }) => `| \`${name}\`${optional ? ' (optional)' : ''} | ${type} | ${text} |`),
  ].join('\n')
}

interface FieldRow {
  name: string
  optional: boolean
  type: string
  text: string
}

/** One row for each field. The fields of an inner object follow it, named by their path. */
function fields({ properties, required = [] }: ObjectField, schema: Schema, before: string): FieldRow[] {
  return Object.entries(properties).flatMap(([key, field]) => {
    const name = before + key
    const { type, inner, path } = typeOf(field, schema)
    const text = field.description ?? schema.$defs[nameOf(field.$ref ?? '')]?.description ?? ''
    return [{ name, optional: !required.includes(key), type, text }, ...(inner ? fields(inner, schema, name + (path ?? '')) : [])]
  })
}

/** The name of a type, and the object in it whose fields are listed with it under `path`. */
interface FieldType {
  type: string
  inner?: ObjectField | undefined
  path?: string | undefined
}

function typeOf(field: Field, schema: Schema): FieldType {
  if (field.$ref !== undefined) {
    const name = nameOf(field.$ref)
    const part = schema.$defs[name]!
    return hasFields(part) ? { type: `[${name}](#${name.toLowerCase()})` } : typeOf(part, schema)
  }
  if (field.anyOf !== undefined) {
    const options = field.anyOf.map(each => typeOf(each, schema))
    return { ...options.find(({ inner }) => inner), type: options.map(({ type }) => type).join(' or ') }
  }
  if (field.const !== undefined) return { type: `\`${JSON.stringify(field.const)}\`` }
  if (field.enum !== undefined) return { type: field.enum.map(value => `\`${value}\``).join(', ') }
  if (field.type === 'array' && field.items) {
    const { type, inner, path = '' } = typeOf(field.items, schema)
    return { type: `list of ${type}`, inner, path: `[]${path}` }
  }
  if (hasFields(field)) return { type: 'object', inner: field, path: '.' }
  if (field.type === 'object') return { type: `object of ${String(field.additionalProperties?.type)}s by name` }
  const types = [field.type ?? []].flat().map(type => (type === 'string' && field.format ? 'time' : type))
  return { type: types.join(' or ') }
}
