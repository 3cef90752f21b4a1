const INTRO = `# What \`--json\` prints

\`npm run docs\` makes this page from [json-output.schema.json](json-output.schema.json), a JSON Schema of one line. The tests check the output of every
command against it.

With \`--json\` a command prints JSON to stdout, one object a line. \`event\` says what a line is. Events are printed as they happen. The
last line is the result of the command (\`result\`), or the reason why it failed (\`error\`). \`push\` of several paths prints a result for each. The exit
code is the same as without \`--json\`. \`cat\` is the exception: it prints the bytes of the file, whatever the options.

Later versions may add fields and events. Existing ones do not change within one major version. Numbers of bytes are integers. Times are in UTC (ISO 8601).
Paths in versions use \`/\` between folders. An optional field is absent if it does not apply.`

/** Makes docs/json-output.md from the schema. */
export function jsonPage(schema) {
  const events = []
  const results = []
  for (const { $ref } of schema.anyOf) {
    const name = nameOf($ref)
    const definition = schema.$defs[name]
    ;(definition.properties.command ? results : events).push([name, definition])
  }
  const described = new Set([...events, ...results].map(([name]) => name))
  const parts = Object.entries(schema.$defs).filter(([name, part]) => !described.has(name) && hasFields(part))
  const section =
    heading =>
    ([name, definition]) =>
      [`### ${heading(name, definition)}`, definition.description, fieldTable(definition, schema)].filter(text => text !== undefined)
  return `${[
    INTRO,
    '## Events',
    ...events.flatMap(section(name => name)),
    '## Results',
    'Every result has `"event": "result"` and `command`.',
    ...results.flatMap(
      section((_, { properties: { command } }) => (command.const === undefined ? command.enum.join(', ') : command.const)),
    ),
    '## Common objects',
    ...parts.flatMap(section(name => name)),
  ].join('\n\n')}\n`
}

const nameOf = ref => ref.replace('#/$defs/', '')
const hasFields = ({ type, properties }) => type === 'object' && properties !== undefined

function fieldTable(definition, schema) {
  const rows = fields(definition, schema, '').filter(({ name }) => name !== 'event' && name !== 'command')
  if (rows.length === 0) return undefined
  return [
    '| field | type | meaning |',
    '|---|---|---|',
    ...rows.map(({ name, optional, type, text }) => `| \`${name}\`${optional ? ' (optional)' : ''} | ${type} | ${text} |`),
  ].join('\n')
}

/** One row for each field. The fields of an inner object follow it, named by their path. */
function fields({ properties, required }, schema, before) {
  return Object.entries(properties).flatMap(([key, field]) => {
    const name = before + key
    const { type, inner, path } = typeOf(field, schema)
    const text = field.description ?? schema.$defs[nameOf(field.$ref ?? '')]?.description ?? ''
    return [{ name, optional: !required.includes(key), type, text }, ...(inner ? fields(inner, schema, name + path) : [])]
  })
}

/** The text for a type, and the inner object whose fields get rows of their own. */
function typeOf(field, schema) {
  if (field.$ref !== undefined) {
    const name = nameOf(field.$ref)
    const part = schema.$defs[name]
    return hasFields(part) ? { type: `[${name}](#${name.toLowerCase()})` } : typeOf(part, schema)
  }
  if (field.anyOf !== undefined) {
    const options = field.anyOf.map(each => typeOf(each, schema))
    return { ...options.find(({ inner }) => inner), type: options.map(({ type }) => type).join(' or ') }
  }
  if (field.const !== undefined) return { type: `\`${JSON.stringify(field.const)}\`` }
  if (field.enum !== undefined) return { type: field.enum.map(value => `\`${value}\``).join(', ') }
  if (field.type === 'array') {
    const { type, inner, path = '' } = typeOf(field.items, schema)
    return { type: `list of ${type}`, inner, path: `[]${path}` }
  }
  if (hasFields(field)) return { type: 'object', inner: field, path: '.' }
  if (field.type === 'object') return { type: `object of ${field.additionalProperties.type}s by name` }
  const types = [field.type].flat().map(type => (type === 'string' && field.format ? 'time' : type))
  return { type: types.join(' or ') }
}
