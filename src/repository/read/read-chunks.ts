/*
 * Gets chunks out of packs, verified, each block read once where that is possible. Which chunks are wanted and where
 * their bytes go is decided elsewhere.
 */

import { type AppError, corrupt } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { type BlockSource, chunkMatches, describeCopy, shortId } from './block-source.ts'
import { fetchBlocks } from './fetch-blocks.ts'
import { type LostCopy, readCopy } from './read-copy.ts'

export { type BlockSource, chunkMatches } from './block-source.ts'
export { fetchBlocks } from './fetch-blocks.ts'

const MiB = 1024 * 1024
/** Plain bytes that one window of a sequence may take: what `readSequence` holds at a time. */
const WINDOW_BYTES = 16 * MiB

/**
 * Yields the chunks named by `ids` in that order, each verified. Passes over a damaged copy for another one of the same
 * chunk, and throws `corrupt` where none is left.
 */
export async function* readSequence(source: BlockSource, ids: Uint8Array, what: string): AsyncGenerator<Uint8Array> {
  const { index } = source
  for (let start = 0; start < ids.length;) {
    const wanted: number[] = []
    let bytes = 0
    let end = start
    for (; end < ids.length && bytes < WINDOW_BYTES; end += HASH_BYTES) {
      let entry = index.whole.best(ids, end)
      if (entry < 0 && (await source.renew?.()) === true) entry = index.whole.best(ids, end)
      // what lacks a base may still be read as far as that goes: the reader names what is missing
      if (entry < 0) entry = index.find(ids, end)
      if (entry < 0) throw corrupt(what, `chunk ${shortId(ids.subarray(end, end + HASH_BYTES))} is in no pack of the repository`)
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
    const block = index.blockOf(entry)
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

/**
 * Reads the chunk of `entry` again, in case it was damaged only in transit, or else another copy of it, including one
 * that came after the index was read.
 */
export async function readOtherCopy(source: BlockSource, entry: number, error: AppError | undefined, what: string): Promise<Uint8Array> {
  const { index } = source
  const id = index.id(entry).slice()
  let lost: LostCopy | undefined
  do {
    lost = undefined
    for (let other = index.find(id); other >= 0; other = index.findNext(other)) {
      const read = await readCopy(source, other)
      if (!('why' in read)) return read
      if (other === entry) lost = read
    }
  } while ((await source.renew?.()) === true)
  const newer = error?.code === 'newer-format' ? error : lost?.newer
  if (newer) throw newer
  throw corrupt(what, error?.message ?? `${describeCopy(index, entry)} ${lost?.why ?? 'does not match its checksum'}`)
}
