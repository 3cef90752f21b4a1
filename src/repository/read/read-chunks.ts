/*
 * Reads chunks from packs and verifies them. Reads each block once if that is possible. Other rooms decide which chunks
 * to read and what to do with their bytes.
 */

import type { ByteLru } from '../../util/byte-lru.ts'
import { type AppError, corrupt, missing } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { type BlockSource, chunkMatches, describeCopy, shortId } from './block-source.ts'
import { type FetchedBlock, fetchBlocks } from './fetch-blocks.ts'
import { type LostCopy, readAnyCopy, readCopy } from './read-copy.ts'

export { type BlockSource, chunkMatches } from './block-source.ts'
export { fetchBlocks } from './fetch-blocks.ts'

const MiB = 1024 * 1024
/** Decoded blocks by their number. */
export type PlainBlocks = ByteLru<number, Uint8Array>
/** Plain bytes that `readSequence` holds at a time. */
const WINDOW_BYTES = 16 * MiB

/**
 * Yields the verified chunks of `ids`, in that order. If a copy of a chunk is damaged, reads another one. Throws
 * `corrupt` if no copy is left. With `cache`, plain blocks (by number) are kept from one call to the next.
 *
 * Time: linear in the chunks' plain bytes, and in the blocks that hold those of each window. Memory: bounded, but for
 * `ids`.
 */
export async function* readSequence(source: BlockSource, ids: Uint8Array, what: string, cache?: PlainBlocks): AsyncGenerator<Uint8Array> {
  const { index } = source
  for (let start = 0; start < ids.length;) {
    const wanted: number[] = []
    let bytes = 0
    let end = start
    for (; end < ids.length && bytes < WINDOW_BYTES; end += HASH_BYTES) {
      let entry = index.whole.best(ids, end)
      if (entry < 0 && (await source.renew?.()) === true) entry = index.whole.best(ids, end)
      // a copy that lacks a base is read too: the reader then names the base
      if (entry < 0) entry = index.find(ids, end)
      if (entry < 0) throw missing(what, `chunk ${shortId(ids.subarray(end, end + HASH_BYTES))} is in no pack of the repository`)
      bytes += index.length(entry)
      wanted.push(entry)
    }
    const chunks = await readCopies(source, wanted, what, cache)
    for (const entry of wanted) yield chunks.get(entry)!
    start = end
  }
}

/** Reads and verifies copies of chunks, given by their entry numbers. All of them are in memory at once. */
async function readCopies(
  source: BlockSource,
  entries: readonly number[],
  what: string,
  cache: PlainBlocks | undefined,
): Promise<Map<number, Uint8Array>> {
  const { index } = source
  const byBlock = new Map<number, Set<number>>()
  for (const entry of entries) {
    const block = index.blockOf(entry)
    const inBlock = byBlock.get(block)
    if (inBlock) inBlock.add(entry)
    else byBlock.set(block, new Set([entry]))
  }
  const chunks = new Map<number, Uint8Array>()
  const take = async ({ number, plain, error }: FetchedBlock): Promise<void> => {
    for (const entry of byBlock.get(number)!) {
      const { offset, length } = index.location(entry)
      const chunk = plain?.slice(offset, offset + length)
      if (chunk && chunkMatches(index, index.id(entry), chunk)) chunks.set(entry, chunk)
      else chunks.set(entry, await readOtherCopy(source, entry, error, what))
    }
  }
  const toFetch: number[] = []
  for (const number of [...byBlock.keys()].sort((a, b) => a - b)) {
    const plain = cache?.get(number)
    if (plain) await take({ number, plain, error: undefined })
    else toFetch.push(number)
  }
  for await (const block of fetchBlocks(source, toFetch)) {
    if (block.plain) cache?.set(block.number, block.plain, block.plain.length)
    await take(block)
  }
  return chunks
}

/**
 * Reads the chunk with the entry number `entry` again, because it may have been damaged in transit only. If that fails,
 * reads another copy of it, which may be newer than the index that was read.
 */
export async function readOtherCopy(source: BlockSource, entry: number, error: AppError | undefined, what: string): Promise<Uint8Array> {
  const { index } = source
  const id = index.id(entry).slice()
  let lost: LostCopy | undefined
  do {
    const own = await readCopy(source, entry)
    const read = own.kind === 'read' ? own : await readAnyCopy(source, id)
    if (read?.kind === 'read') return read.bytes
    lost = own.kind === 'lost' ? own : undefined
  } while ((await source.renew?.()) === true)
  const newer = error?.code === 'newer-format' ? error : lost?.newer
  if (newer) throw newer
  const why = error?.message ?? `${describeCopy(index, entry)} ${lost?.why ?? 'does not match its checksum'}`
  throw (error ?? lost)?.isMissing === true ? missing(what, why) : corrupt(what, why)
}
