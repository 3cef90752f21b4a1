/*
 * Puts chunks into blocks, blocks into packs and packs into indexes, and uploads packs and indexes. Other rooms decide
 * which chunks to write.
 */

import { usesBase } from '../../compression/choose-filter.ts'
import { type Level, MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES } from '../../compression/limits.ts'
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
import type { LevelRule } from './level-for.ts'

/** A pack of this run that the store has acknowledged. */
export interface AcknowledgedPack extends IndexedPack {
  /** When the store created it, ms by the store's clock. (The clocks of this machine stop while it sleeps.) */
  created: number
}

export interface PackWriterOptions {
  storage: Pick<Storage, 'put' | 'prepare'>
  pool: CompressionPool
  level: Level | LevelRule
  /** Plain bytes in a block that is not long, at most. By default as many as the format allows. */
  blockBytes?: number | undefined
  surroundings: Surroundings
  signal?: AbortSignal | undefined
  policy?: PackPolicy | undefined
  /** Called after the store has acknowledged a pack. */
  onPack?: () => void
}

/** A directory mostly fits into this share of its pack. */
const DIRECTORY_SHARE = 1 / 12

/** Where levels follow the link, so much is in flight as it sent lately in so many seconds. */
const SECONDS_AHEAD = 5
/** ... but at least so many of the first packs. */
const FIRST_PACKS = 3

/** Buffers of blocks that are filled side by side, at most. Then the block that got no chunk for longest is closed. */
const MAX_OPEN_BUFFERS = 6

/** Plain bytes of a long block, at most, in those of another one. */
const LONG = MAX_LONG_BLOCK_BYTES / MAX_BLOCK_BYTES
/** Long blocks in memory, at most: while one is being encoded, one may grow. */
const MAX_LONG_BLOCKS = 2

/**
 * Turns a stream of new chunks into packs in the store. Fills a block for each key, encodes the blocks, joins them into
 * packs and uploads these. The number of workers bounds the blocks that are being encoded, and the policy bounds the
 * bytes that are being uploaded. Packs hold blocks in the order in which they were filled.
 */
export class PackWriter {
  private readonly options: PackWriterOptions
  /** Blocks by key. The block that got a chunk last comes last. */
  private readonly open = new Map<string, BlockBuilder>()
  /** Full blocks by key, of which each may be joined with the next one of its key. */
  private readonly full = new Map<string, BlockBuilder>()
  /** Long blocks take 100 MB more memory, which nobody spends unasked. */
  private readonly makesLong: boolean
  private longBlocks = 0
  private blocksOpened = 0
  private readonly encoding: Promise<NewBlock & { builder?: BlockBuilder }>[] = []
  private readonly maxEncoding: number
  private filled: ListedBlock[] = []
  /** The encoded bytes of `filled`, one block after the other. */
  private buffer: PackBuffer | undefined
  private readonly policy: PackPolicy
  private readonly directoryBytes: number
  private readonly buffers: PackBuffers
  private readonly blockBuffers: SharedBuffers
  private readonly longBuffers: SharedBuffers
  private readonly longBytes: number
  private filledBytes = 0
  private filledChunks = 0
  private packedBytes = 0
  private uploading = new Map<Promise<void>, number>()
  /** ms in which uploads were under way, and when the first of those that are began. */
  private uploadingMs = 0
  private uploadingSince = 0
  private failure: { error: unknown } | undefined
  /** Packs whose upload has begun, in this order, and those that the store has acknowledged. */
  readonly begun: IndexedPack[] = []
  readonly acknowledged: AcknowledgedPack[] = []
  /** Bytes of the blocks encoded so far, and of their plain chunks. */
  storedBytes = 0
  plainBytes = 0
  /** Bytes of the packs acknowledged so far. */
  uploadedBytes = 0

  constructor(options: PackWriterOptions) {
    this.options = options
    this.policy = options.policy ?? PACK_POLICY
    this.directoryBytes = Math.ceil(this.policy.bytes * DIRECTORY_SHARE)
    const { blockBytes = MAX_BLOCK_BYTES } = options
    this.buffers = new PackBuffers(Math.max(this.policy.bytes, LONG * blockBytes) + this.directoryBytes)
    this.maxEncoding = options.pool.workers + 1
    this.blockBuffers = new SharedBuffers(blockBytes)
    this.longBytes = LONG * blockBytes
    this.makesLong = options.level === 'high' || options.level === 'max'
    this.longBuffers = new SharedBuffers(this.longBytes)
  }

  /** Adds a new chunk. `bytes` may be reused when this resolves. Waits while too much is being encoded or uploaded. */
  async add(id: Uint8Array, bytes: Uint8Array, content: BlockContent): Promise<void> {
    const key = blockKeyOf(bytes, content)
    let block = this.open.get(key)
    this.open.delete(key)
    if (block && !block.fits(bytes.length, content)) {
      await this.close(key, block)
      block = undefined
    }
    if (this.blocksOpened === 0) void this.options.storage.prepare?.({ signal: this.options.signal })
    block ??= await this.begin(content)
    block.add(id, bytes, content.tensor)
    this.open.set(key, block)
  }

  /** Begins a block, after it has closed others if too many are open. */
  private async begin(content: BlockContent): Promise<BlockBuilder> {
    for (const [key, oldest] of this.open) {
      if (this.buffersOpen() + buffersFor(content) <= MAX_OPEN_BUFFERS) break
      this.open.delete(key)
      await this.close(key, oldest)
    }
    return new BlockBuilder(this.blocksOpened++, content, this.blockBuffers)
  }

