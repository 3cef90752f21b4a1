import type { BlockLayout, EncodedBlock } from '../../compression/block.ts'
import { MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES, MAX_STORED_EXCESS } from '../../compression/limits.ts'
import { ByteReader, ByteWriter } from '../../util/bytes.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { plural } from '../../util/words.ts'
import { MAX_BLOCK_CHUNKS, MAX_DEPTH } from './limits.ts'

export interface DirectoryBlock extends BlockLayout {
  /** Offset of the block's stored bytes in its pack, and their number. */
  offset: number
  storedLength: number
  plainLength: number
  /** Ordinals of its chunks in the directory: [firstChunk, firstChunk + chunkCount). */
  firstChunk: number
  chunkCount: number
}

/** The depth of a copy, 1 to 8, and the ids of its bases, 32 bytes each. */
export interface ChunkBases {
  depth: number
  ids: Uint8Array[]
}

/** The directory of a pack, in columns: blocks in the order of their bytes, chunks in the order of the blocks. */
export interface Directory {
  blocks: DirectoryBlock[]
  /** 32 bytes a chunk. */
  chunkIds: Uint8Array
  /** Plain bytes of each chunk. */
  chunkLengths: Uint32Array
  /** Bases by the ordinal of the chunk. Only chunks that have bases are in it. */
  bases: Map<number, ChunkBases>
  /** Stored bytes of all blocks together. */
  blockBytes: number
}

/** A block takes at least this: seven fields of a byte, the length of a chunk, and its id. */
const MIN_BLOCK_BYTES = 8 + 1 + HASH_BYTES
const MAX_PARTS = 128
const MAX_PARAMETERS = 1024
const MAX_BASES = 64
/** All blocks without parameters share it: an array takes more memory than the other fields of a block together. */
const NO_PARAMETERS = new Uint8Array(0)

/** A block and its chunks as a directory lists them. */
export interface ListedBlock {
  block: BlockLayout
  chunkIds: Uint8Array
  chunkLengths: readonly number[]
  bases?: Map<number, ChunkBases>
}

export interface NewBlock extends ListedBlock {
  block: EncodedBlock
}

/**
 * `varint blocks`, then per block: `u8 filter, varint length + parameters, varint parts, per part (u8 codec, varint
 * stored, varint plain), varint chunks, u8 deepest`; then the columns over all chunks: `varint length` each; for the
 * chunks of blocks with `deepest > 0`: `u8 depth, varint count, ids`; then 32 bytes of id each. docs/format.md,
 * "Directory".
 */
export function encodeDirectory(blocks: readonly ListedBlock[]): Uint8Array {
  const out = new ByteWriter(4096)
  out.varint(blocks.length)
  for (const { block, chunkLengths, bases } of blocks) {
    out.byte(block.filter)
    out.varint(block.parameters.length)
    out.put(block.parameters)
    out.varint(block.parts.length)
    for (const part of block.parts) {
      out.byte(part.codec)
      out.varint(part.storedLength)
      out.varint(part.plainLength)
    }
    out.varint(chunkLengths.length)
    let deepest = 0
    for (const { depth } of bases?.values() ?? []) deepest = Math.max(deepest, depth)
    out.byte(deepest)
  }
  for (const { chunkLengths } of blocks) for (const length of chunkLengths) out.varint(length)
  for (const { chunkLengths, bases } of blocks) {
    if (!bases || bases.size === 0) continue
    chunkLengths.forEach((_, chunk) => {
      const base = bases.get(chunk)
      out.byte(base?.depth ?? 0)
      out.varint(base?.ids.length ?? 0)
      for (const id of base?.ids ?? []) out.put(id)
    })
  }
  for (const { chunkIds } of blocks) out.put(chunkIds)
  return out.finish()
}

/**
 * Throws `corrupt` for bytes that `encodeDirectory` would not write. Time and memory: linear in the length of `bytes`.
 */
