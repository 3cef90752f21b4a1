import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeDirectory } from '../../../src/repository/format/directory.ts'
import {
  decodeIndex,
  decodeIndexedPack,
  encodeIndex,
  type IndexedPack,
  type IndexObject,
} from '../../../src/repository/format/index-object.ts'
import { NONCE_BYTES, TRAILER_BYTES } from '../../../src/repository/format/pack.ts'
import { ChunkIndex } from '../../../src/repository/index/chunk-index.ts'
import { LazyIndexedPack } from '../../../src/repository/open/lazy-indexed-pack.ts'
import { MAX_OBJECT_BYTES } from '../../../src/storage/storage.ts'
import { ascii, ByteWriter } from '../../../src/util/bytes.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'
import { sha256Hex } from '../../../src/util/hash.ts'
import { encodePack, rawBlock } from '../../helpers/encode.ts'
import { refusal } from '../../helpers/failures.ts'
import {
  anyBlocks,
  anyId,
  decodedOrRefused,
  expectConsistent,
  expectDirectory,
  flipBit,
  hexOf,
  idOf,
} from '../../helpers/repository/arbitraries.ts'

const NONCE = idOf(1).subarray(0, NONCE_BYTES)

const anyPack: fc.Arbitrary<IndexedPack> = anyBlocks.map(blocks => {
  const { id, bytes, directory } = encodePack(blocks, NONCE)
  return { id, size: bytes.length, directoryBytes: directory }
})

const anyIndex: fc.Arbitrary<IndexObject> = fc.record({
  packs: fc.array(anyPack, { maxLength: 3 }),
  supersedes: fc.array(
    anyId.map(id => id.toString('hex')),
    { maxLength: 4 },
  ),
})

/** Decodes bytes with their right hash, so that only their structure can be refused. */
function decodeTrusted(bytes: Uint8Array): IndexObject {
  return decodeIndex(bytes, sha256Hex(bytes))
}

describe('an index', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(anyIndex, index => {
        const { id, bytes } = encodeIndex(index, NONCE)
        expect(id).toBe(sha256Hex(bytes))
        const { packs, supersedes } = decodeIndex(bytes, id)
        expect(supersedes).toEqual(index.supersedes)
        expect(packs.map(({ id, size }) => [id, size])).toEqual(index.packs.map(({ id, size }) => [id, size]))
        packs.forEach((pack, i) => expect(Buffer.from(pack.directoryBytes)).toEqual(Buffer.from(index.packs[i]!.directoryBytes)))
      }),
      { seed: 1, numRuns: 50 },
    )
  })

  test('is refused with any bit flipped, any byte missing or one too many', () => {
    fc.assert(
      fc.property(anyIndex, fc.array(fc.nat(), { minLength: 40, maxLength: 40 }), (index, places) => {
        const { id, bytes } = encodeIndex(index, NONCE)
        for (const place of places) {
          refusal(() => decodeIndex(flipBit(bytes, place % (bytes.length * 8)), id))
          refusal(() => decodeIndex(bytes.subarray(0, place % bytes.length), id))
        }
        refusal(() => decodeIndex(Buffer.concat([bytes, Buffer.of(0)]), id))
      }),
      { seed: 2, numRuns: 40 },
    )
  })

  test('that carries the right hash of wrong bytes is refused, or holds together', () => {
    fc.assert(
      fc.property(anyIndex, index => {
        const { bytes } = encodeIndex(index, NONCE)
        for (let length = 0; length < bytes.length; length += 1 + (length >> 5)) refusal(() => decodeTrusted(bytes.subarray(0, length)))
        for (let bit = 0; bit < bytes.length * 8; bit += 1 + (bit >> 8)) {
          const decoded = decodedOrRefused(() => decodeTrusted(flipBit(bytes, bit)))
          for (const pack of decoded?.packs ?? []) {
            const directory = decodedOrRefused(() => decodeIndexedPack(pack))
            if (directory) expectConsistent(directory)
          }
        }
      }),
      { seed: 3, numRuns: 8 },
    )
  })

  test('of random bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        refusal(() => decodeTrusted(bytes))
        decodedOrRefused(() => decodeTrusted(Buffer.concat([ascii('CEI1'), bytes])))
      }),
      { seed: 4, numRuns: 500 },
    )
  })

  test.each([
    ['packs', (out: ByteWriter) => out.varint(2 ** 50)],
    ['bytes of a directory', (out: ByteWriter) => (out.varint(1), out.put(idOf(1)), out.varint(100), out.varint(2 ** 26))],
    ['superseded indexes', (out: ByteWriter) => (out.varint(0), out.varint(2 ** 50))],
  ])('a hostile count of %s costs nothing', (_, write) => {
    const out = new ByteWriter()
    out.put(ascii('CEI1'))
    write(out)
    out.put(new Uint8Array(1000))
    expect(refusal(() => decodeTrusted(out.finish())).message).toMatch(/exceeds/)
  })

  test('is never made of a pack that no store can hold', () => {
    const directoryBytes = encodeDirectory([rawBlock(new Uint8Array(1))])
    refusal(() => encodeIndex({ packs: [{ id: hexOf(1), size: MAX_OBJECT_BYTES + 1, directoryBytes }], supersedes: [] }, NONCE))
    encodeIndex({ packs: [{ id: hexOf(1), size: MAX_OBJECT_BYTES, directoryBytes }], supersedes: [] }, NONCE)
  })
})

describe('the entry of a pack', () => {
  test('is encoded again from the chunk index exactly as it was read', () => {
    fc.assert(
      fc.property(fc.array(anyPack, { minLength: 1, maxLength: 4 }), packs => {
        const index = new ChunkIndex(PLAIN_CHUNKS)
        const held = packs.map((pack, number) => {
          index.add({ ...pack, writable: true }, decodeIndexedPack(pack))
          return new LazyIndexedPack(pack, index, number)
        })
        held.forEach((pack, i) => {
          expect(pack.directoryLength).toBe(packs[i]!.directoryBytes.length)
          expect(Buffer.from(pack.directoryBytes)).toEqual(Buffer.from(packs[i]!.directoryBytes))
        })
      }),
      { seed: 6, numRuns: 50 },
    )
  })

  test('gives the directory of the pack', () => {
    fc.assert(
      fc.property(anyBlocks, blocks => {
        const { id, bytes, directory } = encodePack(blocks, NONCE)
        expectDirectory(decodeIndexedPack({ id, size: bytes.length, directoryBytes: directory }), blocks)
      }),
      { seed: 5, numRuns: 50 },
    )
  })

  test('is refused when its blocks are not what fills a pack of that size', () => {
    const directoryBytes = encodeDirectory([rawBlock(new Uint8Array(100))])
    const size = 100 + directoryBytes.length + TRAILER_BYTES
    decodeIndexedPack({ id: hexOf(1), size, directoryBytes })
    for (const wrong of [size - 1, size + 1, 0])
      expect(refusal(() => decodeIndexedPack({ id: hexOf(1), size: wrong, directoryBytes })).message).toContain('do not fill the pack')
  })
})
