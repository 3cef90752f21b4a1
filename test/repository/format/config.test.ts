import { describe, expect, test } from 'vitest'
import { checkConfig, encodeConfig } from '../../../src/repository/format/config.ts'
import { refusal } from '../../helpers/failures.ts'

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

describe('the config', () => {
  test('is the same in every repository, readable, and taken', () => {
    expect(Buffer.from(encodeConfig())).toEqual(Buffer.from(encodeConfig()))
    expect(Buffer.from(encodeConfig()).toString()).toMatch(/^\{\n {2}"format": 1,\n {2}"about": \[\n/)
    checkConfig(encodeConfig(), 'here')
  })

  test.each([
    ['a later format', { format: 2 }],
    ['a much later one', { format: 1e15, about: [] }],
  ])('of %s asks for a newer program', (_, config) => {
    const error = refusal(() => checkConfig(json(config), 'here'), 'newer-format')
    expect(error.message).toContain('newer colab-escape')
    expect(error.hint).toContain('newest colab-escape')
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['half of it', encodeConfig().subarray(0, 100)],
    ['no object', json([1])],
    ['null', json(null)],
    ['no format', json({ about: [] })],
    ['a text as format', json({ format: '1' })],
    ['format 0', json({ format: 0 })],
    ['format 1.5', json({ format: 1.5 })],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['64 KiB and more', Buffer.concat([encodeConfig(), Buffer.alloc(65_536, ' ')])],
  ])('that holds %s is damaged', (_, bytes) => {
    expect(refusal(() => checkConfig(bytes, '/some/store')).message).toContain('/some/store')
  })
})
