/*
 * Finds what a tensor may be predicted from, while a push reads its files. A base is only ever an offer: verified
 * bytes, and a sample that shows that it helps.
 */

import type { TensorPlace } from '../../chunking/cut-tensors.ts'
import { TENSOR_CHUNK_BYTES } from '../../chunking/layouts/cuts.ts'
import { gainOf } from '../../compression/estimate.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { equalBytes } from '../../util/bytes.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { sha256 } from '../../util/hash.ts'
import { idAt, idCount } from '../format/chunk-ids.ts'
import { MAX_DEPTH } from '../format/limits.ts'
import type { OfferedBase } from '../write/block-builder.ts'
import { BasePlan } from './base-plan.ts'
import { type BaseFile, type BaseTensor, TensorPairs } from './base-tensor.ts'
import type { EarlierFiles } from './earlier-files.ts'
import { openLocalBase, type ReadFile } from './local-base-file.ts'
import type { CachedFileWriter } from './tensor-cache-file.ts'
import type { TensorCache } from './tensor-cache.ts'

export interface BasePolicy {
  /** Where plain tensors of files that are overwritten in place are kept; undefined where they are not. */
  cache: TensorCache | undefined
  /** The longest chain of bases, 1 to 8: 1 where versions are going to be forgotten, so that a version that is kept needs no more than one other. */
  maxDepth?: number | undefined
}

export interface BaseFinderOptions extends BasePolicy {
  earlier: EarlierFiles
  /** The depth of a copy that may be relied on, less than `below`; -1 where there is none. */
  depthOf: (id: Uint8Array, below: number) => number
  /** Plain bytes of a chunk that is stored. */
  lengthOf: (ids: Uint8Array, offset: number) => number
  dryRun: boolean
}

/** Of one chunk, at most: one that is rounded has twice as many. */
const MAX_BASE_BYTES = 2 * TENSOR_CHUNK_BYTES
/** A base must save this share of a sample, at the least: following it costs time on every way back. */
const MUST_SAVE = 0.04
/** What leaves so little is taken without a look at what else there is. */
const CLEARLY = 0.1
/** A file that has served none of so many tensors is not asked any more. */
const PATIENCE = 12

interface Source {
  file: BaseFile
  pairs: TensorPairs
  tried: number
  served: number
}

interface Partner {
  source: Source
  base: BaseTensor
  relation: OfferedBase['relation']
}

/** The file that is being read. */
interface Current {
  file: WalkedEntry
  lengths: number[]
  sources: Source[] | undefined
  tensor: TensorPlace['tensor'] | undefined
  partners: Partner[]
  /** Decided on the first new chunk of each tensor; null: none. */
  chosen: Partner | null | undefined
  /** null: it is not to be kept. */
  kept: CachedFileWriter | null | undefined
}

/**
 * Finds the bases of tensors while a push reads its files: in other files of the push, and in the local cache. Bases are offered only where their bytes are what
 * their ids say, and where a sample of the tensor shows that they help.
 */
export class BaseFinder {
  private readonly options: BaseFinderOptions
  private readonly maxDepth: number
  private plan = new BasePlan([], () => false)
  /** Files read, or known, that may be bases of later ones. */
  private readonly read = new Map<string, ReadFile>()
  private current: Current | undefined
  /** For the bases of one chunk after the other: those that are offered, and others that are compared with them. */
  private readonly buffers = [new Uint8Array(MAX_BASE_BYTES), new Uint8Array(MAX_BASE_BYTES)] as const

  constructor(options: BaseFinderOptions) {
    this.options = options
    this.maxDepth = Math.min(options.maxDepth ?? MAX_DEPTH, MAX_DEPTH)
  }

  /** The files in an order in which bases come first. */
  async arrange(files: readonly WalkedEntry[], isNew: (file: WalkedEntry) => boolean): Promise<WalkedEntry[]> {
    this.plan = new BasePlan(files, isNew)
    await this.plan.look()
    return this.plan.ordered(files)
  }

  /** A file is going to be read from its beginning, perhaps once more. */
  async begin(file: WalkedEntry): Promise<void> {
    await this.leave()
    this.current = { file, lengths: [], sources: undefined, tensor: undefined, partners: [], chosen: undefined, kept: undefined }
  }

