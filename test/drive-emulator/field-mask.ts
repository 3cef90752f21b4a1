import { invalidParameter } from './errors.ts'

/** Names that may be selected: `leaf`, `map` (any key below it), or names inside. */
export interface Schema {
  readonly [name: string]: 'leaf' | 'map' | Schema
}

/** What a partial response keeps. */
export type Mask = 'all' | ReadonlyMap<string, Mask>

const invalid = (what: string) => invalidParameter('fields', `Invalid field selection ${what}`)

/**
 * Parses `files(id,name),nextPageToken`, `a/b`, `a(b/c,d)` and `*`. A name that the schema lacks is an error 400.
 * The empty text selects nothing.
 */
export function parseFields(text: string, schema: Schema): Mask {
  if (text.trim() === '') return new Map()
  const tokens = text.match(/[^\s,()/]+|[,()/]/g) ?? []
  let at = 0

  const list = (inside: Schema | 'leaf' | 'map', closing: boolean): Mask => {
    const names = new Map<string, Mask>()
    let all = false
    for (;;) {
      const name = tokens[at++]
      if (name === undefined || /^[,()/]$/.test(name)) throw invalid(text)
      if (name === '*') all = true
      else add(names, name, below(name, inside))
      const next = tokens[at]
      if (next === ',') at++
      else if (next === (closing ? ')' : undefined)) {
        if (closing) at++
        return all ? 'all' : names
      } else throw invalid(text)
    }
  }

  const below = (name: string, inside: Schema | 'leaf' | 'map'): Mask => {
    if (inside === 'leaf') throw invalid(name)
    const schemaBelow = inside === 'map' ? 'leaf' : Object.hasOwn(inside, name) ? inside[name] : undefined
    if (schemaBelow === undefined) throw invalid(name)
    if (tokens[at] === '(') {
      at++
      return list(schemaBelow, true)
    }
    if (tokens[at] !== '/') return 'all'
    at++
    const next = tokens[at++]
    if (next === '*') return 'all'
    if (next === undefined || /^[,()/]$/.test(next)) throw invalid(text)
    return new Map([[next, below(next, schemaBelow)]])
  }

  return list(schema, false)
}

function add(names: Map<string, Mask>, name: string, mask: Mask): void {
  const before = names.get(name)
  if (before === undefined) names.set(name, mask)
  else if (before === 'all' || mask === 'all') names.set(name, 'all')
  else {
    const merged = new Map(before)
    for (const [key, inner] of mask) add(merged, key, inner)
    names.set(name, merged)
  }
}

export function applyMask(value: unknown, mask: Mask): unknown {
  if (mask === 'all') return value
  if (Array.isArray(value)) return value.map(item => applyMask(item, mask))
  if (typeof value !== 'object' || value === null) return value
  const kept: Record<string, unknown> = {}
  // only what is kept is read: some values cost work
  for (const key of Object.keys(value)) {
    const below = mask.get(key)
    if (below !== undefined) kept[key] = applyMask((value as Record<string, unknown>)[key], below)
  }
  return kept
}
