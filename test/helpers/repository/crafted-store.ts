import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { encodeConfig } from '../../../src/repository/format/config.ts'
import type { ChunkBases, NewBlock } from '../../../src/repository/format/directory.ts'
import { encodeIndex, type IndexedPack } from '../../../src/repository/format/index-object.ts'
import { encodeLabel, encodeTomb, type Label, type Tomb } from '../../../src/repository/format/label-and-tomb.ts'
import type { Entry } from '../../../src/repository/format/manifest.ts'
import { indexName, labelName, packName, tombName } from '../../../src/repository/format/object-names.ts'
import { encodeSnapshot, type Snapshot } from '../../../src/repository/format/snapshot.ts'
import { sha256, sha256Hex, toHex } from '../../../src/util/hash.ts'
import { aSnapshot } from '../a-snapshot.ts'
import { chunkBytes, encodeEntry, encodePack, rawBlock } from '../encode.ts'

/**
 * Adds objects to a folder store, as anybody may who can write to it. All objects are as the format wants them; what
 * they say may be wrong.
 */
export class CraftedStore {
  readonly folder: string
  private drawn = 0

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
  }

  put(name: string, bytes: Uint8Array): void {
    writeFileSync(join(this.folder, name), bytes)
  }

  private nonce(): Buffer {
    return Buffer.from(sha256(Buffer.from(`nonce ${++this.drawn}`)).subarray(0, 16))
  }

  config(): void {
    this.put('config.json', encodeConfig())
  }

  pack(blocks: readonly NewBlock[]): IndexedPack {
    const { id, bytes, directory } = encodePack(blocks, this.nonce())
    this.put(packName(id), bytes)
    return { id, size: bytes.length, directoryBytes: directory }
  }

  index(packs: IndexedPack[], supersedes: string[] = []): string {
    const { id, bytes } = encodeIndex({ packs, supersedes }, this.nonce())
    this.put(indexName(id), bytes)
    return id
  }

  tomb(tomb: Tomb): string {
    const { id, bytes } = encodeTomb(tomb, toHex(this.nonce()))
    this.put(tombName(id), bytes)
    return id
  }

  label(label: Label): void {
    const { id, bytes } = encodeLabel(label, toHex(this.nonce()))
    this.put(labelName(id), bytes)
  }

  /** A version with the content of its manifest; its id. Its files are chunks that other packs hold. */
  version(entries: readonly Entry[], fields: Partial<Snapshot> = {}): string {
    const rows = Buffer.from(entries.map(encodeEntry).join(''))
    const chunks = chunkBytes(rows)
    if (chunks.length > 0) this.index([this.pack(chunks.map(chunk => deflated(chunk, [sha256(chunk)], [chunk.length])))])
    const now = Date.now()
    const { id, objectName, bytes } = encodeSnapshot(
      aSnapshot({ time: now, listed: now, manifest: { bytes: rows.length, chunks: chunks.map(sha256Hex) }, ...fields }),
    )
    this.put(objectName, bytes)
    return id
  }
}

/** A block of these plain bytes and of chunks with any ids and lengths; and with any bases, though it needs none. */
export function deflated(
  plain: Uint8Array,
  ids: readonly Uint8Array[],
  chunkLengths: readonly number[],
  bases?: Map<number, ChunkBases>,
): NewBlock {
  const bytes = deflateRawSync(plain)
  if (bytes.length > plain.length) return { ...rawBlock(plain), chunkIds: Buffer.concat(ids), chunkLengths, ...(bases ? { bases } : {}) }
  const parts = [{ codec: 2, storedLength: bytes.length, plainLength: plain.length }]
  return {
    block: { filter: 0, parameters: new Uint8Array(0), parts, bytes },
    chunkIds: Buffer.concat(ids),
    chunkLengths,
    ...(bases ? { bases } : {}),
  }
}
