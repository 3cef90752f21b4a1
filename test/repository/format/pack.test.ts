import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodePackTail, NONCE_BYTES, TRAILER_BYTES } from '../../../src/repository/format/pack.ts'
import { MAX_OBJECT_BYTES } from '../../../src/storage/storage.ts'
import { sha256Hex } from '../../../src/util/hash.ts'
import { encodePack, rawBlock } from '../../helpers/encode.ts'
import { refusal } from '../../helpers/failures.ts'
import { anyBlocks, decodedOrRefused, expectDirectory, flipBit, idOf } from '../../helpers/repository/arbitraries.ts'

const NONCE = idOf(1).subarray(0, NONCE_BYTES)
const whole = (bytes: Uint8Array) => decodePackTail(bytes, bytes.length, 'abc')

describe('a pack', () => {
  test('comes back as it was written, under the hash of its bytes', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => {
        const { id, bytes, directory } = encodePack(blocks, NONCE)
        expect(id).toBe(sha256Hex(bytes))
        const tail = whole(bytes)
        if (tail.kind !== 'directory') throw new Error('the whole pack is not enough')
        expectDirectory(tail.directory, blocks)
        expect(Buffer.from(tail.directoryBytes)).toEqual(Buffer.from(directory))
        const blockBytes = Buffer.concat(blocks.map(({ block }) => block.bytes))
        expect(Buffer.from(bytes.subarray(0, tail.directory.blockBytes))).toEqual(blockBytes)
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  test('is listed from its end alone, however little of it is read at first', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => {
        const { bytes } = encodePack(blocks, NONCE)
        const expected = whole(bytes)
        for (let first = 0; first <= bytes.length; first += 1 + (first >> 4)) {
          let steps = 0
          let tail = decodePackTail(bytes.subarray(bytes.length - first), bytes.length, 'abc')
          for (let had = first; tail.kind === 'too-short'; steps++) {
            expect(tail.needBytes).toBeGreaterThan(had)
            expect(tail.needBytes).toBeLessThanOrEqual(bytes.length)
            had = tail.needBytes
            tail = decodePackTail(bytes.subarray(bytes.length - had), bytes.length, 'abc')
          }
          expect(steps).toBeLessThanOrEqual(2)
          expect(tail).toEqual(expected)
        }
      }),
      { seed: 2, numRuns: 30 },
    )
  })

  test('is refused wherever it is cut short', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => {
        const { bytes } = encodePack(blocks, NONCE)
        for (let length = 0; length < bytes.length; length += 1 + (length >> 6)) refusal(() => whole(bytes.subarray(0, length)))
        for (let length = Math.max(0, bytes.length - 150); length < bytes.length; length++) refusal(() => whole(bytes.subarray(0, length)))
      }),
      { seed: 3, numRuns: 30 },
    )
  })

  test('is refused with any bit of its directory or trailer flipped; blocks and nonce are for the hash of the whole to protect', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => {
        const { bytes, directory } = encodePack(blocks, NONCE)
        const start = bytes.length - TRAILER_BYTES - directory.length
        const nonce = bytes.length - TRAILER_BYTES
        for (let bit = start * 8; bit < bytes.length * 8; bit++) {
          if (bit >= nonce * 8 && bit < (nonce + NONCE_BYTES) * 8) continue
          refusal(() => whole(flipBit(bytes, bit)))
        }
      }),
      { seed: 4, numRuns: 10 },
    )
  })

  test('of random bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => void refusal(() => whole(bytes))),
      { seed: 5 },
    )
  })

  test('is refused when the listing gives it another size', () => {
    const { bytes } = encodePack([rawBlock(new Uint8Array(100))], NONCE)
    expect(refusal(() => decodePackTail(bytes, bytes.length + 1, 'abc')).message).toContain('do not fill it')
    expect(refusal(() => decodePackTail(bytes, MAX_OBJECT_BYTES + 1, 'abc')).message).toContain('too large')
  })

  test('whose trailer claims a directory of 4 GiB is refused, not read', () => {
    const { bytes } = encodePack([rawBlock(new Uint8Array(100))], NONCE)
    const hostile = Uint8Array.from(bytes)
    hostile.fill(0xff, bytes.length - TRAILER_BYTES + NONCE_BYTES, bytes.length - TRAILER_BYTES + NONCE_BYTES + 4)
    expect(refusal(() => decodePackTail(hostile, MAX_OBJECT_BYTES, 'abc')).message).toContain('longer than the pack')
  })

  test('is never made of blocks that its directory does not describe', () => {
    const block = rawBlock(new Uint8Array(100))
    refusal(() => encodePack([{ ...block, chunkLengths: [99] }], NONCE))
    refusal(() => encodePack([{ ...block, block: { ...block.block, bytes: new Uint8Array(101) } }], NONCE))
    refusal(() => encodePack([{ ...block, chunkIds: new Uint8Array(31) }], NONCE))
  })

  test('never takes a name that was there before: another nonce, another id', () => {
    const block = rawBlock(new Uint8Array(10))
    expect(encodePack([block], NONCE).id).not.toBe(encodePack([block], idOf(2).subarray(0, NONCE_BYTES)).id)
    expect(decodedOrRefused(() => whole(encodePack([], NONCE).bytes))).toMatchObject({ directory: { blocks: [] } })
  })
})
