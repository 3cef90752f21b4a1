import { below, oneOf, type Random } from './mutate.ts'

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  0.5,
  2 ** 31,
  2 ** 53 - 1,
  2 ** 53,
  8.64e15,
  8.64e15 + 1,
  '',
  'a',
  '0',
  '..',
]
  .concat(['__proto__', '\0', '\ud800', '\n', '/', '\u202e', '0'.repeat(64), 'f'.repeat(64), 'x'.repeat(70), '-'.repeat(30), '7777', '1e3'])
  .concat([[] as never, {} as never, [[]] as never])

/**
 * JSON text with one to a few of its values changed, each line by itself if there are several. Undefined if the text is
 * not JSON.
 */
export function mutateJson(input: Uint8Array, random: Random): Uint8Array | undefined {
  try {
    const text = Buffer.from(input).toString('utf8')
    const lines = text.trimEnd().split('\n')
    const isLines = lines.length > 1 && lines.every(line => line.startsWith('{') && line.endsWith('}'))
    const values = (isLines ? lines : [text]).map(line => JSON.parse(line) as unknown)
    const at = below(random, values.length)
    for (let changes = 1 + below(random, 3); changes > 0; changes--) values[at] = changed(values[at], random)
    if (isLines && random() < 0.1) values.splice(below(random, values.length), 0, values[at])
    return Buffer.from(values.map(value => `${JSON.stringify(value)}\n`).join(''))
  } catch {
    return undefined
  }
}

function changed(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.05) return simple(value, random)
  const holder = value as Record<string, unknown>
  const keys = Object.keys(value)
  const key = keys.length === 0 ? 'a' : oneOf(random, keys)
  const dice = random()
  if (dice < 0.08) {
    if (Array.isArray(value)) value.splice(Number(key), 1)
    else Reflect.deleteProperty(holder, key)
  } else if (dice < 0.16) {
    if (Array.isArray(value))
      value.push(...Array.from({ length: 1 + below(random, 8) }, () => structuredClone(value[Number(key)] as unknown)))
    else holder[oneOf(random, [...keys, 'x', 'toString'])] = structuredClone(holder[key])
  } else holder[key] = changed(holder[key], random)
  return value
}

function simple(value: unknown, random: Random): unknown {
  if (random() < 0.5) return structuredClone(oneOf(random, VALUES))
  if (typeof value === 'number') return value + oneOf(random, [-1, 1, 0.5, 1000, -value * 2])
  if (typeof value !== 'string') return [value]
  const at = below(random, value.length + 1)
  return value.slice(0, at) + String(oneOf(random, VALUES)).slice(0, 4) + value.slice(at + below(random, 3))
}
