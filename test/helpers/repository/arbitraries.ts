import fc from 'fast-check'
import { expect } from 'vitest'
import { MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES } from '../../../src/compression/limits.ts'
import type { ChunkBases, Directory, NewBlock } from '../../../src/repository/format/directory.ts'
import { MAX_BLOCK_CHUNKS, MAX_DEPTH } from '../../../src/repository/format/limits.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { rawBlock } from '../encode.ts'

/** 32 bytes that stand for a chunk's id; equal numbers are equal ids. */
export function idOf(number: number): Buffer {
  return sha256(Buffer.from(`id ${number}`))
}

export const hexOf = (number: number): string => toHex(idOf(number))

/**
 * What `decode` gives, or undefined when it refuses the bytes as damaged; anything else that it throws comes through.
 */
export function decodedOrRefused<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (isAppError(error, 'corrupt')) return undefined
    throw error
  }
}

export const anyId = fc.nat(1_000_000).map(idOf)

const part = fc
  .record({ codec: fc.nat(255), plainLength: fc.integer({ min: 1, max: 400 }), saved: fc.nat(400) })
  .map(({ codec, plainLength, saved }) => ({ codec, plainLength, storedLength: Math.max(0, plainLength - saved) }))

const anyBases: fc.Arbitrary<ChunkBases> = fc.record({
  depth: fc.integer({ min: 1, max: MAX_DEPTH }),
  ids: fc.array(anyId, { minLength: 1, maxLength: 3 }),
})

/** A block with bytes that nobody can decode: directories, packs and indexes don't look at them. */
const anyBlock: fc.Arbitrary<NewBlock> = fc
  .record({
    filter: fc.nat(255),
    parameters: fc.uint8Array({ maxLength: 20 }),
    parts: fc.array(part, { minLength: 1, maxLength: 4 }),
    cuts: fc.array(fc.nat(1600), { maxLength: 6 }),
    ids: fc.array(anyId, { minLength: 7, maxLength: 7 }),
    bases: fc.array(fc.tuple(fc.nat(6), anyBases), { maxLength: 3 }),
    fill: fc.nat(255),
  })
  .map(({ filter, parameters, parts, cuts, ids, bases, fill }) => {
    const plain = parts.reduce((sum, { plainLength }) => sum + plainLength, 0)
    const edges = [...new Set([0, plain, ...cuts.filter(cut => cut < plain)])].sort((a, b) => a - b)
    const chunkLengths = edges.slice(1).map((edge, i) => edge - edges[i]!)
    const stored = parts.reduce((sum, { storedLength }) => sum + storedLength, 0)
    const block = { filter, parameters, parts, bytes: new Uint8Array(stored).fill(fill) }
    const ofChunks = new Map(bases.filter(([chunk]) => chunk < chunkLengths.length))
    return { block, chunkIds: Buffer.concat(ids.slice(0, chunkLengths.length)), chunkLengths, bases: ofChunks }
  })

export const anyBlocks = fc.array(anyBlock, { maxLength: 4 })

/** A block of these chunks, raw. */
export function rawBlockOf(chunks: readonly Uint8Array[]): NewBlock {
  const plain = Buffer.concat(chunks)
  return { ...rawBlock(plain), chunkIds: Buffer.concat(chunks.map(sha256)), chunkLengths: chunks.map(chunk => chunk.length) }
}

export function expectDirectory(directory: Directory, blocks: readonly NewBlock[]): void {
  expectConsistent(directory)
  expect(directory.blocks.length).toBe(blocks.length)
  expect(Buffer.from(directory.chunkIds)).toEqual(Buffer.concat(blocks.map(({ chunkIds }) => chunkIds)))
  expect([...directory.chunkLengths]).toEqual(blocks.flatMap(({ chunkLengths }) => chunkLengths))
  for (const [i, { block, bases }] of blocks.entries()) {
    const got = directory.blocks[i]!
    expect(got.filter).toBe(block.filter)
    expect([...got.parameters]).toEqual([...block.parameters])
    expect(got.parts).toEqual(block.parts)
    for (let chunk = 0; chunk < got.chunkCount; chunk++) {
      const base = bases?.get(chunk)
      const gotBase = directory.bases.get(got.firstChunk + chunk)
      expect(gotBase?.depth).toBe(base?.depth)
      expect(gotBase?.ids.map(toHex)).toEqual(base?.ids.map(toHex))
    }
  }
}

/** What every user of a directory relies on. */
export function expectConsistent({ blocks, chunkIds, chunkLengths, bases, blockBytes }: Directory): void {
  const wrong: string[] = []
  const must = (holds: boolean, what: string): void => void (holds || wrong.push(what))
  let offset = 0
  let firstChunk = 0
  for (const block of blocks) {
    const sum = (key: 'storedLength' | 'plainLength'): number => block.parts.reduce((total, part) => total + part[key], 0)
    let plain = 0
    for (let chunk = firstChunk; chunk < firstChunk + block.chunkCount; chunk++) plain += chunkLengths[chunk]!
    must(block.offset === offset && block.firstChunk === firstChunk, 'blocks follow each other')
    must(block.storedLength === sum('storedLength') && block.plainLength === sum('plainLength'), 'a block is its parts')
    must(
      block.plainLength === plain && plain > 0 && plain <= (block.parts.length === 1 ? MAX_LONG_BLOCK_BYTES : MAX_BLOCK_BYTES),
      'a block is its chunks',
    )
    must(block.storedLength <= plain + 64, 'a block is hardly larger than its chunks')
    must(block.chunkCount > 0 && block.chunkCount <= MAX_BLOCK_CHUNKS, 'a block has chunks')
    offset += block.storedLength
    firstChunk += block.chunkCount
  }
  must(chunkLengths.length === firstChunk && chunkIds.length === firstChunk * 32 && blockBytes === offset, 'columns fit')
  must(!chunkLengths.includes(0), 'no chunk is empty')
  for (const [chunk, { depth, ids }] of bases) {
    must(chunk < firstChunk && depth > 0 && depth <= MAX_DEPTH && ids.length > 0 && ids.every(id => id.length === 32), 'bases')
  }
  expect(wrong).toEqual([])
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes)
  flipped[bit >>> 3]! ^= 1 << (bit & 7)
  return flipped
}
