/*
 * Chunks into blocks, blocks into packs, packs into indexes, and all of it into the store. Whether a chunk needs to be
 * written is decided before.
 */

import { usesBase } from '../../compression/choose-filter.ts'
import type { Level } from '../../compression/limits.ts'
import type { CompressionPool } from '../../compression/pool.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Surroundings } from '../../util/clock.ts'
import { throwIfAborted } from '../../util/errors.ts'
import { type PackBuffer, PackBuffers } from '../../util/memory/pack-buffers.ts'
import { SharedBuffers } from '../../util/memory/shared-buffers.ts'
import { freeUnusedBuffers } from '../../util/memory/unused-memory.ts'
import type { ListedBlock, NewBlock } from '../format/directory.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { PACK_POLICY, type PackPolicy } from '../format/limits.ts'
import { packName } from '../format/object-names.ts'
import { NONCE_BYTES, sealPack } from '../format/pack.ts'
import { type BlockContent, buffersFor, blockKeyOf, BlockBuilder } from './block-builder.ts'

/** A pack that the store has acknowledged to this run. */
export interface AcknowledgedPack extends IndexedPack {
  /** When the store made it, by the store's clock (ms). This machine's clocks stand still while it sleeps. */
  created: number
}

export interface PackWriterOptions {
  storage: Pick<Storage, 'put' | 'prepare'>
  pool: CompressionPool
  level: Level
  /** Plain bytes in a block, at most. */
  blockBytes: number
  surroundings: Surroundings
  signal?: AbortSignal | undefined
  policy?: PackPolicy | undefined
  /** Called after the store has acknowledged a pack. */
  onPack?: () => void
}

/** Share of a pack that its directory mostly fits into. */
const DIRECTORY_SHARE = 1 / 12

/** Buffers of blocks that are filled side by side, at most. Above this, the block that got no chunk for longest is closed. */
const MAX_OPEN_BUFFERS = 6

/**
 * Turns a stream of new chunks into packs in the store: fills blocks form by form, has them encoded, joins them into packs and uploads those. Everything is
 * bounded: blocks being encoded by the number of workers, packs being uploaded by bytes. Packs hold blocks in the order their chunks came.
 */
export class PackWriter {
  private readonly options: PackWriterOptions
  /** By form, the one that got a chunk last at the end. */
  private readonly open = new Map<string, BlockBuilder>()
  private blocksOpened = 0
  private readonly encoding: Promise<NewBlock & { open?: BlockBuilder }>[] = []
  private readonly maxEncoding: number
  private filled: ListedBlock[] = []
  /** Stored bytes of `filled`, one block after the other. */
  private buffer: PackBuffer | undefined
  private readonly policy: PackPolicy
  private readonly directoryBytes: number
  private readonly buffers: PackBuffers
  private readonly blockBuffers: SharedBuffers
  private filledBytes = 0
  private filledChunks = 0
  private packedBytes = 0
  private uploading = new Map<Promise<void>, number>()
  private failure: { error: unknown } | undefined
  /** Packs whose upload has begun, in that order; and those that the store has acknowledged. */
  readonly begun: IndexedPack[] = []
  readonly acknowledged: AcknowledgedPack[] = []
  /** Bytes of blocks encoded so far, and the plain bytes they stand for. */
  storedBytes = 0
  plainBytes = 0
  /** Bytes of pack objects acknowledged so far. */
  uploadedBytes = 0

  constructor(options: PackWriterOptions) {
    this.options = options
    this.policy = options.policy ?? PACK_POLICY
    this.directoryBytes = Math.ceil(this.policy.bytes * DIRECTORY_SHARE)
    this.buffers = new PackBuffers(Math.max(this.policy.bytes, options.blockBytes) + this.directoryBytes)
    this.maxEncoding = options.pool.workers + 1
    this.blockBuffers = new SharedBuffers(options.blockBytes)
  }

  /** Takes one new chunk, with what is known of it; `bytes` may be reused as soon as this resolves. Waits while too much is under way. */
  async add(id: Uint8Array, bytes: Uint8Array, content: BlockContent): Promise<void> {
    const form = blockKeyOf(bytes, content)
    let block = this.open.get(form)
    this.open.delete(form)
    if (block && !block.fits(bytes.length)) {
      await this.encode(block)
      block = undefined
    }
    if (this.blocksOpened === 0) void this.options.storage.prepare?.({ signal: this.options.signal })
    block ??= await this.begin(content)
    block.add(id, bytes, content.tensor?.base)
    this.open.set(form, block)
  }

