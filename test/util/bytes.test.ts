import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ascii, ByteReader, ByteWriter, equalBytes } from '../../src/util/bytes.ts'
import { plural } from '../../src/util/words.ts'
import { refusal } from '../helpers/failures.ts'

const MAX = Number.MAX_SAFE_INTEGER

function varintBytes(value: number): Uint8Array {
  const out = new ByteWriter(1)
  out.varint(value)
  return out.finish()
}

const number = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 32 - 1, 2 ** 32, 2 ** 49, MAX - 1, MAX),
)

describe('varint', () => {
  test('comes back as it was written, in the shortest form', () => {
    fc.assert(
      fc.property(number, value => {
        const bytes = varintBytes(value)
        expect(bytes.length).toBe(Math.max(1, Math.ceil(value.toString(2).length / 7)))
        const reader = new ByteReader(bytes, 'x')
        expect(reader.varint(MAX)).toBe(value)
        reader.finish()
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test('is refused at every truncation, in a longer form, and beyond its limit', () => {
    fc.assert(
      fc.property(number, fc.integer({ min: 1, max: 9 }), (value, padding) => {
        const bytes = varintBytes(value)
        for (let length = 0; length < bytes.length; length++)
          expect(refusal(() => new ByteReader(bytes.subarray(0, length), 'x').varint(MAX)).message).toContain('too early')
        const longer = new Uint8Array([...bytes.subarray(0, -1), bytes.at(-1)! | 0x80, ...new Array<number>(padding - 1).fill(0x80), 0])
        expect(refusal(() => new ByteReader(longer, 'x').varint(MAX)).message).toMatch(/shortest form|too long/)
        if (value > 0) expect(refusal(() => new ByteReader(bytes, 'x').varint(value - 1)).message).toContain('exceeds its limit')
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('beyond 2^53 - 1 is refused, whatever its bytes', () => {
    for (const bytes of [
      [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ])
      expect(refusal(() => new ByteReader(Uint8Array.from(bytes), 'x').varint(MAX)).message).toContain('exceeds its limit')
    expect(refusal(() => new ByteReader(new Uint8Array(20).fill(0xff), 'x').varint(MAX)).message).toContain('too long')
  })

  test.each([-1, 0.5, NaN, Infinity, 2 ** 53])('%s is not written', value => {
    expect(() => varintBytes(value)).toThrow(RangeError)
  })
})

describe('ByteReader', () => {
  test('a count is refused before anything is allocated for it', () => {
    for (const hostile of [11, 2 ** 32, 2 ** 50, MAX]) {
      const bytes = Buffer.concat([varintBytes(hostile), new Uint8Array(320)])
      expect(refusal(() => new ByteReader(bytes, 'x').count(32, MAX)).message).toContain('exceeds what the remaining 320 bytes can hold')
    }
    expect(new ByteReader(Buffer.concat([varintBytes(10), new Uint8Array(320)]), 'x').count(32, MAX)).toBe(10)
  })

  test('reads nothing beyond its end, and names what is damaged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(40), fc.nat(50), (bytes, end, count) => {
        const limit = Math.min(end, bytes.length)
        const reader = new ByteReader(bytes, 'The thing', 0, limit)
        if (count > limit)
          expect(refusal(() => reader.take(count)).message).toBe(`The thing is damaged: it ends ${plural(count - limit, 'byte')} too early`)
        else {
          expect(reader.take(count)).toEqual(bytes.subarray(0, count))
          expect(reader.remaining).toBe(limit - count)
          if (count < limit)
            expect(refusal(() => reader.finish()).message).toContain(`${plural(limit - count, 'byte is', 'bytes are')} left over`)
          else expect(refusal(() => reader.byte()).message).toContain('1 byte too early')
        }
      }),
      { seed: 3 },
    )
  })

  test('expect compares every byte', () => {
    for (let at = 0; at < 4; at++) {
      const bytes = ascii('CEP1')
      bytes[at]! ^= 1
      expect(refusal(() => new ByteReader(bytes, 'x').expect(ascii('CEP1'), 'wrong magic')).message).toContain('wrong magic')
    }
    new ByteReader(ascii('CEP1'), 'x').expect(ascii('CEP1'), 'wrong magic')
  })
})

test('ByteWriter puts together what ByteReader takes apart, whatever its first capacity', () => {
  const piece = fc.oneof(
    fc.record({ byte: fc.nat(255) }),
    fc.record({ bytes: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ varint: fc.maxSafeNat() }),
  )
  fc.assert(
    fc.property(fc.nat(20), fc.array(piece, { maxLength: 30 }), (capacity, pieces) => {
      const out = new ByteWriter(capacity)
      for (const one of pieces) {
        if ('byte' in one) out.byte(one.byte)
        else if ('bytes' in one) out.put(one.bytes)
        else out.varint(one.varint)
      }
      expect(equalBytes(out.view(), out.finish())).toBe(true)
      expect(out.length).toBe(out.finish().length)
      const reader = new ByteReader(out.finish(), 'x')
      for (const one of pieces) {
        if ('byte' in one) expect(reader.byte()).toBe(one.byte)
        else if ('bytes' in one) expect(equalBytes(reader.take(one.bytes.length), one.bytes)).toBe(true)
        else expect(reader.varint(MAX)).toBe(one.varint)
      }
      reader.finish()
    }),
    { seed: 4 },
  )
})

test('what finish returns is a copy that later writes leave alone', () => {
  const out = new ByteWriter(4)
  out.byte(1)
  const first = out.finish()
  out.put(Uint8Array.of(2, 3))
  expect([...first]).toEqual([1])
  first[0] = 9
  expect([...out.finish()]).toEqual([1, 2, 3])
})
