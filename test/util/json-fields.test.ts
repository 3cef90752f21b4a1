import { describe, expect, test } from 'vitest'
import { Fields, isRecord, parseJson } from '../../src/util/json-fields.ts'
import { refusal } from '../helpers/failures.ts'

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

describe('strict JSON', () => {
  test('is UTF-8 to the letter', () => {
    expect(refusal(() => parseJson(Buffer.from([0x22, 0xc3, 0x28, 0x22]), 'It')).message).toBe('It is damaged: it is not UTF-8')
    expect(parseJson(json('é😀'), 'It')).toBe('é😀')
  })

  test('that is nested without end is refused, not a stack overflow', () => {
    refusal(() => parseJson(Buffer.alloc(1_000_000, '['), 'It'))
    refusal(() => new Fields(parseJson(Buffer.from('['.repeat(1000) + ']'.repeat(1000)), 'It'), 'It'))
  })

  test('fields are told apart by kind, each failure names the field', () => {
    const fields = new Fields({ text: 'abc', number: 7, yes: true, list: [1, 2], inner: { deep: 'x' }, empty: null }, 'It')
    expect(fields.string('text', 3)).toBe('abc')
    expect(fields.optionalString('missing')).toBeUndefined()
    expect(fields.integer('number', 7)).toBe(7)
    expect(fields.boolean('yes')).toBe(true)
    expect(fields.list('list', value => (typeof value === 'number' ? value * 2 : undefined))).toEqual([2, 4])
    expect(fields.fields('inner').string('deep')).toBe('x')
    expect(fields.has('empty')).toBe(true)
    const refused: [string, () => unknown][] = [
      ['text', () => fields.string('text', 2)],
      ['number', () => fields.string('number')],
      ['missing', () => fields.string('missing')],
      ['empty', () => fields.optionalString('empty')],
      ['text', () => fields.integer('text')],
      ['number', () => fields.integer('number', 6)],
      ['number', () => fields.boolean('number')],
      ['inner', () => fields.list('inner', value => value)],
      ['list', () => fields.list('list', value => (value === 1 ? value : undefined))],
      ['list', () => fields.fields('list')],
      ['empty', () => fields.fields('empty')],
    ]
    for (const [field, read] of refused) expect(refusal(read).message).toContain(`It is damaged: "${field}"`)
  })

  test.each([-1, 0.5, 1e300, null, '3', true])('%j is no whole number', value => {
    refusal(() => new Fields({ value }, 'It').integer('value'))
  })

  test('names of the object prototype are ordinary fields', () => {
    const fields = new Fields(parseJson(Buffer.from('{"__proto__": {"stolen": 1}}'), 'It'), 'It')
    refusal(() => fields.integer('stolen'))
    refusal(() => fields.string('constructor'))
    expect([isRecord({}), isRecord([]), isRecord(null), isRecord('x')]).toEqual([true, false, false, false])
  })
})
