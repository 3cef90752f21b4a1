import { corrupt } from './errors.ts'

/** Strict parsing of JSON: UTF-8, one object, each field of the stated type and within its limits. */
export function parseJson(bytes: Uint8Array, subject: string, hint?: string): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw corrupt(subject, 'it is not UTF-8', hint)
  }
  return parseJsonText(text, subject, hint)
}

export function parseJsonText(text: string, subject: string, hint?: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw corrupt(subject, 'it is not JSON', hint)
  }
}

export type JsonRecord = Record<string, unknown>

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads the fields of one record. Its errors name the wrong field. */
export class Fields {
  readonly record: JsonRecord
  readonly subject: string

  constructor(value: unknown, subject: string) {
    if (!isRecord(value)) throw corrupt(subject, 'it is not a JSON object')
    this.record = value
    this.subject = subject
  }

  fail(field: string, why: string): never {
    throw corrupt(this.subject, `"${field}" ${why}`)
  }

  has(field: string): boolean {
    return this.record[field] !== undefined
  }

  string(field: string, maxLength = 65_536): string {
    const value = this.record[field]
    if (typeof value !== 'string') return this.fail(field, 'is not a text')
    if (value.length > maxLength) return this.fail(field, 'is too long')
    return value
  }

  optionalString(field: string, maxLength?: number): string | undefined {
    return this.has(field) ? this.string(field, maxLength) : undefined
  }

  integer(field: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.record[field]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max)
      return this.fail(field, 'is not a whole number in range')
    return value
  }

  boolean(field: string): boolean {
    const value = this.record[field]
    if (typeof value !== 'boolean') return this.fail(field, 'is neither true nor false')
    return value
  }

  list<T>(field: string, item: (value: unknown) => T | undefined): T[] {
    const value = this.record[field]
    if (!Array.isArray(value)) return this.fail(field, 'is not a list')
    return value.map(entry => {
      const got = item(entry)
      return got === undefined ? this.fail(field, 'has an entry of the wrong kind') : got
    })
  }

  fields(field: string): Fields {
    if (!isRecord(this.record[field])) return this.fail(field, 'is not an object')
    return new Fields(this.record[field], this.subject)
  }
}
