import { asCount, MAX_TYPE_LENGTH, refuse, refuseKind } from './span.ts'

/** The type of an array's elements. */
export interface NpyDtype {
  /** As NumPy writes it, such as `<f4`; `records` for a list of fields, `objects` for Python objects. */
  text: string
  /** Bytes per element; undefined for Python objects, which are pickled. */
  bytes: number | undefined
  /** Missing for records and objects. */
  order?: string
  /** Kind and length, such as `f4`. */
  code?: string
  /** Of records: their fields, also those within fields; missing if there are too many. */
  fields?: readonly NpyField[] | undefined
}

/** Elements of one type that follow each other in each record. */
export interface NpyField {
  dtype: NpyDtype
  count: number
}

export const OBJECTS: NpyDtype = { text: 'objects', bytes: undefined }
/** Fields within fields. */
const MAX_NESTING = 8
/** Fields that are listed, at most. */
const MAX_FIELDS = 128
/** Bytes per character of a text. */
const CHARACTER_BYTES = 4

/**
 * The type that the header of a `.npy` file states as a literal of Python: a string, or a list of fields `(name,
 * type)` or `(name, type, shape)`, where a name may be a pair, and a type a list again. Time: linear in its length.
 */
export function dtypeOf(header: string): NpyDtype {
  const at = /["']descr["'] *: */.exec(header)
  if (at === null) refuse('it has no type')
  return new Parser(header, at.index + at[0].length).type(0)
}

/** A type in one string, such as `<M8[ns]`. Old versions of NumPy wrote `|O8` for objects. */
export function plainDtype(text: string): NpyDtype {
  if (text.length > MAX_TYPE_LENGTH) refuse('its type is absurd')
  const [, order = '', kind = '', digits = ''] = /^([<>|=]?)([a-zA-Z])(\d{0,9})(?:\[[^\]]*\])?$/.exec(text) ?? refuseKind(`type ${text}`)
  if (kind === 'O') return OBJECTS
  if (digits === '') refuseKind(`type ${text}`)
  const count = Number(digits)
  return { text, order, code: `${kind}${count}`, bytes: kind === 'U' ? CHARACTER_BYTES * count : count }
}

class Parser {
  private readonly text: string
  private position: number

  constructor(text: string, position: number) {
    this.text = text
    this.position = position
  }

  type(depth: number): NpyDtype {
    if (depth > MAX_NESTING) refuseKind('its fields are nested too deep')
    if (!this.skip('[')) return plainDtype(this.string())
    let bytes = 0
    let hasObjects = false
    let fields: NpyField[] | undefined = []
    while (!this.skip(']')) {
      const { dtype, count } = this.field(depth)
      if (dtype.bytes === undefined) hasObjects = true
      else bytes = asCount(bytes + asCount(dtype.bytes * count))
      fields = fields && join(fields, dtype, count)
      this.skip(',')
    }
    return { text: 'records', bytes: hasObjects ? undefined : bytes, fields }
  }

  private field(depth: number): NpyField {
    this.expect('(')
    this.name()
    this.expect(',')
    const dtype = this.type(depth + 1)
    let count = 1
    if (this.skip(',') && this.skip('(')) {
      while (!this.skip(')')) {
        count = asCount(count * this.number())
        this.skip(',')
      }
    } else if (this.next(/\d/y) !== undefined) {
      this.position--
      count = this.number()
    }
    this.skip(',')
    this.expect(')')
    return { dtype, count }
  }

  /** `'name'`, or `('title', 'name')`. */
  private name(): void {
    if (!this.skip('(')) return void this.string()
    this.string()
    this.expect(',')
    this.string()
    this.expect(')')
  }

  /** Python 2 may write `u'...'` or `b'...'`. */
  private string(): string {
    this.next(/[ub](?=["'])/y)
    const quoted = this.next(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/y) ?? refuseKind('the type of its elements')
    return quoted.slice(1, -1)
  }

  private number(): number {
    return asCount(Number((this.next(/\d{1,15}L?/y) ?? refuseKind('the type of its elements')).replace('L', '')))
  }

  private skip(character: string): boolean {
    this.next(/[ \n]+/y)
    if (this.text[this.position] !== character) return false
    this.position++
    this.next(/[ \n]+/y)
    return true
  }

  private expect(character: string): void {
    if (!this.skip(character)) refuseKind('the type of its elements')
  }

  /** The text that matches here, which is passed over. */
  private next(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position
    const found = pattern.exec(this.text)?.[0]
    this.position += found?.length ?? 0
    return found
  }
}

/** The fields before and those of the next; undefined if they are too many. */
function join(fields: NpyField[], dtype: NpyDtype, count: number): NpyField[] | undefined {
  if (dtype.text !== 'records') fields.push({ dtype, count })
  else if (dtype.fields === undefined || count * dtype.fields.length > MAX_FIELDS) return undefined
  else for (let i = 0; i < count; i++) fields.push(...dtype.fields)
  return fields.length <= MAX_FIELDS ? fields : undefined
}
