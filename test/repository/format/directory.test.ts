import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES } from '../../../src/compression/limits.ts'
import { decodeDirectory, encodeDirectory, type NewBlock } from '../../../src/repository/format/directory.ts'
import { MAX_BLOCK_CHUNKS } from '../../../src/repository/format/limits.ts'
import { ByteWriter } from '../../../src/util/bytes.ts'
import { refusal } from '../../helpers/failures.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { anyBlocks, decodedOrRefused, expectConsistent, expectDirectory, flipBit, idOf } from '../../helpers/repository/arbitraries.ts'

const decode = (bytes: Uint8Array) => decodeDirectory(bytes, 'x')

describe('a directory', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => expectDirectory(decode(encodeDirectory(blocks)), blocks)),
      { seed: 1, numRuns: 150 },
    )
  })

  test('is refused when it is cut short or goes on', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => {
        const bytes = encodeDirectory(blocks)
        for (let length = 0; length < bytes.length; length++) refusal(() => decode(bytes.subarray(0, length)))
        expect(refusal(() => decode(Buffer.concat([bytes, Buffer.of(0)]))).message).toContain('left over')
      }),
      { seed: 2, numRuns: 60 },
    )
  })

  test('with any bit flipped is refused, or is still one that holds together', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => {
        const bytes = encodeDirectory(blocks)
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const directory = decodedOrRefused(() => decode(flipBit(bytes, bit)))
          if (directory) expectConsistent(directory)
        }
      }),
      { seed: 3, numRuns: 8 },
    )
  })

  test('of random bytes is refused, or holds together', () => {
    const low = fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(255) }), { maxLength: 120 })
    fc.assert(
      fc.property(low, bytes => {
        const directory = decodedOrRefused(() => decode(Uint8Array.from(bytes)))
        if (directory) expectConsistent(directory)
      }),
      { seed: 4, numRuns: 3000 },
    )
  })
})

/** A directory of one block, field by field, so that each can be wrong. */
function handMade(fields: {
  blocks?: number
  parameters?: number
  parts?: [codec: number, stored: number, plain: number][]
  partCount?: number
  chunks?: number
  deepest?: number
  lengths?: number[]
  bases?: [depth: number, ids: number][]
  ids?: number
}): Uint8Array {
  const { blocks = 1, parameters = 0, parts = [[0, 10, 10]], chunks = 1, deepest = 0, lengths = [10], bases = [], ids = chunks } = fields
  const out = new ByteWriter()
  out.varint(blocks)
  out.byte(0)
  out.varint(parameters)
  out.put(new Uint8Array(Math.min(parameters, 5000)))
  out.varint(fields.partCount ?? parts.length)
  for (const [codec, stored, plain] of parts) {
    out.byte(codec)
    out.varint(stored)
    out.varint(plain)
  }
  out.varint(chunks)
  out.byte(deepest)
  for (const length of lengths) out.varint(length)
  for (const [depth, count] of bases) {
    out.byte(depth)
    out.varint(count)
    out.put(new Uint8Array(count * 32))
  }
  out.put(new Uint8Array(Math.min(ids, 100_000) * 32))
  return out.finish()
}

const parts = (count: number): [number, number, number][] => Array.from({ length: count }, () => [0, 1, 1])

