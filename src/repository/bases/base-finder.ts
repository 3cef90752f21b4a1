/*
 * Finds the bases of tensors while a push reads its files. It offers a base only if the bytes of the base are verified
 * and a sample shows that it helps.
 */

import type { CutChunk, TensorPlace } from '../../chunking/cut-tensors.ts'
import { TENSOR_CHUNK_BYTES } from '../../chunking/layouts/cuts.ts'
import { gainOf } from '../../compression/estimate.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { equalBytes } from '../../util/bytes.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { idAt, idCount } from '../format/chunk-ids.ts'
import { MAX_DEPTH } from '../format/limits.ts'
import type { OfferedBase } from '../write/block-builder.ts'
import { BasePlan } from './base-plan.ts'
import { type BaseFile, type BaseTensor, TensorPairs } from './base-tensor.ts'
import type { EarlierFiles } from './earlier-files.ts'
import { type LocalFile, openLocalBase } from './local-base-file.ts'
import type { CachedFileWriter } from './tensor-cache-file.ts'
import type { TensorCache } from './tensor-cache.ts'

export interface BasePolicy {
  /** Keeps plain tensors of files that are overwritten in place. Undefined if these are not kept. */
  cache: TensorCache | undefined
  /** Depth of a copy, at most: 1 to 8. */
  maxDepth?: number | undefined
  /** The share of a sample that a base must save, by the depth that the copy then has. */
  minSavedShare?: ((depth: number) => number) | undefined
}

export interface BaseFinderOptions extends BasePolicy {
  earlier: EarlierFiles
  /** The depth of a present or added copy, less than `below`; -1 if there is none. */
  depthOf: (id: Uint8Array, below: number) => number
  /** The id of a chunk. */
  idOf: (bytes: Uint8Array) => Uint8Array
  /** Plain bytes of a chunk that is stored. */
  lengthOf: (ids: Uint8Array, offset: number) => number
  dryRun: boolean
}

/** Bytes of the bases of one chunk, at most: the base of a rounded chunk has twice as many bytes. */
const MAX_BASE_BYTES = 2 * TENSOR_CHUNK_BYTES
/** A base must save at least this share of a sample, because it costs time in every pull. */
const MIN_SAVED_SHARE = 0.04
/** A base with which a sample shrinks to this share is taken, and no others are tried. */
const GOOD_ENOUGH_SHARE = 0.1
/** A file is not tried any more when it was tried for this many tensors and was the base of none. */
const MAX_FAILED_TRIES = 12

/** A file whose tensors may be bases of the tensors in the file that is being read. */
interface OpenBase {
  file: BaseFile
  pairs: TensorPairs
  tried: number
  served: number
}

/** A tensor in such a file that may be the base of the tensor being read. */
interface Partner {
  candidate: OpenBase
  base: BaseTensor
  relation: OfferedBase['relation']
}

/** The file that is being read. */
interface CurrentFile {
  file: WalkedEntry
  lengths: number[]
  candidates: OpenBase[] | undefined
  tensor: TensorPlace['tensor'] | undefined
  partners: Partner[]
  /** The base of the current tensor, chosen for its first new chunk. null: none helps. */
  chosen: Partner | null | undefined
  /** Writes the tensors of the file to the cache. null: they are not kept. */
  cached: CachedFileWriter | null | undefined
}

/**
 * Finds the bases of tensors in other files of the push and in the local cache. Offers a base only if its bytes match
 * its id and a sample of the tensor shows that it helps. Call `arrange` first. Then call `keep` for each file that is
 * not read. For each file that is read, call `begin`, then `note` and `offer` for its chunks, then `end`.
 */
export class BaseFinder {
  private readonly options: BaseFinderOptions
  private readonly maxDepth: number
  private plan = new BasePlan([], () => false)
  /** Files that were read or kept and may be bases of later ones, by path. */
  private readonly done = new Map<string, LocalFile>()
  private current: CurrentFile | undefined
  /** Two buffers: for the base that is offered for a chunk, and for a base that is compared with it. */
  private readonly buffers = [new Uint8Array(MAX_BASE_BYTES), new Uint8Array(MAX_BASE_BYTES)] as const

  constructor(options: BaseFinderOptions) {
    this.options = options
    this.maxDepth = Math.min(options.maxDepth ?? MAX_DEPTH, MAX_DEPTH)
  }

  /** Returns the files in an order in which bases come first. `isNew` is true for a file that will be read. */
  async arrange(files: readonly WalkedEntry[], isNew: (file: WalkedEntry) => boolean): Promise<WalkedEntry[]> {
    this.plan = new BasePlan(files, isNew)
    await this.plan.findBases()
    return this.plan.ordered(files)
  }

  /** Call it for a file that is not read, because it is unchanged. `chunks`: its chunk ids, 32 bytes each. */
  keep(file: WalkedEntry, chunks: Buffer): void {
    if (!this.plan.bases.has(file.path)) return
    const { lengthOf } = this.options
    const lengths = Array.from({ length: idCount(chunks) }, (_, i) => lengthOf(chunks, i * HASH_BYTES))
    this.done.set(file.path, { file, chunks, lengths })
  }

  /** Call it before a file is read from its beginning, also if it is read once more. */
  async begin(file: WalkedEntry): Promise<void> {
    await this.leave()
    this.current = { file, lengths: [], candidates: undefined, tensor: undefined, partners: [], chosen: undefined, cached: undefined }
  }

