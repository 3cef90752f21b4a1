// Makes the indexes of a repository that does not exist, for simulate-index.mjs: `node bench/simulated-repository.mjs <folder> <chunks>`. In a process of its own, so that
// the memory of making is none of what opening takes.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { partsOf } from './program-parts.mjs'

const CHUNK_BYTES = 64 * 1024
const CHUNKS_PER_BLOCK = 64
const BLOCKS_PER_PACK = 12
const STORED_BYTES_OF_BLOCK = (CHUNK_BYTES * CHUNKS_PER_BLOCK) / 2
/** Every so many packs, the id of a chunk in it is noted: what is looked up later. */
const NOTED_EVERY = 4

const { encodeDirectory, encodeIndex, encodeConfig, packName, indexName, MAX_INDEX_BYTES, TRAILER_BYTES, NONCE_BYTES } = await partsOf({
  encodeDirectory: 'src/repository/format/directory.ts',
  encodeIndex: 'src/repository/format/index-object.ts',
  encodeConfig: 'src/repository/format/config.ts',
  packName: 'src/repository/format/object-names.ts',
  indexName: 'src/repository/format/object-names.ts',
  MAX_INDEX_BYTES: 'src/repository/format/limits.ts',
  TRAILER_BYTES: 'src/repository/format/pack.ts',
  NONCE_BYTES: 'src/repository/format/pack.ts',
})

/** A pack as an index names it; no such pack is anywhere. */
export function makePack() {
  const blocks = Array.from({ length: BLOCKS_PER_PACK }, () => ({
    block: {
      filter: 0,
      parameters: new Uint8Array(0),
      parts: [{ codec: 1, storedLength: STORED_BYTES_OF_BLOCK, plainLength: CHUNK_BYTES * CHUNKS_PER_BLOCK }],
    },
    chunkIds: randomBytes(CHUNKS_PER_BLOCK * 32),
    chunkLengths: new Array(CHUNKS_PER_BLOCK).fill(CHUNK_BYTES),
  }))
  const directoryBytes = encodeDirectory(blocks)
  const size = STORED_BYTES_OF_BLOCK * BLOCKS_PER_PACK + directoryBytes.length + TRAILER_BYTES
  return { pack: { id: randomBytes(32).toString('hex'), size, directoryBytes }, chunk: blocks[0].chunkIds.subarray(0, 32) }
}

/** Writes config and indexes into `folder`, and into `listing.json` and `known-chunks` what is listed and what is there. */
function makeRepository(folder, chunks) {
  const listed = []
  const known = []
  const add = (name, bytes) => {
    writeFileSync(join(folder, name), bytes)
    listed.push({ name, size: bytes.length, created: listed.length })
  }
  add('config.json', encodeConfig())
  let packs = []
  let bytes = 0
  const flush = () => {
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

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) makeRepository(process.argv[2], Number(process.argv[3]))
