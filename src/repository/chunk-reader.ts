import { AppError, corrupt, isAppError, throwIfAborted } from '../util/errors.ts'
import { equalBytes } from '../util/bytes.ts'
import { sha256, toHex } from '../util/hash.ts'
import type { CompressionPool } from '../compression/pool.ts'
import type { Storage } from '../storage/storage.ts'
import type { ChunkIndex } from './chunk-index.ts'
import { packName } from './object-names.ts'

const MiB = 1024 * 1024
/** Bytes between two wanted blocks that are cheaper to read along than to ask for separately. */
const JOIN_GAP_BYTES = 256 * 1024
const MAX_RANGE_BYTES = 8 * MiB
/** Plain bytes of the wanted blocks of one range: all are decoded together, and blocks may take a hundredth of that in the store. */
const MAX_RANGE_PLAIN_BYTES = 32 * MiB
const PARALLEL_RANGES = 4

interface Range {
  pack: number
  offset: number
  length: number
  plainBytes: number
  blocks: number[]
}

/** Ranges of packs that cover `blocks` (ascending numbers), neighbours joined. */
export function planRanges(index: ChunkIndex, blocks: readonly number[]): Range[] {
  const ranges: Range[] = []
  for (const number of blocks) {
    const block = index.blocks[number]!
    const last = ranges.at(-1)
    const end = block.offset + block.storedLength
    if (
      last &&
      last.pack === block.pack &&
      block.offset >= last.offset &&
      block.offset - (last.offset + last.length) <= JOIN_GAP_BYTES &&
      end - last.offset <= MAX_RANGE_BYTES &&
      last.plainBytes + block.plainLength <= MAX_RANGE_PLAIN_BYTES
    ) {
      last.length = Math.max(last.length, end - last.offset)
      last.plainBytes += block.plainLength
      last.blocks.push(number)
    } else
      ranges.push({
        pack: block.pack,
        offset: block.offset,
        length: block.storedLength,
        plainBytes: block.plainLength,
        blocks: [number],
      })
  }
  return ranges
}

/** A block's plain bytes, or what kept them from being read. Chunks are not verified yet. */
export interface FetchedBlock {
  number: number
  plain: Uint8Array | undefined
  error: AppError | undefined
}

export interface BlockSource {
  storage: Storage
  index: ChunkIndex
  pool: CompressionPool
  signal?: AbortSignal | undefined
  /** Lists again and adds packs to the index that it lacks: a prune may have moved what lay in a pack that is gone. True when there were any. */
  renew?: () => Promise<boolean>
}

/**
 * Fetches and decodes blocks in the order given (ascending numbers), a few ranges ahead of the consumer. Damage and missing packs come as an `error` of the
 * blocks concerned; anything else (network, abort) throws.
 */
export async function* fetchBlocks(source: BlockSource, blocks: readonly number[]): AsyncGenerator<FetchedBlock> {
  const ranges = planRanges(source.index, blocks)
  const ahead: Promise<FetchedBlock[]>[] = []
  let next = 0
  try {
    while (next < ranges.length || ahead.length > 0) {
      throwIfAborted(source.signal)
      while (next < ranges.length && ahead.length < PARALLEL_RANGES) {
        const pending = fetchRange(source, ranges[next++]!)
        pending.catch(() => undefined) // it is awaited in its turn; until then a failure must not count as unhandled
        ahead.push(pending)
      }
      yield* await ahead.shift()!
    }
  } finally {
    await Promise.allSettled(ahead)
  }
}

async function fetchRange(source: BlockSource, range: Range): Promise<FetchedBlock[]> {
  const { storage, index, pool, signal } = source
  const packId = index.packs[range.pack]!.id
  let bytes: Uint8Array
  try {
    bytes = await storage.get(packName(packId), { offset: range.offset, length: range.length }, { signal })
  } catch (error) {
    if (!isAppError(error, 'not-found', 'bad-range', 'corrupt')) throw error
    // the blocks before a cut are whole
    if (error.code === 'bad-range' && range.blocks.length > 1) return fetchApart(source, range.blocks)
    const why = error.code === 'not-found' ? 'it is missing' : error.code === 'bad-range' ? 'it is cut short' : error.message
    const damage = corrupt(`Pack ${packId.slice(0, 12)}`, why)
    return range.blocks.map(number => ({ number, plain: undefined, error: damage }))
  }
  return Promise.all(
    range.blocks.map(async number => {
      const block = index.blocks[number]!
      const start = block.offset - range.offset
      try {
        const stored = bytes.slice(start, start + block.storedLength)
        return { number, plain: await pool.decode(block, stored), error: undefined }
      } catch (error) {
        if (!isAppError(error, 'corrupt', 'newer-format')) throw error
        return { number, plain: undefined, error }
      }
    }),
  )
}

