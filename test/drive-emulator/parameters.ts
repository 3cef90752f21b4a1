import { invalidParameter, requiredParameter } from './errors.ts'

/** Taken by every method of the API. */
const STANDARD = ['alt', 'fields', 'prettyPrint', 'key', 'quotaUser', '$.xgafv']

/**
 * The query of one call, checked against what its method takes: an unknown or repeated parameter, or a value of another
 * type, is an error 400.
 */
export class Parameters {
  private readonly query: URLSearchParams

  constructor(query: URLSearchParams, known: readonly string[]) {
    this.query = query
    for (const name of new Set(query.keys())) {
      if (!known.includes(name) && !STANDARD.includes(name)) throw invalidParameter(name, `Unknown parameter: ${name}`)
      if (query.getAll(name).length > 1) throw invalidParameter(name, `Repeated parameter: ${name}`)
    }
    const alt = query.get('alt')
    if (alt !== null && alt !== 'json' && !(alt === 'media' && known.includes('acknowledgeAbuse')))
      throw invalidParameter('alt', `Invalid value '${alt}' for alt`)
    this.flag('prettyPrint')
  }

  text(name: string): string | undefined {
    return this.query.get(name) ?? undefined
  }

  required(name: string): string {
    const value = this.query.get(name)
    if (value === null) throw requiredParameter(name)
    return value
  }

  flag(name: string): boolean {
    const value = this.query.get(name)
    if (value !== null && value !== 'true' && value !== 'false') throw invalidParameter(name, `Invalid boolean value: '${value}'.`)
    return value === 'true'
  }

  integer(name: string, fallback: number, least: number, most: number): number {
    const value = this.query.get(name)
    if (value === null) return fallback
    if (!/^\d{1,9}$/.test(value)) throw invalidParameter(name, `Invalid unsigned integer value: '${value}'.`)
    const number = Number(value)
    if (number < least || number > most)
      throw invalidParameter(name, `Invalid value '${value}'. Values must be within the range: [${least}, ${most}]`)
    return number
  }

  /** One of `values`, or `fallback` when absent. */
  choice<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const value = this.query.get(name)
    if (value === null) return fallback
    const found = values.find(candidate => candidate === value)
    if (found === undefined) throw invalidParameter(name, `Invalid value '${value}' for ${name}`)
    return found
  }
}
