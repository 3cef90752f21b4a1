import { ANY, type Effort, matchesParts, type Part } from '../util/name-pattern.ts'
import { encodePath } from '../util/paths.ts'
import { setAt } from './ignore-set.ts'

/** One line of an ignore file: which paths it speaks of, and what it says of them. */
export interface IgnorePattern {
  /** True for `!pattern`: the paths are not ignored. */
  negative: boolean
  /** True for `pattern/`: it speaks of folders only. */
  onlyFolders: boolean
  /** True if it matches the last name of a path, wherever the path is. */
  onlyName: boolean
  /** The text that paths begin with, before what `names` match. */
  prefix: string
  /** One matcher per name of the path. */
  names: NameMatcher[]
}

/** In a pattern: any number of names, `**`. */
const NAMES = Symbol('any names')

/** Matches one name of a path, or any number of them. */
type NameMatcher = typeof NAMES | { kind: 'literal' | 'ending'; text: string } | { kind: 'parts'; parts: readonly Part[] }

/**
 * A text without wildcards before a `**` that is not at the beginning of a name. Git compares such a text by itself, so
 * that the `**` is then at the beginning: `a**` + `/b` matches ab, a/b and ax/y/b.
 */
const PREFIX = /^[^*?[\\]*[^*?[\\/](?=\*\*+(?:\\?\/|$))/

/** A text as git matches it, byte by byte: a character for each byte of its UTF-8. */

const bytesOf = (text: string): string => (/[^\0-\x7f]/.test(text) ? encodePath(text).toString('latin1') : text)

/**
 * A line of an ignore file, in gitignore syntax; undefined for a comment, for nothing, and for a pattern that can't
 * match. Time: linear in the length of `line`.
 */
export function parseIgnorePattern(line: string): IgnorePattern | undefined {
  const parsed = parse(line)
  return typeof parsed === 'string' ? undefined : parsed
}

/** A text says why nothing can match. */
function parse(line: string): IgnorePattern | string {
  if (/^ *$/.test(line)) return 'it is blank'
  if (line.startsWith('#')) return 'it is a comment; a name that begins with # is \\#...'
  let text = withoutTrailingSpaces(bytesOf(line))
  const negative = text.startsWith('!')
  if (negative) text = text.slice(1)
  const onlyFolders = text.endsWith('/')
  if (onlyFolders) text = text.slice(0, -1)
  const onlyName = !text.includes('/')
  if (text.startsWith('/')) text = text.slice(1)
  const prefix = onlyName ? '' : (PREFIX.exec(text)?.[0] ?? '')
  const tokens = tokensOf(text.slice(prefix.length), onlyName)
  if (typeof tokens === 'string') return tokens
  const names = matchersOf(tokens)
  return names === undefined ? 'a name in it is empty' : { negative, onlyFolders, onlyName, prefix, names }
}

/** Why a pattern of an option can't match any path. Undefined if it can. */
export function whyNeverMatches(pattern: string): string | undefined {
  const parsed = parse(pattern)
  if (typeof parsed === 'string') return parsed
  const dots = parsed.names.find(name => name !== NAMES && name.kind === 'literal' && ['.', '..'].includes(name.text))
  return dots && 'no path has a name . or ..: paths begin in the folder itself'
}

/** The first folders, as bytes, that everything is in which a line matches: `a` and `a/b` for `!a/b/*.txt`. */
export function literalFolders(line: string, limit: number): string[] {
  const { onlyName, prefix, names } = parseIgnorePattern(line) ?? { onlyName: true, prefix: '', names: [] }
  if (onlyName || prefix !== '') return []
  const folders: string[] = []
  for (const name of names.slice(0, -1).slice(0, limit)) {
    if (name === NAMES || name.kind !== 'literal') break
    folders.push(folders.length === 0 ? name.text : `${folders.at(-1)!}/${name.text}`)
  }
  return folders
}

/** What a pattern without wildcards matches: a name anywhere, or `/` and a path. Undefined for other patterns. */
export function literalOf({ onlyName, names }: IgnorePattern): string | undefined {
  const texts = names.map(name => (name !== NAMES && name.kind === 'literal' ? name.text : undefined))
  return texts.includes(undefined) ? undefined : onlyName ? texts[0] : `/${texts.join('/')}`
}

/** A path to be matched, as bytes. Splitting it once serves all patterns. */
export class IgnorablePath {
  readonly isFolder: boolean
  readonly names: readonly string[]

  constructor(path: string, isFolder: boolean) {
    this.isFolder = isFolder
    this.names = bytesOf(path).split('/')
  }

  /** What comes after the first `depth` names, with a `/` before it. */
  below(depth: number): string {
    return `/${this.names.slice(depth).join('/')}`
  }
}

/**
 * Whether a pattern matches a path, or what of it comes after the first `depth` names. Time: at most proportional to
 * the product of both lengths, and counted in `effort`.
 */
export function matchesPath(pattern: IgnorePattern, path: IgnorablePath, depth: number, effort: Effort): boolean {
  const { names, onlyName, onlyFolders, prefix } = pattern
  effort.steps++
  if (onlyFolders && !path.isFolder) return false
  if (onlyName) return matchesOne(names[0]!, path.names.at(-1)!, effort)
  if (prefix === '') return matchesNames(names, path.names, depth, effort)
  const below = path.below(depth)
  return below.startsWith(prefix, 1) && matchesNames(names, below.slice(1 + prefix.length).split('/'), 0, effort)
}

/** Whether matchers match the names of a path from `first` on. */
function matchesNames(names: readonly NameMatcher[], path: readonly string[], first: number, effort: Effort): boolean {
  const end = path.length
  let [name, at] = [0, first]
  // where to resume when what follows the last `**` does not match
  let [wide, wideAt] = [-1, 0]
  while (at < end) {
    const matcher = names[name]
    if (matcher === NAMES) {
      wide = name++
      wideAt = at
    } else if (matcher !== undefined && matchesOne(matcher, path[at]!, effort)) {
      name++
      at++
    } else if (wide >= 0) {
      name = wide + 1
      at = ++wideAt
    } else return false
  }
  while (names[name] === NAMES) name++
  return name === names.length
}

function matchesOne(matcher: NameMatcher, name: string, effort: Effort): boolean {
  effort.steps++
  if (matcher === NAMES) return true
  if (matcher.kind === 'parts') return matchesParts(matcher.parts, name, effort)
  return matcher.kind === 'literal' ? name === matcher.text : name.endsWith(matcher.text)
}

/** Git drops spaces at the end unless a backslash is before them. */
function withoutTrailingSpaces(line: string): string {
  let end = 0
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '\\') i++
    else if (line[i] === ' ') continue
    end = Math.min(line.length, i + 1)
  }
  return line.slice(0, end)
}