export function decodeDirectory(bytes: Uint8Array, what: string): Directory {
  const reader = new ByteReader(bytes, what)
  const blocks: DirectoryBlock[] = []
  const deepest: number[] = []
  let chunkCount = 0
  let offset = 0
  for (let left = reader.count(MIN_BLOCK_BYTES, Number.MAX_SAFE_INTEGER); left > 0; left--) {
    const block = readBlock(reader, offset, chunkCount)
    deepest.push(reader.byte())
    if (deepest.at(-1)! > MAX_DEPTH) reader.fail('a chain of bases is too deep')
    blocks.push(block)
    offset += block.storedLength
    chunkCount += block.chunkCount
  }
  if (chunkCount * (HASH_BYTES + 1) > reader.remaining) reader.fail('it names more chunks than it has room for')
  const chunkLengths = new Uint32Array(chunkCount)
  for (const block of blocks) {
    let plain = 0
    for (let i = block.firstChunk; i < block.firstChunk + block.chunkCount; i++) {
      const length = reader.varint(MAX_BLOCK_BYTES)
      if (length === 0) reader.fail('a chunk is empty')
      chunkLengths[i] = length
      plain += length
    }
    if (plain !== block.plainLength) reader.fail(`a block of ${plural(block.plainLength, 'byte')} has chunks of ${plural(plain, 'byte')}`)
  }
  const bases = new Map<number, ChunkBases>()
  blocks.forEach((block, ordinal) => {
    if (deepest[ordinal]! > 0) readBases(reader, block, deepest[ordinal]!, bases)
  })
  const chunkIds = reader.take(chunkCount * HASH_BYTES)
  reader.finish()
  return { blocks, chunkIds, chunkLengths, bases, blockBytes: offset }
}

function readBlock(reader: ByteReader, offset: number, firstChunk: number): DirectoryBlock {
  const filter = reader.byte()
  const length = reader.count(1, MAX_PARAMETERS)
  const parameters = length === 0 ? NO_PARAMETERS : reader.take(length).slice()
  const parts: BlockLayout['parts'][number][] = []
  let storedLength = 0
  let plainLength = 0
  for (let left = reader.count(3, MAX_PARTS); left > 0; left--) {
    const part = {
      codec: reader.byte(),
      storedLength: reader.varint(MAX_LONG_BLOCK_BYTES + MAX_STORED_EXCESS),
      plainLength: reader.varint(MAX_LONG_BLOCK_BYTES),
    }
    storedLength += part.storedLength
    plainLength += part.plainLength
    parts.push(part)
  }
  if (parts.length === 0 || plainLength === 0) reader.fail('a block is empty')
  const most = parts.length === 1 ? MAX_LONG_BLOCK_BYTES : MAX_BLOCK_BYTES
  if (plainLength > most || storedLength > plainLength + MAX_STORED_EXCESS) reader.fail('a block is too large')
  const chunkCount = reader.varint(MAX_BLOCK_CHUNKS)
  if (chunkCount === 0) reader.fail('a block has no chunks')
  // a copy: an array that grew has room for 17
  return { filter, parameters, parts: [...parts], offset, storedLength, plainLength, firstChunk, chunkCount }
}

function readBases(reader: ByteReader, block: DirectoryBlock, deepest: number, bases: Map<number, ChunkBases>): void {
  let found = 0
  for (let chunk = block.firstChunk; chunk < block.firstChunk + block.chunkCount; chunk++) {
    const depth = reader.byte()
    const count = reader.count(HASH_BYTES, MAX_BASES)
    if (depth > deepest || (depth === 0) !== (count === 0)) reader.fail('the bases of a chunk do not match its depth')
    found = Math.max(found, depth)
    if (depth === 0) continue
    const ids = Array.from({ length: count }, () => reader.take(HASH_BYTES).slice())
    bases.set(chunk, { depth, ids })
  }
  if (found !== deepest) reader.fail('the depth of a block does not match its chunks')
}
