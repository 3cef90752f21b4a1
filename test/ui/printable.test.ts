import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printable, redacted } from '../../src/ui/printable.ts'

describe('printable', () => {
  it.each([
    ['plain text, ünïcödé, 日本語 and 👩‍👩‍👧', 'plain text, ünïcödé, 日本語 and 👩‍👩‍👧'],
    ['a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['\x1b[31mred\x1b[0m', '\\x1b[31mred\\x1b[0m'],
    ['\x1b]0;title\x07', '\\x1b]0;title\\x07'],
    ['\0\x7f', '\\x00\\x7f'],
    ['\x9b31m', '\\u009b31m'],
    ['caf\udce9.txt', 'caf\\xe9.txt'],
    ['\udc80\udcff', '\\x80\\xff'],
    ['\ud83d alone', '\\ud83d alone'],
    ['evil\u202egpj.exe', 'evil\\u202egpj.exe'],
    ['\u2028', '\\u2028'],
    ['a\u200db\u200b\ufeff\u00ad', 'a\\u200db\\u200b\\ufeff\\u00ad'],
    ['👩\u200d', '👩\\u200d'],
    ['\u{e0041}\u3164', '\\u{e0041}\\u3164'],
    ['❤\ufe0f', '❤\ufe0f'],
  ])('%j', (text, shown) => {
    expect(printable(text)).toBe(shown)
  })

  it('lets no control through and is the same when applied twice', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const shown = printable(text)
        expect(shown).not.toMatch(/\p{Cc}|\p{Cs}|\p{Bidi_Control}/u)
        expect(printable(shown)).toBe(shown)
      }),
      { seed: 1 },
    )
  })
})

describe('redacted', () => {
  it.each([
    'ya29.a0AfH6SMBx-abc_DEF',
    '1//0gAbCdEfGhIjKlMnOpQrStUvWxYz',
    '4/0AbCdEfGhIjKlMn',
    'GOCSPX-abcdef_123',
    'Bearer abc.def-ghi',
    'upload_id=ABPtcPq_x-1',
    'refresh_token=abc',
  ])('takes out %s', secret => {
    expect(redacted(`before ${secret} after`)).toBe('before [secret] after')
  })

  it('leaves names alone', () => {
    const text = 'a//b/1/2026-11-20 ya2.bin drive:colab-escape/1 tokens.json'
    expect(redacted(text)).toBe(text)
  })
})