type Token = Part | typeof NAMES

/** A text says why nothing can match. */
function tokensOf(text: string, onlyName: boolean): Token[] | string {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '\\') {
      const escaped = text[++at]
      if (escaped === undefined) return 'a backslash is at its end'
      tokens.push(escaped)
    } else if (character === '*') {
      const start = at
      while (text[at + 1] === '*') at++
      const isWide = !onlyName && at > start && isBorder(text[start - 1])
      if (isWide && isBorder(text[at + 1])) tokens.push(NAMES)
      // before an escaped slash it is one name or more
      else if (isWide && text.startsWith('\\/', at + 1)) tokens.push(NAMES, '/', ANY)
      else tokens.push(ANY)
    } else if (character === '?') tokens.push(() => true)
    else if (character === '[') {
      const set = setAt(text, at)
      if (typeof set === 'string') return set
      if (set.isEmpty) return 'a bracket in it matches no character that a name can have'
      tokens.push(set.has)
      at = set.end
    } else tokens.push(character)
  }
  return tokens
}

const isBorder = (character: string | undefined): boolean => character === undefined || character === '/'

/** Undefined if a name is empty, as no name of a path is. */
function matchersOf(tokens: readonly Token[]): NameMatcher[] | undefined {
  const matchers: NameMatcher[] = []
  for (let start = 0; start <= tokens.length;) {
    const slash = tokens.indexOf('/', start)
    const end = slash === -1 ? tokens.length : slash
    if (end === start) return undefined
    matchers.push(matcherOf(tokens.slice(start, end)))
    start = end + 1
  }
  // `a/**` matches what is in a, not a itself
  if (matchers.at(-1) === NAMES) matchers.push(matcherOf([ANY]))
  return matchers
}

function matcherOf(tokens: readonly Token[]): NameMatcher {
  if (tokens[0] === NAMES) return NAMES
  const parts = tokens as readonly Part[]
  const rest = parts[0] === ANY ? parts.slice(1) : parts
  if (!rest.every(part => typeof part === 'string')) return { kind: 'parts', parts }
  return { kind: rest === parts ? 'literal' : 'ending', text: rest.join('') }
}
