import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Chunker } from '../../src/chunking/chunker.ts'
import type { BlockLayout, BlockRequest, EncodedBlock } from '../../src/compression/block.ts'
import { CompressionPool } from '../../src/compression/pool.ts'
import { walk, type WalkResult } from '../../src/local/walk.ts'
import { MAX_DEPTH } from '../../src/repository/format/limits.ts'
import type * as Recode from '../../src/repository/prune/recode.ts'
import { PushAttempt } from '../../src/repository/push/attempt.ts'
import type { ChunkWriter } from '../../src/repository/push/chunk-writer.ts'
import type { FileChunk } from '../../src/repository/source/file-reader.ts'
import { PLAIN_CHUNKS, type ChunkKeys } from '../../src/util/chunk-keys.ts'
import { sha256Hex, toHex } from '../../src/util/hash.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

/** So many bytes at its beginning distinguish a chunk from its base. */
const DELTA_BYTES = 60

/** How many bytes of its block a chunk takes in a `RawPool`. */
export const storedBytes = (filter: number, plainBytes: number): number => (filter === 0 ? plainBytes : DELTA_BYTES)

/**
 * Blocks are their plain bytes, or, of predicted chunks, the beginnings that differ from their bases: what else is
 * compressed how is no part of this.
 */
export class RawPool extends CompressionPool {
  constructor() {
    super({ workers: 0 })
  }

  override encode(plain: Uint8Array, { base, chunkLengths = [] }: BlockRequest): Promise<EncodedBlock> {
    if (!base) {
      const parts = [{ codec: 0, storedLength: plain.length, plainLength: plain.length }]
      return Promise.resolve({ filter: 0, parameters: new Uint8Array(0), parts, bytes: plain })
    }
    const bytes = Buffer.concat(startsOf(chunkLengths).map(start => plain.subarray(start, start + DELTA_BYTES)))
    if (!predicted(bytes, base.bytes, chunkLengths).equals(plain)) throw new Error('these chunks are not predicted from these bases')
    const parts = [{ codec: 0, storedLength: bytes.length, plainLength: plain.length }]
    return Promise.resolve({ filter: 2, parameters: Uint8Array.of(4), parts, bytes })
  }

  override decode(
    { filter }: BlockLayout,
    stored: Uint8Array,
    base?: Uint8Array,
    chunkLengths: readonly number[] = [],
  ): Promise<Uint8Array> {
    return Promise.resolve(filter === 0 ? stored : predicted(stored, base!, chunkLengths))
  }
}

function predicted(stored: Uint8Array, base: Uint8Array, chunkLengths: readonly number[]): Buffer {
  const plain = Buffer.from(base)
  for (const [i, start] of startsOf(chunkLengths).entries()) plain.set(stored.subarray(i * DELTA_BYTES, (i + 1) * DELTA_BYTES), start)
  return plain
}

function startsOf(lengths: readonly number[]): number[] {
  let start = 0
  return lengths.map(length => (start += length) - length)
}

/**
 * How many chunks of blocks that were taken apart prunes have encoded by themselves, and how many from their bases; and
 * how many by the depth that they had.
 */
export const recoded = { alone: 0, fromBases: 0, depths: new Array<number>(9).fill(0) }

export function countRecoded(real: typeof Recode): typeof Recode {
  return {
    recodeChunk: (source, writer, entry, bytes, alone) => {
      const depth = source.index.depth(entry)
      if (alone) recoded.alone++
      else if (depth > 0) recoded.fromBases++
      recoded.depths[depth]!++
      return real.recodeChunk(source, writer, entry, bytes, alone)
    },
  }
}

/** Files, with the possible bases of their chunk. Small ones share blocks. */
const FILES: Record<string, { bytes: number; base?: string }> = {
  a: { bytes: 600 },
  b: { bytes: 600 },
  c: { bytes: 250 },
  d: { bytes: 250 },
  e: { bytes: 250 },
  'a.1': { bytes: 600, base: 'a' },
  'a.2': { bytes: 600, base: 'a.1' },
  'a.3': { bytes: 600, base: 'a.2' },
  'a.4': { bytes: 600, base: 'a.3' },
  'b.1': { bytes: 600, base: 'b' },
  'b.2': { bytes: 600, base: 'b.1' },
}
/** What a training pushes, one after the other, beside files that stay the same. */
export const TRAINING = ['a', 'a.1', 'a.2', 'a.3', 'a.4']
export const FILE_NAMES = Object.keys(FILES)
export const BLOCK_BYTES = 2000

const contents = new Map<string, Buffer>()
for (const [i, [name, { bytes, base }]] of Object.entries(FILES).entries()) {
  const noise = seededNoise(i + 1, bytes)
  contents.set(name, base === undefined ? noise : predicted(noise, contents.get(base)!, [bytes]))
}
/** The id of the chunk of each file, by its name. */
export const chunksWith = ({ idOf }: ChunkKeys): Map<string, string> =>
  new Map([...contents].map(([name, bytes]) => [name, toHex(idOf(bytes))]))
export const chunkOf = chunksWith(PLAIN_CHUNKS)
/** The bytes of the base of a chunk, by the SHA-256 of its bytes. */
const baseOf = new Map(
  Object.entries(FILES).flatMap(([name, { base }]) => (base === undefined ? [] : [[chunkOf.get(name)!, contents.get(base)!] as const])),
)

/** What can be pushed: made once, and read by every push. */
export class Sources {
  private readonly folder = mkdtempSync(join(tmpdir(), 'colab-escape-model-'))
  private all: WalkResult | undefined

  async make(): Promise<this> {
    makeTree(this.folder, Object.fromEntries(contents))
    this.all = await walk(this.folder, { reporter: silentReporter })
    return this
  }

  of(names: readonly string[]): WalkResult {
    return { ...this.all!, entries: this.all!.entries.filter(({ path }) => names.includes(path)) }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

interface AttemptInside {
  chunks: ChunkWriter
  chunker: Chunker
  storeChunk(chunk: FileChunk): Promise<void>
}

/** Lets pushes store the chunks above as predicted ones if their bases are present, as they do with tensors. */
export function predictChunks(): () => void {
  const inside = PushAttempt.prototype as unknown as AttemptInside
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with `this` below
  const storePlain = inside.storeChunk
  if (typeof storePlain !== 'function') throw new TypeError('PushAttempt has no storeChunk any more')
  inside.storeChunk = function (this: AttemptInside, chunk) {
    const bytesOfBase = baseOf.get(sha256Hex(chunk.bytes))
    const base = bytesOfBase && this.chunker.idOf(bytesOfBase)
    const depth = base ? this.chunks.depthBelow(base, MAX_DEPTH) : -1
    if (!base || depth < 0) return storePlain.call(this, chunk)
    const offered = { relation: 'delta' as const, bytes: bytesOfBase, ids: [base], depth: depth + 1 }
    const tensor = { element: { width: 4, kind: 'unknown' }, base: offered } as const
    return this.chunks.add(chunk.id, chunk.bytes, { kind: 'tensor', tensor })
  }
  return () => (inside.storeChunk = storePlain)
}

/** Seeds of a model test: MODEL_SEED takes one; MODEL_FROM and MODEL_SEEDS take a range, by default `many` from 1. */
export function seedRange(many: number): { one: string | undefined; from: number; seeds: number } {
  const { MODEL_SEED: one, MODEL_FROM: from = 1, MODEL_SEEDS: seeds = many } = process.env
  return { one, from: Number(one ?? from), seeds: one === undefined ? Number(seeds) : 1 }
}
