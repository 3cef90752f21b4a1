import type { Behaviours } from './behaviours.ts'
import { invalidValue } from './errors.ts'
import { parseTime } from './time.ts'

/** What the clauses of `q` look at. */
export interface Searchable {
  name: string
  mimeType: string
  createdTime: number
  modifiedTime: number
  trashed: boolean
  starred: boolean
  sharedWithMe: boolean
  parents: readonly string[]
  owners: readonly string[]
  /** Of a shortcut: what it leads to. */
  target: string | undefined
  appProperties: Readonly<Record<string, string>>
  properties: Readonly<Record<string, string>>
}

type Predicate = (file: Searchable) => boolean

export interface FileQuery {
  matches: Predicate
  /** Every folder that an `in parents` clause names. */
  parents: readonly string[]
}

interface Token {
  type: 'word' | 'text' | 'sign' | 'end'
  value: string
}

/** Aliases of the asking user: ids for `root` and `appDataFolder`, an address for `me`. */
export type Resolve = (alias: string) => string

/** See `Behaviours.severalParents`. */
export type SeveralParents = NonNullable<Behaviours['severalParents']>

const refuse = () => invalidValue('q')

function tokenize(q: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < q.length) {
    const rest = q.slice(at)
    const blank = /^\s+/.exec(rest)
    const text = /^'((?:[^'\\]|\\['\\])*)'/.exec(rest)
    const word = /^[A-Za-z]+(?:\.[A-Za-z]+)?/.exec(rest)
    const sign = /^(?:<=|>=|!=|[=<>(){}])/.exec(rest)
    const match = blank ?? text ?? word ?? sign
    if (match === null) throw refuse()
    if (text !== null) tokens.push({ type: 'text', value: (text[1] ?? '').replace(/\\(['\\])/g, '$1') })
    else if (word !== null) tokens.push({ type: 'word', value: match[0] })
    else if (sign !== null) tokens.push({ type: 'sign', value: match[0] })
    at += match[0].length
  }
  tokens.push({ type: 'end', value: '' })
  return tokens
}

const ORDERS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

/**
 * `contains` on a name looks at the beginnings of words only: `Hello` finds `HelloWorld` and `Say Hello`, `World` does
 * not find `HelloWorld`.
 */
function containsWordPrefix(name: string, wanted: string): boolean {
  const text = name.toLowerCase()
  const prefix = wanted.toLowerCase()
  for (let at = text.indexOf(prefix); at !== -1; at = text.indexOf(prefix, at + 1))
    if (at === 0 || !/[\p{L}\p{N}]/u.test(text.charAt(at - 1))) return true
  return false
}

class Parser {
  readonly parents: string[] = []
  private readonly tokens: Token[]
  private readonly resolve: Resolve
  private readonly severalParents: SeveralParents
  private at = 0

  constructor(q: string, resolve: Resolve, severalParents: SeveralParents) {
    this.severalParents = severalParents
    this.tokens = tokenize(q)
    this.resolve = resolve
  }

  whole(): Predicate {
    const predicate = this.expression()
    if (this.next().type !== 'end') throw refuse()
    return predicate
  }

  private peek(): Token {
    return this.tokens[this.at] ?? { type: 'end', value: '' }
  }

  private next(): Token {
    const token = this.peek()
    this.at++
    return token
  }

  private take(type: Token['type'], ...values: string[]): string {
    const token = this.next()
    if (token.type !== type || (values.length > 0 && !values.includes(token.value))) throw refuse()
    return token.value
  }

  /** `and` and `or` bind alike and are taken from left to right, as Drive's search guide says. */
  private expression(): Predicate {
    let left = this.term()
    for (;;) {
      const { type, value } = this.peek()
      if (type !== 'word' || (value !== 'and' && value !== 'or')) return left
      this.at++
      const [a, b] = [left, this.term()]
      left = value === 'and' ? file => a(file) && b(file) : file => a(file) || b(file)
    }
  }

  private term(): Predicate {
    const token = this.next()
    if (token.type === 'sign' && token.value === '(') {
      const inside = this.expression()
      this.take('sign', ')')
      return inside
    }
    if (token.type === 'word' && token.value === 'not') {
      const inside = this.term()
      return file => !inside(file)
    }
    if (token.type === 'text') return this.membership(token.value)
    if (token.type === 'word') return this.clause(token.value)
    throw refuse()
  }

  private membership(value: string): Predicate {
    this.take('word', 'in')
    const collection = this.take('word', 'parents', 'owners')
    const wanted = this.resolve(value)
    if (collection === 'owners') return file => file.owners.includes(wanted)
    this.parents.push(wanted)
    // of several parents in one query Drive finds the files of some, or none, without a word
    const isFound = (): boolean => {
      if (this.severalParents === 'all' || new Set(this.parents).size === 1) return true
      return this.severalParents === 'first' && wanted === this.parents[0]
    }
    return file => isFound() && file.parents.includes(wanted)
  }

  private clause(field: string): Predicate {
    switch (field) {
      case 'name':
        return this.textClause(file => file.name, containsWordPrefix)
      case 'shortcutDetails.targetId':
        return this.textClause(
          file => file.target ?? '',
          () => false,
        )
      case 'mimeType':
        return this.textClause(
          file => file.mimeType,
          (type, part) => type.includes(part),
        )
      case 'modifiedTime':
      case 'createdTime':
        return this.timeClause(field)
      case 'trashed':
      case 'starred':
        return this.flagClause(field)
      case 'sharedWithMe':
        return this.peek().type === 'sign' && this.peek().value !== ')' ? this.flagClause(field) : file => file.sharedWithMe
      case 'appProperties':
      case 'properties':
        return this.propertyClause(field)
      default:
        throw refuse()
    }
  }

  private textClause(of: (file: Searchable) => string, contains: (text: string, part: string) => boolean): Predicate {
    const token = this.next()
    const value = this.take('text')
    if (token.type === 'word' && token.value === 'contains') return file => contains(of(file), value)
    // Drive's `=` on text ignores case: clients have to look at the name that comes back
    const folded = value.toLowerCase()
    if (token.type === 'sign' && token.value === '=') return file => of(file).toLowerCase() === folded
    if (token.type === 'sign' && token.value === '!=') return file => of(file).toLowerCase() !== folded
    throw refuse()
  }

  private timeClause(field: 'modifiedTime' | 'createdTime'): Predicate {
    const order = ORDERS[this.take('sign', ...Object.keys(ORDERS))]
    const time = parseTime(this.take('text'), 'UTC when absent')
    if (order === undefined || time === undefined) throw refuse()
    return file => order(file[field], time)
  }

  private flagClause(field: 'trashed' | 'starred' | 'sharedWithMe'): Predicate {
    const equal = this.take('sign', '=', '!=') === '='
    const wanted = (this.take('word', 'true', 'false') === 'true') === equal
    return file => file[field] === wanted
  }

  /** `has { key='k' and value='v' }` */
  private propertyClause(field: 'appProperties' | 'properties'): Predicate {
    this.take('word', 'has')
    this.take('sign', '{')
    this.take('word', 'key')
    this.take('sign', '=')
    const key = this.take('text')
    this.take('word', 'and')
    this.take('word', 'value')
    this.take('sign', '=')
    const value = this.take('text')
    this.take('sign', '}')
    return file => Object.hasOwn(file[field], key) && file[field][key] === value
  }
}

/**
 * Parses `q`; a clause, operator or character outside the language is an error 400, never a clause that matches all.
 */
export function parseQuery(q: string, resolve: Resolve, severalParents: SeveralParents = 'first'): FileQuery {
  const parser = new Parser(q, resolve, severalParents)
  return { matches: parser.whole(), parents: parser.parents }
}
