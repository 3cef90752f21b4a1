// Makes the indexes of a repository that does not exist, for simulate-index.ts: `node scripts/run.mjs
// bench/simulated-repository.ts <folder> <chunks>`. It is a process of its own, so that its memory does not count as
// that of opening the indexes.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { encodeConfig } from '../src/repository/format/config.ts'
import { encodeDirectory } from '../src/repository/format/directory.ts'
import { encodeIndex, type IndexedPack } from '../src/repository/format/index-object.ts'
import { MAX_INDEX_BYTES } from '../src/repository/format/limits.ts'
import { CONFIG_NAME, indexName, packName } from '../src/repository/format/object-names.ts'
import { NONCE_BYTES, TRAILER_BYTES } from '../src/repository/format/pack.ts'
import type { StoredObject } from '../src/storage/storage.ts'

const CHUNK_BYTES = 64 * 1024
const CHUNKS_PER_BLOCK = 64
const BLOCKS_PER_PACK = 12
const STORED_BYTES_OF_BLOCK = (CHUNK_BYTES * CHUNKS_PER_BLOCK) / 2
/** The id of a chunk is noted once in so many packs, for lookups. */
const NOTED_EVERY = 4

/** A pack that does not exist, as an index lists it, and the id of a chunk in it. */
export function makePack(): { pack: IndexedPack; chunk: Buffer } {
  const blocks = Array.from({ length: BLOCKS_PER_PACK }, () => ({
    block: {
      filter: 0,
      parameters: new Uint8Array(0),
      parts: [{ codec: 1, storedLength: STORED_BYTES_OF_BLOCK, plainLength: CHUNK_BYTES * CHUNKS_PER_BLOCK }],
    },
    chunkIds: randomBytes(CHUNKS_PER_BLOCK * 32),
    chunkLengths: new Array<number>(CHUNKS_PER_BLOCK).fill(CHUNK_BYTES),
  }))
  const directoryBytes = encodeDirectory(blocks)
  const size = STORED_BYTES_OF_BLOCK * BLOCKS_PER_PACK + directoryBytes.length + TRAILER_BYTES
  return { pack: { id: randomBytes(32).toString('hex'), size, directoryBytes }, chunk: blocks[0]!.chunkIds.subarray(0, 32) }
}

/**
 * Writes config and indexes into `folder`, the list of objects into `listing.json` and some ids into `known-chunks`.
 */
function makeRepository(folder: string, chunks: number): void {
  const listed: StoredObject[] = []
  const known: Buffer[] = []
  const add = (name: string, bytes: Uint8Array): void => {
    writeFileSync(join(folder, name), bytes)
    listed.push({ name, size: bytes.length, created: listed.length })
  }
  add(CONFIG_NAME, encodeConfig())
  let packs: IndexedPack[] = []
  let bytes = 0
  const flush = (): void => {
    const index = encodeIndex({ packs, supersedes: [] }, randomBytes(NONCE_BYTES))
    add(indexName(index.id), index.bytes)
    packs = []
    bytes = 0
  }
  for (let made = 0; made < chunks; made += CHUNKS_PER_BLOCK * BLOCKS_PER_PACK) {
    const { pack, chunk } = makePack()
    if (listed.length % NOTED_EVERY === 0) known.push(Buffer.from(chunk))
    listed.push({ name: packName(pack.id), size: pack.size, created: listed.length })
    const own = pack.directoryBytes.length + 40
    if (bytes + own > MAX_INDEX_BYTES) flush()
    packs.push(pack)
    bytes += own
  }
  flush()
  writeFileSync(join(folder, 'listing.json'), JSON.stringify(listed))
  writeFileSync(join(folder, 'known-chunks'), Buffer.concat(known))
}

const [, script, folder, chunks] = process.argv
if (script && folder && import.meta.url === pathToFileURL(script).href) makeRepository(folder, Number(chunks))
