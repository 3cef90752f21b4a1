import { AppError } from '../../util/errors.ts'
import { mostSimilar } from '../../util/similar.ts'
import { checkName } from '../format/object-names.ts'

const NAMES_SHOWN = 10

/** A name as a shell completes it: `./data/` is `data`, because no name has a slash. */
export function withoutSlashes(text: string): string {
  return text.replace(/^(?:\.\/+)+(?=[^/])/, '').replace(/(?<=[^/])\/+$/, '')
}

/** A name alone, where a version or a path would make no sense. Throws `usage`. */
export function parseName(text: string): string {
  const name = withoutSlashes(text)
  const [, start] = /^([^@~:/\\]+)[@~:]/.exec(name) ?? []
  if (start === undefined) return checkName(name)
  throw new AppError('usage', `${JSON.stringify(text)} is not a name.`, { hint: `Give the name alone: ${start}` })
}

/** Throws `usage` for what looks like a path below the folder of a name. */
export function refusePath(text: string): void {
  const [, name, path] = /^([^@~:/\\]+)\/+([^@~:]*[^@~:/])$/.exec(withoutSlashes(text)) ?? []
  if (name === undefined || name === '.' || name === '..') return
  throw new AppError('usage', `${JSON.stringify(text)} is not a version: names have no slash.`, {
    hint: `For a path in a version write a colon: ${name}:${path}`,
  })
}

/** The error for a name that is not in the store, where `names` are. */
export function unknownName(location: string, names: readonly string[], name: string): AppError {
  const all = [...new Set(names)].sort()
  // git's way to write the version before
  const [, base = '', carets = ''] = /^(.+?)(\^+)$/.exec(name) ?? []
  const meant = all.includes(base) ? `${base}~${carets.length}` : mostSimilar(name, all)
  return new AppError('not-found', `There is no ${JSON.stringify(name)} in ${location}.`, { hint: hintOf(all, meant) })
}

function hintOf(names: readonly string[], meant: string | undefined): string {
  if (names.length === 0) return 'It holds no versions yet: colab-escape push <path>'
  const shown = `It holds: ${names.slice(0, NAMES_SHOWN).join(', ')}${names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : ''}`
  return meant === undefined ? shown : `Did you mean ${meant}? ${shown}`
}