  /** Call it after a file was read. `chunks`: its chunk ids; undefined if reading it failed. */
  async end(file: WalkedEntry, chunks: Buffer | undefined): Promise<void> {
    const { current } = this
    if (current?.file === file && chunks?.length === current.lengths.length * HASH_BYTES) {
      if (this.plan.bases.has(file.path)) this.done.set(file.path, { file, chunks, lengths: current.lengths })
      if (current.cached) this.options.cache!.finish(current.cached, chunks)
      current.cached = undefined
    }
    await this.leave()
  }

  private async leave(): Promise<void> {
    const { current } = this
    this.current = undefined
    if (current?.cached) this.options.cache!.discard(current.cached)
    for (const { file } of current?.candidates ?? []) await file.close().catch(() => undefined) // nothing was written to it
  }

  /** Call it for every chunk of the file, in order. */
  note({ id, bytes, place }: CutChunk & { id: Uint8Array }): void {
    const { current } = this
    if (!current) return
    current.lengths.push(bytes.length)
    if (place) this.addToCache(current, id, bytes, place)
  }

  private addToCache(current: CurrentFile, id: Uint8Array, bytes: Uint8Array, place: TensorPlace): void {
    const { cache, dryRun } = this.options
    if (!cache) return
    if (current.cached === undefined) {
      const isNeeded = !dryRun && !this.plan.hasSeries(current.file.path)
      current.cached = isNeeded ? (cache.begin(current.file.fingerprint.size) ?? null) : null
    }
    if (current.cached === null) return
    try {
      current.cached.add(id, bytes, place)
    } catch (error) {
      cache.failed(error)
      cache.discard(current.cached)
      current.cached = null
    }
  }

  /** Finds the base of a new chunk. Its bytes are valid until the next call. */
  async offer(bytes: Uint8Array, { tensor, offset }: TensorPlace): Promise<OfferedBase | undefined> {
    const { current } = this
    if (!current) return undefined
    current.candidates ??= await this.candidatesOf(current.file)
    if (current.candidates.length === 0) return undefined
    if (current.tensor !== tensor) this.findPartners(current, tensor)
    const chunk = offset / TENSOR_CHUNK_BYTES
    if (current.chosen === undefined) return this.choose(current, bytes, tensor, chunk)
    return current.chosen ? this.baseFrom(current.chosen, chunk, bytes.length, this.buffers[0]) : undefined
  }

  private findPartners(current: CurrentFile, tensor: TensorPlace['tensor']): void {
    current.tensor = tensor
    current.chosen = undefined
    current.partners = current.candidates!.flatMap(candidate => {
      const partner = candidate.pairs.partnerOf(tensor)
      return partner && (candidate.served > 0 || candidate.tried < MAX_FAILED_TRIES) ? [{ candidate, ...partner }] : []
    })
    current.partners.sort((a, b) => b.candidate.served - a.candidate.served)
  }

  private async choose(
    current: CurrentFile,
    bytes: Uint8Array,
    element: TensorPlace['tensor'],
    chunk: number,
  ): Promise<OfferedBase | undefined> {
    let best: OfferedBase | undefined
    const { minSavedShare = () => 0 } = this.options
    let least = 1 - MIN_SAVED_SHARE
    let [buffer, bestBuffer] = this.buffers
    current.chosen = null
    for (const partner of current.partners) {
      const base = await this.baseFrom(partner, chunk, bytes.length, buffer)
      partner.candidate.tried++
      if (!base) continue
      const left = gainOf(bytes, element, base)
      if (left >= least || left > 1 - minSavedShare(base.depth)) continue
      best = base
      ;[buffer, bestBuffer] = [bestBuffer, buffer]
      least = left
      current.chosen = partner
      if (left < GOOD_ENOUGH_SHARE) break
    }
    if (current.chosen) current.chosen.candidate.served++
    return best
  }

  /**
   * Reads and verifies the bases of a tensor's chunk into `buffer`. Undefined if one of them is missing, wrong or too
   * deep.
   */
  private async baseFrom(
    { candidate, base, relation }: Partner,
    chunk: number,
    length: number,
    buffer: Uint8Array,
  ): Promise<OfferedBase | undefined> {
    const first = relation === 'delta' ? chunk : 2 * chunk
    const count = relation === 'delta' ? 1 : Math.min(2, Math.ceil((2 * length) / TENSOR_CHUNK_BYTES))
    const ids: Uint8Array[] = []
    let filled = 0
    let depth = 0
    for (let i = first; i < first + count; i++) {
      const id = idAt(base.ids, i)
      const found = id.length === HASH_BYTES ? this.options.depthOf(id, this.maxDepth) : -1
      if (found < 0) return undefined
      // where a base can't be read, the chunk is stored without one
      const piece = await base.read(i, buffer.subarray(filled)).catch(() => undefined)
      if (!piece || !equalBytes(this.options.idOf(piece), id)) {
        candidate.file.damaged?.()
        return undefined
      }
      depth = Math.max(depth, found + 1)
      ids.push(id)
      filled += piece.length
    }
    const isWhole = filled === (relation === 'delta' ? length : 2 * length)
    return isWhole ? { relation, bytes: buffer.subarray(0, filled), ids, depth } : undefined
  }

  private async candidatesOf(file: WalkedEntry): Promise<OpenBase[]> {
    const opened: (BaseFile | undefined)[] = []
    for (const base of this.plan.of(file.path)) {
      const done = this.done.get(base.path)
      if (done) opened.push(await openLocalBase(done))
    }
    for (const key of await this.options.earlier.keysFor(file.path)) opened.push(await this.options.cache?.open(key))
    return opened.flatMap(file => (file ? [{ file, pairs: new TensorPairs(file.tensors), tried: 0, served: 0 }] : []))
  }
}
