import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { comparePaths, decodeFileName, encodePath, fsPath } from '../../src/util/paths.ts'

/** Bytes that often begin, continue or break off UTF-8 sequences. */
const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(
    0x2f,
    0x61,
    0x7f,
    0x80,
    0xbf,
    0xc0,
    0xc3,
    0xa9,
    0xe2,
    0x82,
    0xac,
    0xed,
    0xa0,
    0xef,
    0xbf,
    0xbd,
    0xf0,
    0x9f,
    0x98,
    0x80,
    0xf4,
    0xff,
  ),
)
const text = fc.string({ unit: 'binary', maxLength: 8 })
const nameBytes = fc.oneof(
  fc.array(byte, { maxLength: 12 }).map(bytes => Buffer.from(bytes)),
  fc
    .array(
      fc.oneof(
        text.map(value => Buffer.from(value, 'utf8')),
        fc.array(byte, { maxLength: 3 }).map(bytes => Buffer.from(bytes)),
      ),
      { maxLength: 4 },
    )
    .map(pieces => Buffer.concat(pieces)),
)

describe('names of files', () => {
  test('any bytes come back as they were', () => {
    fc.assert(
      fc.property(nameBytes, bytes => {
        const name = decodeFileName(bytes)
        expect(encodePath(name)).toEqual(bytes)
        expect(Buffer.from(fsPath(name))).toEqual(bytes)
      }),
      { seed: 1, numRuns: 2000 },
    )
  })

  test('valid UTF-8 stays the text that it is, anything else is escaped', () => {
    fc.assert(
      fc.property(nameBytes, bytes => {
        const valid = Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes)
        const name = decodeFileName(bytes)
        expect(name.isWellFormed()).toBe(valid)
        expect(!name.isWellFormed() && /[\udc80-\udcff]/.test(name)).toBe(!valid)
        if (valid) {
          expect(name).toBe(bytes.toString('utf8'))
          expect(fsPath(name)).toBe(name)
        }
      }),
      { seed: 2, numRuns: 2000 },
    )
  })

  test('escapes as PEP 383 does', () => {
    expect(decodeFileName(Buffer.from('ff', 'hex'))).toBe('\udcff')
    // CESU surrogates, overlong forms and what lies beyond Unicode are no UTF-8, and are escaped byte by byte
    expect(decodeFileName(Buffer.from('eda080', 'hex'))).toBe('\udced\udca0\udc80')
    expect(decodeFileName(Buffer.from('c0af', 'hex'))).toBe('\udcc0\udcaf')
    expect(decodeFileName(Buffer.from('f4908080', 'hex'))).toBe('\udcf4\udc90\udc80\udc80')
    expect(decodeFileName(Buffer.from('61c3a9f09f9880c3', 'hex'))).toBe('aé😀\udcc3')
    // the replacement character itself is a legal name
    expect(decodeFileName(Buffer.from('efbfbd', 'hex'))).toBe('\ufffd')
    expect(decodeFileName(Buffer.from('efbfbdff', 'hex'))).toBe('\ufffd\udcff')
  })
})

test('comparePaths orders as the bytes of the paths do', () => {
  const sign = Math.sign
  fc.assert(
    fc.property(nameBytes, nameBytes, nameBytes, (prefix, a, b) => {
      const [x, y] = [Buffer.concat([prefix, a]), Buffer.concat([prefix, b])]
      const order = sign(comparePaths(decodeFileName(x), decodeFileName(y)))
      expect(order).toBe(sign(Buffer.compare(x, y)))
    }),
    { seed: 3, numRuns: 5000 },
  )
})

test('comparePaths differs from the order of JS strings where it has to', () => {
  // U+E000 sorts after the surrogates of U+1F600 in UTF-16, before it in UTF-8
  expect('\ue000' > '😀').toBe(true)
  expect(comparePaths('\ue000', '😀')).toBeLessThan(0)
  expect(comparePaths('\udc80', 'é')).toBeLessThan(0)
  expect(comparePaths('a', 'a/b')).toBeLessThan(0)
  expect(comparePaths('a.b', 'a/b')).toBeLessThan(0)
  expect(comparePaths('same', 'same')).toBe(0)
})