async function fetchApart(source: BlockSource, blocks: readonly number[]): Promise<FetchedBlock[]> {
  const fetched: FetchedBlock[] = []
  for (const number of blocks) for (const range of planRanges(source.index, [number])) fetched.push(...(await fetchRange(source, range)))
  return fetched
}

export function chunkMatches(id: Uint8Array, bytes: Uint8Array): boolean {
  return equalBytes(sha256(bytes), id)
}

/** Plain bytes that one window of a sequence may take: what `readSequence` holds at a time. */
const WINDOW_BYTES = 16 * MiB

/**
 * The chunks named by `ids` (32 bytes each), in that order, each verified. A damaged copy is passed over for another one of the same chunk; where none is
 * left it throws `corrupt`.
 */
export async function* readSequence(source: BlockSource, ids: Uint8Array, what: string): AsyncGenerator<Uint8Array> {
  const { index } = source
  for (let start = 0; start < ids.length;) {
    const wanted: number[] = []
    let bytes = 0
    let end = start
    for (; end < ids.length && bytes < WINDOW_BYTES; end += 32) {
      let entry = index.find(ids, end)
      if (entry < 0 && (await source.renew?.()) === true) entry = index.find(ids, end)
      if (entry < 0) throw corrupt(what, `chunk ${toHex(ids.subarray(end, end + 32)).slice(0, 12)} is in no pack of the repository`)
      bytes += index.length(entry)
      wanted.push(entry)
    }
    const chunks = await readEntries(source, wanted, what)
    for (const entry of wanted) yield chunks.get(entry)!
    start = end
  }
}

/** The verified chunks of the given entries, all in memory at once. */
async function readEntries(source: BlockSource, entries: readonly number[], what: string): Promise<Map<number, Uint8Array>> {
  const { index } = source
  const byBlock = new Map<number, Set<number>>()
  for (const entry of entries) {
    const { block } = index.location(entry)
    const inBlock = byBlock.get(block)
    if (inBlock) inBlock.add(entry)
    else byBlock.set(block, new Set([entry]))
  }
  const chunks = new Map<number, Uint8Array>()
  const blocks = [...byBlock.keys()].sort((a, b) => a - b)
  for await (const { number, plain, error } of fetchBlocks(source, blocks)) {
    for (const entry of byBlock.get(number)!) {
      const { offset, length } = index.location(entry)
      const chunk = plain?.slice(offset, offset + length)
      if (chunk && chunkMatches(index.id(entry), chunk)) chunks.set(entry, chunk)
      else chunks.set(entry, await readOtherCopy(source, entry, error, what))
    }
  }
  return chunks
}

/** The chunk of `entry` read once more, in case only the way here damaged it, or else another copy of it, also one that came after the index was read. */
export async function readOtherCopy(source: BlockSource, entry: number, error: AppError | undefined, what: string): Promise<Uint8Array> {
  const { index } = source
  const id = index.id(entry).slice()
  const tried = new Set<number>()
  do {
    for (let other = index.find(id); other >= 0; other = index.findNext(other)) {
      if (tried.has(other)) continue
      tried.add(other)
      const { block, offset, length } = index.location(other)
      for await (const { plain } of fetchBlocks(source, [block])) {
        const chunk = plain?.slice(offset, offset + length)
        if (chunk && chunkMatches(id, chunk)) return chunk
      }
    }
  } while ((await source.renew?.()) === true)
  if (error?.code === 'newer-format') throw error
  const why =
    error?.message ??
    `chunk ${toHex(id).slice(0, 12)} in pack ${index.packs[index.packOf(entry)]!.id.slice(0, 12)} does not match its checksum`
  throw corrupt(what, why)
}