  /** Encodes a block that gets no more chunks, unless it is joined with the one before or may be with the next one. */
  private async close(key: string, block: BlockBuilder): Promise<void> {
    if (!block.mayGrow || !this.makesLong) return this.encode(block)
    const before = this.full.get(key)
    if (before?.isRepeatedBy(block, this.longBytes)) {
      if (!before.isLong) await this.makeRoomForLong()
      before.join(block, this.longBuffers)
      return
    }
    this.full.set(key, block)
    if (before) await this.encode(before)
  }

  private async makeRoomForLong(): Promise<void> {
    while (this.longBlocks >= MAX_LONG_BLOCKS && this.encoding.length > 0) await this.collect()
    this.longBlocks++
  }

  private buffersOpen(): number {
    let buffers = 0
    for (const block of this.open.values()) buffers += block.buffersHeld
    return buffers
  }

  /** Adds an encoded block of another pack. */
  async addBlock(block: NewBlock): Promise<void> {
    this.check()
    while (this.encoding.length >= this.maxEncoding) await this.collect()
    this.encoding.push(Promise.resolve(block))
  }

  private async encode(block: BlockBuilder): Promise<void> {
    this.check()
    while (this.encoding.length >= this.maxEncoding) await this.collect()
    const { plain, request } = block.take(this.level())
    const encoded = this.options.pool.encode(plain, request).then(encoded => ({
      builder: block,
      block: encoded,
      chunkIds: Buffer.concat(block.ids),
      chunkLengths: block.lengths,
      ...(usesBase(encoded.filter) ? { bases: block.bases } : {}),
    }))
    encoded.catch(() => undefined) // awaited by collect()
    this.encoding.push(encoded)
  }

  private level(): Level {
    const { level, pool } = this.options
    if (typeof level === 'string') return level
    return level({
      inFlight: this.inFlight(),
      most: this.mostInFlight(),
      uploaded: this.uploadedBytes,
      seconds: this.uploadingSeconds(),
      encoding: pool.pending,
      threads: pool.workers,
    })
  }

  /** Seconds in which at least one upload was under way. */
  private uploadingSeconds(): number {
    const running = this.uploading.size > 0 ? this.options.surroundings.monotonic() - this.uploadingSince : 0
    return (this.uploadingMs + running) / 1000
  }

  /** Where levels follow the link, blocks are not encoded long before it can take them. */
  private mostInFlight(): number {
    const { firstBytes, uploadBytesInFlight } = this.policy
    if (typeof this.options.level === 'string') return uploadBytesInFlight
    const soon = (this.uploadedBytes / Math.max(0.001, this.uploadingSeconds())) * SECONDS_AHEAD
    return Math.min(uploadBytesInFlight, Math.max(FIRST_PACKS * firstBytes, soon))
  }

  /** Bytes of packs that are being uploaded. */
  private inFlight(): number {
    return [...this.uploading.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  /** Moves the oldest of the blocks that are being encoded into the pack being filled. */
  private async collect(): Promise<void> {
    const { builder, ...block } = await this.encoding.shift()!.catch((error: unknown) => {
      // the chunks of the block are lost: from here on nothing may count as stored
      this.failure ??= { error }
      throw error
    })
    const { bytes, ...layout } = block.block
    if (this.filled.length > 0 && this.filledBytes + bytes.length > this.packBytes()) await this.closePack()
    this.buffer ??= this.buffers.take(Math.max(this.packBytes(), bytes.length) + this.directoryBytes)
    this.buffer.bytes.set(bytes, this.filledBytes)
    if (builder?.isLong) this.longBlocks--
    builder?.release()
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
    freeUnusedBuffers(pack.bytes.length)
    this.filledBytes = 0
    this.filledChunks = 0
    this.packedBytes += pack.bytes.length
    while (this.uploading.size > 0 && this.inFlight() + pack.bytes.length > this.mostInFlight()) await Promise.race(this.uploading.keys())
    this.check()
    const entry = { id: pack.id, size: pack.bytes.length, directoryBytes: pack.directory }
    this.begun.push(entry)
    if (this.uploading.size === 0) this.uploadingSince = surroundings.monotonic()
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
      .finally(() => {
        this.uploading.delete(upload)
        if (this.uploading.size === 0) this.uploadingMs += surroundings.monotonic() - this.uploadingSince
      })
    this.uploading.set(upload, pack.bytes.length)
  }

  private check(): void {
    if (this.failure) throw this.failure.error
    throwIfAborted(this.options.signal)
  }

  /**
   * Encodes the open blocks and begins the upload of the last packs. Then `begun` is complete, so that an index can be
   * uploaded beside them.
   */
  async flush(): Promise<void> {
    const inOrder = ([, a]: [string, BlockBuilder], [, b]: [string, BlockBuilder]): number => a.number - b.number
    for (const [key, block] of [...this.open].sort(inOrder)) await this.close(key, block)
    this.open.clear()
    for (const [, block] of [...this.full].sort(inOrder)) await this.encode(block)
    this.full.clear()
    while (this.encoding.length > 0) await this.collect()
    if (this.filled.length > 0) await this.closePack()
  }

  /** Waits until the store has acknowledged all packs that were begun. */
  async acknowledge(): Promise<void> {
    await this.settle()
    this.check()
  }

  /** Waits for the blocks and uploads under way. Call it if a run ends early. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.encoding, ...this.uploading.keys()])
  }
}
