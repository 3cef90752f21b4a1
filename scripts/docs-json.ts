const INTRO = `# What \`--json\` prints

Made by \`npm run docs\` from [json-output.schema.json](json-output.schema.json), a JSON Schema of one line, against which the tests hold what every command prints.

With \`--json\` a command prints JSON, one object a line, all of it on stdout. \`event\` says what a line is. Events come as things happen; what the command did comes
last, as \`result\`, or why it failed, as \`error\`. \`push\` of several paths has a result for each. The exit code is the same as without \`--json\`. \`cat\` is the exception: it prints
the bytes of the file, whatever the options.

Fields and events may be added in later versions; those that are here stay as they are within one major version. Numbers of bytes are whole numbers, times are in UTC (ISO 8601), paths in
versions have \`/\` between folders. An optional field is left out where it does not apply.`

/** docs/json-output.md, from the schema. */
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
    'All have `"event": "result"` and `command`.',
    ...results.flatMap(
      section((_, { properties: { command } }) => (command.const === undefined ? command.enum.join(', ') : command.const)),
    ),
    '## Parts of them',
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

/** One row a field; those of an object within come after it, by their path. */
function fields({ properties, required }, schema, before) {
  return Object.entries(properties).flatMap(([key, field]) => {
    const name = before + key
    const { type, inner, path } = typeOf(field, schema)
    const text = field.description ?? schema.$defs[nameOf(field.$ref ?? '')]?.description ?? ''
    return [{ name, optional: !required.includes(key), type, text }, ...(inner ? fields(inner, schema, name + path) : [])]
  })
}

/** How a type is told, and the object in it whose fields are told with it. */
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
