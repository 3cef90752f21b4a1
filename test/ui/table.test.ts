import fc from 'fast-check'
import stringWidth from 'string-width'
import { describe, expect, it } from 'vitest'
import { renderTable } from '../../src/ui/table.ts'
import { shortenEnd, shortenMiddle, textWidth } from '../../src/ui/width.ts'

describe('textWidth', () => {
  it.each([
    ['', 0],
    ['plain', 5],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['한국', 4],
    ['ＡＢ', 4],
    ['👍', 2],
    ['👩‍👩‍👧', 2],
    ['❤️', 2],
    ['🇩🇪', 2],
    ['a\u200db', 2],
    ['…⠋', 2],
  ])('%j takes %d', (text, width) => {
    expect(textWidth(text)).toBe(width)
  })

  it('agrees with string-width on every printable character', () => {
    const characters = Array.from({ length: 0x20000 - 0x20 }, (_, i) => String.fromCodePoint(0x20 + i))
    const printable = characters.filter(character => !/[\p{Control}\p{Surrogate}]/u.test(character))
    expect(printable.length).toBeGreaterThan(128_000)
    expect(printable.filter(character => textWidth(character) !== stringWidth(character))).toEqual([])
  })

  it.each(['नमस्ते', 'தமிழ்', 'ไทยกำ', '한글 각', 'ｶﾞ', '1️⃣ #⃣', '👩‍❤️‍👨', '😀🏽', '☀ ☀️', '🇩🇪🇩'])('agrees with string-width on %j', text => {
    expect(textWidth(text)).toBe(stringWidth(text))
  })
})

describe('shortening', () => {
  it('keeps both ends or the beginning', () => {
    expect(shortenMiddle('runs/2026-11-20/model.safetensors', 15)).toBe('runs/20…tensors')
    expect(shortenMiddle('runs/2026-11-20/model.safetensors', 16)).toBe('runs/202…tensors')
    expect(shortenEnd('Saving the snapshot', 16)).toBe('Saving the snap…')
    expect(shortenMiddle('short', 5)).toBe('short')
    expect(shortenEnd('short', 0)).toBe('')
  })

  it('never exceeds the width', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '日', 'e\u0301', '👩‍👩‍👧') }), fc.integer({ min: 0, max: 12 }), (text, width) => {
        expect(textWidth(shortenMiddle(text, width))).toBeLessThanOrEqual(width)
        expect(textWidth(shortenEnd(text, width))).toBeLessThanOrEqual(width)
      }),
      { seed: 1 },
    )
  })
})

describe('renderTable', () => {
  const columns = [{ title: 'SIZE', align: 'right' as const }, { title: 'NAME' }, { title: 'NOTE' }]

  it('aligns', () => {
    const rows = [
      ['1.23 GB', 'data', 'first'],
      ['12 B', '日本語.txt', ''],
    ]
    expect(renderTable(columns, rows)).toEqual(['   SIZE  NAME        NOTE', '1.23 GB  data        first', '   12 B  日本語.txt'])
  })

  it('leaves out an empty heading and fills missing cells', () => {
    expect(renderTable([{ title: '' }, { title: '' }], [['a', 'b'], ['ccc']])).toEqual(['a    b', 'ccc'])
    expect(renderTable([{ title: '' }], [])).toEqual([])
  })

  it('shortens the widest text column in its middle', () => {
    const rows = [['1 B', 'runs/2026-11-20/checkpoints/model.safetensors', 'the best one']]
    expect(renderTable(columns, rows, 40)).toEqual(['SIZE  NAME                  NOTE', ' 1 B  runs/2026-…fetensors  the best one'])
  })

  it('fits whenever columns can give enough, and never touches numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string()), { minLength: 1 }), fc.integer({ min: 40, max: 100 }), (names, width) => {
        const lines = renderTable(
          columns,
          names.map(([name, note]) => ['123,456', name, note]),
          width,
        )
        expect(lines).toHaveLength(names.length + 1)
        for (const line of lines.slice(1)) {
          expect(textWidth(line)).toBeLessThanOrEqual(width)
          expect(line.startsWith('123,456')).toBe(true)
        }
      }),
      { seed: 1 },
    )
  })

  it('overflows rather than shorten below what can be read', () => {
    expect(renderTable(columns, [['1,000', 'abcdefghij', 'klmnopqrst']], 10)[1]).toBe('1,000  abcd…hij  klmn…rst')
  })

  it('shows hostile names without their effect', () => {
    expect(renderTable([{ title: '' }], [['a\x1b[2Jb\n']])).toEqual(['a\\x1b[2Jb\\n'])
  })
})