  /** A new block, for which others are closed where there are too many. */
  private async begin(content: BlockContent): Promise<BlockBuilder> {
    for (const [form, oldest] of this.open) {
      if (this.buffersOpen() + buffersFor(content) <= MAX_OPEN_BUFFERS) break
      this.open.delete(form)
      await this.encode(oldest)
    }
    return new BlockBuilder(this.blocksOpened++, content, this.blockBuffers)
  }

  private buffersOpen(): number {
    let buffers = 0
    for (const block of this.open.values()) buffers += block.buffersHeld
    return buffers
  }

  /** Takes a block that is encoded already, as it stands in another pack. */
  async addBlock(block: NewBlock): Promise<void> {
    this.check()
    while (this.encoding.length >= this.maxEncoding) await this.collect()
    this.encoding.push(Promise.resolve(block))
  }

  private async encode(block: BlockBuilder): Promise<void> {
    this.check()
    while (this.encoding.length >= this.maxEncoding) await this.collect()
    const { plain, request } = block.take(this.options.level)
    const encoded = this.options.pool.encode(plain, request).then(encoded => ({
      open: block,
      block: encoded,
      chunkIds: Buffer.concat(block.ids),
      chunkLengths: block.lengths,
      ...(usesBase(encoded.filter) ? { bases: block.bases } : {}),
    }))
    encoded.catch(() => undefined) // awaited in its turn by collect()
    this.encoding.push(encoded)
  }

  /** Moves the oldest block under encoding into the pack being filled. */
  private async collect(): Promise<void> {
    const { open, ...block } = await this.encoding.shift()!.catch((error: unknown) => {
      // its chunks are lost: from here on nothing may count as stored
      this.failure ??= { error }
      throw error
    })
    const { bytes, ...layout } = block.block
    if (this.filled.length > 0 && this.filledBytes + bytes.length > this.packBytes()) await this.closePack()
    this.buffer ??= this.buffers.take(Math.max(this.packBytes(), bytes.length) + this.directoryBytes)
    this.buffer.bytes.set(bytes, this.filledBytes)
    open?.release()
    this.filled.push({ ...block, block: layout })
    this.filledBytes += bytes.length
    this.filledChunks += block.chunkLengths.length
    this.storedBytes += bytes.length
    for (const length of block.chunkLengths) this.plainBytes += length
    const { fullFrom, maxChunks } = this.policy
    if (this.filledBytes >= this.packBytes() * fullFrom || this.filledChunks >= maxChunks) await this.closePack()
  }

  /** Bytes of the pack being filled, at most, unless one block alone is larger. */
  private packBytes(): number {
    const { firstBytes, bytes, share } = this.policy
    return Math.min(bytes, Math.max(firstBytes, this.packedBytes * share))
  }

  private async closePack(): Promise<void> {
    const { storage, surroundings, signal, onPack } = this.options
    const buffer = this.buffer!
    const pack = sealPack(buffer.bytes, this.filledBytes, this.filled, surroundings.random(NONCE_BYTES))
    this.filled = []
    buffer.cut(pack.bytes.length)
    this.buffer = undefined
    freeUnusedBuffers()
    this.filledBytes = 0
    this.filledChunks = 0
    this.packedBytes += pack.bytes.length
    const inFlight = (): number => [...this.uploading.values()].reduce((sum, bytes) => sum + bytes, 0)
    while (this.uploading.size > 0 && inFlight() + pack.bytes.length > this.policy.uploadBytesInFlight)
      await Promise.race(this.uploading.keys())
    this.check()
    const entry = { id: pack.id, size: pack.bytes.length, directoryBytes: pack.directory }
    this.begun.push(entry)
    const upload = storage
      .put(packName(pack.id), pack.bytes, { signal })
      .then(({ created }) => {
        this.acknowledged.push({ ...entry, created })
        this.uploadedBytes += entry.size
        buffer.release()
        onPack?.()
      })
      .catch((error: unknown) => {
        this.failure ??= { error }
      })
      .finally(() => this.uploading.delete(upload))
    this.uploading.set(upload, pack.bytes.length)
  }

  private check(): void {
    if (this.failure) throw this.failure.error
    throwIfAborted(this.options.signal)
  }

  /** Encodes what is left and begins its upload: from here on `begun` is complete, so that an index can go up side by side with the last packs. */
  async flush(): Promise<void> {
    for (const block of [...this.open.values()].sort((a, b) => a.number - b.number)) await this.encode(block)
    this.open.clear()
    while (this.encoding.length > 0) await this.collect()
    if (this.filled.length > 0) await this.closePack()
  }

  /** Waits until the store has acknowledged all that was begun. */
  async acknowledge(): Promise<void> {
    await this.settle()
    this.check()
  }

  /** Waits for what is under way without starting anything new: for a run that ends early. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.encoding, ...this.uploading.keys()])
  }
}