  /** A file was read, or is known to consist of these chunks; `chunks` is undefined where that failed. */
  async end(file: WalkedEntry, chunks: Buffer | undefined): Promise<void> {
    const current = this.current?.file === file ? this.current : undefined
    if (chunks && this.plan.bases.has(file.path)) {
      const { lengthOf } = this.options
      const lengths = current?.lengths ?? Array.from({ length: idCount(chunks) }, (_, i) => lengthOf(chunks, i * HASH_BYTES))
      this.read.set(file.path, { file, chunks, lengths })
    }
    if (chunks && current?.kept) {
      this.options.cache!.finish(current.kept, chunks)
      current.kept = undefined
    }
    await this.leave()
  }

  private async leave(): Promise<void> {
    const { current } = this
    this.current = undefined
    if (current?.kept) this.options.cache!.discard(current.kept)
    for (const { file } of current?.sources ?? []) await file.close()
  }

  /** Told of every chunk of the file, in its order. */
  note(id: Uint8Array, bytes: Uint8Array, place: TensorPlace | undefined): void {
    const { current } = this
    if (!current) return
    current.lengths.push(bytes.length)
    if (place) this.keep(current, id, bytes, place)
  }

  private keep(current: Current, id: Uint8Array, bytes: Uint8Array, place: TensorPlace): void {
    const { cache, dryRun } = this.options
    if (!cache) return
    if (current.kept === undefined) {
      const elsewhere = dryRun || this.plan.hasSeries(current.file.path)
      current.kept = elsewhere ? null : (cache.begin(current.file.fingerprint.size) ?? null)
    }
    if (current.kept === null) return
    try {
      current.kept.add(id, bytes, place)
    } catch (error) {
      cache.failed(error)
      cache.discard(current.kept)
      current.kept = null
    }
  }

  /** What a new chunk may be predicted from; its bytes are valid until the next call. */
  async offer(bytes: Uint8Array, { tensor, offset }: TensorPlace): Promise<OfferedBase | undefined> {
    const { current } = this
    if (!current) return undefined
    current.sources ??= await this.sourcesOf(current.file)
    if (current.sources.length === 0) return undefined
    if (current.tensor !== tensor) this.meet(current, tensor)
    const chunk = offset / TENSOR_CHUNK_BYTES
    if (current.chosen === undefined) return this.choose(current, bytes, tensor, chunk)
    return current.chosen ? this.baseFrom(current.chosen, chunk, bytes.length, this.buffers[0]) : undefined
  }

  private meet(current: Current, tensor: TensorPlace['tensor']): void {
    current.tensor = tensor
    current.chosen = undefined
    current.partners = current.sources!.flatMap(source => {
      const partner = source.pairs.partnerOf(tensor)
      return partner && (source.served > 0 || source.tried < PATIENCE) ? [{ source, ...partner }] : []
    })
    current.partners.sort((a, b) => b.source.served - a.source.served)
  }

  private async choose(
    current: Current,
    bytes: Uint8Array,
    element: TensorPlace['tensor'],
    chunk: number,
  ): Promise<OfferedBase | undefined> {
    let best: OfferedBase | undefined
    let least = 1 - MUST_SAVE
    let [buffer, bestBuffer] = this.buffers
    current.chosen = null
    for (const partner of current.partners) {
      const base = await this.baseFrom(partner, chunk, bytes.length, buffer)
      partner.source.tried++
      if (!base) continue
      const left = gainOf(bytes, element, base)
      if (left >= least) continue
      best = base
      ;[buffer, bestBuffer] = [bestBuffer, buffer]
      least = left
      current.chosen = partner
      if (left < CLEARLY) break
    }
    if (current.chosen) current.chosen.source.served++
    return best
  }

  /** The verified bytes of the bases of a tensor's chunk, in `buffer`; undefined where one is not there, or lies too deep. */
  private async baseFrom(
    { source, base, relation }: Partner,
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
      const piece = await base.read(i, buffer.subarray(filled))
      if (!equalBytes(sha256(piece), id)) {
        source.file.damaged?.()
        return undefined
      }
      depth = Math.max(depth, found + 1)
      ids.push(id)
      filled += piece.length
    }
    const isWhole = filled === (relation === 'delta' ? length : 2 * length)
    return isWhole ? { relation, bytes: buffer.subarray(0, filled), ids, depth } : undefined
  }

  private async sourcesOf(file: WalkedEntry): Promise<Source[]> {
    const opened: (BaseFile | undefined)[] = []
    for (const base of this.plan.of(file.path)) {
      const read = this.read.get(base.path)
      if (read) opened.push(await openLocalBase(read))
    }
    for (const key of await this.options.earlier.keysFor(file.path)) opened.push(await this.options.cache?.open(key))
    return opened.flatMap(file => (file ? [{ file, pairs: new TensorPairs(file.tensors), tried: 0, served: 0 }] : []))
  }
}