describe('the limits of a directory', () => {
  test.each([
    ['one chunk', {}],
    ['the largest block', { parts: [[1, MAX_BLOCK_BYTES + 64, MAX_BLOCK_BYTES]], lengths: [MAX_BLOCK_BYTES] }],
    [
      'the largest long block',
      { parts: [[6, MAX_LONG_BLOCK_BYTES + 64, MAX_LONG_BLOCK_BYTES]], chunks: 4, lengths: new Array<number>(4).fill(MAX_BLOCK_BYTES) },
    ],
    ['most parts', { parts: parts(64), lengths: [64] }],
    ['most parameters', { parameters: 1024 }],
    ['64 stored bytes too many', { parts: [[1, 74, 10]] }],
    ['the deepest chunk', { deepest: 8, bases: [[8, 1]] }],
    ['most bases', { deepest: 1, bases: [[1, 64]] }],
    ['a chunk without bases beside one with', { chunks: 2, lengths: [4, 6], deepest: 2, bases: [[0, 0], [2, 1]] }], // prettier-ignore
    ['nothing stored', { parts: [[0, 0, 10]] }],
  ] as [string, Parameters<typeof handMade>[0]][])('%s is taken', (_, fields) => expectConsistent(decode(handMade(fields))))

  test.each([
    [
      'a block of more than 16 MiB',
      { parts: [[6, 9, MAX_LONG_BLOCK_BYTES + 1]], chunks: 5, lengths: [...new Array<number>(4).fill(MAX_BLOCK_BYTES), 1] },
    ],
    ['a chunk of more than 4 MiB', { parts: [[6, 9, MAX_BLOCK_BYTES + 1]], lengths: [MAX_BLOCK_BYTES + 1] }],
    [
      'parts that are more than 4 MiB together',
      {
        parts: [
          [1, 9, MAX_BLOCK_BYTES],
          [1, 9, 1],
        ],
        chunks: 2,
        lengths: [MAX_BLOCK_BYTES, 1],
      },
    ],
    ['129 parts', { parts: parts(129), lengths: [129] }],
    ['no parts', { parts: [], lengths: [] }],
    ['empty parts', { parts: [[0, 0, 0]] }],
    ['1025 bytes of parameters', { parameters: 1025 }],
    ['65 stored bytes too many', { parts: [[1, 75, 10]] }],
    ['no chunks', { chunks: 0, lengths: [] }],
    ['an empty chunk', { chunks: 2, lengths: [10, 0] }],
    ['chunks that are longer than their block', { lengths: [11] }],
    ['chunks that are shorter than their block', { lengths: [9] }],
    ['a depth of 9', { deepest: 9, bases: [[9, 1]] }],
    ['a chunk deeper than its block', { deepest: 1, bases: [[2, 1]] }],
    ['a block deeper than its chunks', { deepest: 2, bases: [[1, 1]] }],
    ['depth without bases', { deepest: 1, bases: [[1, 0]] }],
    ['bases without depth', { deepest: 1, bases: [[0, 1]] }],
    ['65 bases', { deepest: 1, bases: [[1, 65]] }],
    ['65,537 chunks', { parts: [[0, 65_537, 65_537]], chunks: 65_537, lengths: new Array<number>(65_537).fill(1) }],
  ] as [string, Parameters<typeof handMade>[0]][])('%s is refused', (_, fields) => void refusal(() => decode(handMade(fields))))

  test.each([
    ['blocks', { blocks: 2 ** 50 }],
    ['parameters', { parameters: 2 ** 50 }],
    ['parts', { partCount: 2 ** 50 }],
    ['chunks', { chunks: 2 ** 50, ids: 1 }],
    ['chunks within the limit that are not there', { chunks: MAX_BLOCK_CHUNKS, ids: 1 }],
    ['bytes of a part', { parts: [[1, 2 ** 50, 10]] }],
  ] as [string, Parameters<typeof handMade>[0]][])('a count of 2^50 %s costs nothing', (_, fields) => {
    const before = process.memoryUsage().arrayBuffers
    refusal(() => decode(handMade(fields)))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024)
  })

  test('a block of 65,536 chunks and a pack of many blocks come back', () => {
    const most: NewBlock = {
      ...rawBlock(new Uint8Array(MAX_BLOCK_CHUNKS)),
      chunkIds: new Uint8Array(MAX_BLOCK_CHUNKS * 32).fill(7),
      chunkLengths: new Array<number>(MAX_BLOCK_CHUNKS).fill(1),
    }
    const many = Array.from({ length: 3000 }, (_, i) => rawBlock(new Uint8Array(1 + (i % 5)), idOf(i)))
    for (const blocks of [[most], many]) {
      const directory = decode(encodeDirectory(blocks))
      expect(directory.chunkLengths.length).toBe(blocks.reduce((sum, { chunkLengths }) => sum + chunkLengths.length, 0))
      expect(directory.blocks.at(-1)!.offset + directory.blocks.at(-1)!.storedLength).toBe(directory.blockBytes)
    }
  })
})
