import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadZstd } from '../../../src/compression/load-zstd.ts'
import { checkFrame, MAX_FRAME_BLOCK_BYTES, parseFrameHeader, rawFrame as frameOf } from '../../../src/compression/zstd/frame.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { flipBit, textLike } from '../data.ts'

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]
const bytes = (...values: number[]): Uint8Array => Uint8Array.from([...MAGIC, ...values])
/** A frame of one raw block, the last, with the given header. */
const rawFrame = (header: number[], content: number[]): Uint8Array => bytes(...header, (content.length << 3) | 1, 0, 0, ...content)

describe('parseFrameHeader', () => {
  it.each([
    ['one byte of size', bytes(0x20, 7), { headerLength: 6, contentSize: 7, windowSize: 7 }],
    ['two bytes of size', bytes(0x60, 0x2c, 0x00), { headerLength: 7, contentSize: 300, windowSize: 300 }],
    ['four bytes of size', bytes(0xa0, 0x70, 0x11, 0x01, 0x00), { headerLength: 9, contentSize: 70_000, windowSize: 70_000 }],
    ['eight bytes of size', bytes(0xe0, 0, 0, 0, 0, 1, 0, 0, 0), { headerLength: 13, contentSize: 2 ** 32, windowSize: 2 ** 32 }],
    ['a window', bytes(0x80, 0x59, 0, 0, 0x40, 0), { headerLength: 10, contentSize: 4_194_304, windowSize: 2_359_296 }],
    ['no size', bytes(0x00, 0x00), { headerLength: 6, contentSize: undefined, windowSize: 1024 }],
    ['a checksum', bytes(0x24, 7), { hasChecksum: true, contentSize: 7 }],
    ['a dictionary', bytes(0x22, 0x34, 0x12, 7), { dictionaryId: 0x1234, contentSize: 7, headerLength: 8 }],
    ['a long dictionary id', bytes(0x23, 1, 0, 0, 0x80, 7), { dictionaryId: 0x80000001, contentSize: 7, headerLength: 10 }],
  ])('reads %s', (_, frame, expected) => {
    expect(parseFrameHeader(frame)).toMatchObject({ hasChecksum: false, dictionaryId: 0, ...expected })
  })

  it.each([
    ['nothing', new Uint8Array(0)],
    ['the magic number alone', bytes()],
    ['another magic number', Uint8Array.from([0x27, 0xb5, 0x2f, 0xfd, 0x20, 7])],
    ['a skippable frame', Uint8Array.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9])],
    ['a reserved bit', bytes(0x28, 7)],
    ['a header that is cut off', bytes(0xa0, 1, 2, 3)],
    ['a size beyond 2^53', bytes(0xe0, 0, 0, 0, 0, 0, 0, 0, 1)],
  ])('refuses %s', (_, frame) => {
    expect(() => parseFrameHeader(frame)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  })
})

describe('checkFrame', () => {
  const valid = rawFrame([0x20, 3], [1, 2, 3])

  it('accepts a whole frame of the expected size', () => {
    checkFrame(valid, 3)
    checkFrame(bytes(0x24, 3, 25, 0, 0, 1, 2, 3, 9, 9, 9, 9), 3)
    checkFrame(bytes(0x20, 3, 3 | (3 << 3), 0, 0, 7), 3)
  })

  it.each([
    ['another size', valid, 4, 'holds 3 bytes where 4'],
    ['no size', rawFrame([0x00, 0x00], [1, 2, 3]), 3, 'unknown number'],
    ['a dictionary', rawFrame([0x21, 5, 3], [1, 2, 3]), 3, 'dictionary'],
    ['a huge window', rawFrame([0x80, 0xf8, 3, 0, 0, 0], [1, 2, 3]), 3, 'window'],
    ['two frames', Uint8Array.from([...valid, ...valid]), 3, 'follow'],
    ['a byte left over', Uint8Array.from([...valid, 0]), 3, '1 bytes follow'],
    ['a reserved block type', bytes(0x20, 3, 7 | (3 << 3), 0, 0, 1, 2, 3), 3, 'reserved type'],
    ['no last block', bytes(0x20, 3, 3 << 3, 0, 0, 1, 2, 3), 3, 'cut off'],
    ['a missing checksum', rawFrame([0x24, 3], [1, 2, 3]), 3, 'cut off'],
  ])('refuses %s', (_, frame, plainLength, why) => {
    expect(() => checkFrame(frame, plainLength)).toThrow(
      expect.objectContaining({ code: 'corrupt', message: expect.stringContaining(why) as string }),
    )
  })

  it('refuses every proper prefix of a frame', async () => {
    const plain = textLike(1, 300_000)
    const frame = (await loadZstd('portable')).compress(plain, 1)
    checkFrame(frame, plain.length)
    fc.assert(
      fc.property(fc.nat({ max: frame.length - 1 }), length => {
        expect(() => checkFrame(frame.subarray(0, length), plain.length)).toThrow('damaged')
      }),
    )
  })

  it('ends on any bytes, with corrupt or without a word', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: 8 * 64 }), (tail, bit) => {
        const hostile = flipBit(Uint8Array.from([...valid, ...tail]), bit % (8 * (valid.length + tail.length)))
        try {
          checkFrame(hostile, 3)
        } catch (error) {
          expect(isAppError(error, 'corrupt')).toBe(true)
        }
      }),
    )
  })
})

describe('rawFrame', () => {
  it.each([1, MAX_FRAME_BLOCK_BYTES, MAX_FRAME_BLOCK_BYTES + 1])('makes a whole frame of %i bytes, with a checksum', length => {
    const frame = frameOf(textLike(2, length), 7)
    checkFrame(frame, length)
    expect(parseFrameHeader(frame)).toMatchObject({ contentSize: length, hasChecksum: true })
  })
})
