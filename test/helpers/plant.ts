import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeConfig } from '../../src/repository/format/config.ts'
import { encodeIndex } from '../../src/repository/format/index-object.ts'
import { indexName, packName } from '../../src/repository/format/object-names.ts'
import { encodeSnapshot, type Snapshot } from '../../src/repository/format/snapshot.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { aSnapshot } from './a-snapshot.ts'
import { encodePack, rawBlock } from './encode.ts'

export interface Planted {
  /** The manifest, as it is: nothing checks it. */
  manifest: string | Uint8Array
  /** Chunks that are stored. */
  chunks?: readonly Uint8Array[]
  /** Replaces fields of the snapshot. */
  snapshot?: Partial<Snapshot>
}

const NONCE = new Uint8Array(16).fill(7)

/** Objects of a repository with one version of `data`, whose manifest says whatever is given. */
export function plantedObjects({ manifest, chunks = [], snapshot = {} }: Planted): Map<string, Uint8Array> {
  const bytes = typeof manifest === 'string' ? new TextEncoder().encode(manifest) : manifest
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += 1 << 20) pieces.push(bytes.subarray(at, at + (1 << 20)))
  const pack = encodePack(
    [...pieces, ...chunks].map(chunk => rawBlock(chunk)),
    NONCE,
  )
  const index = encodeIndex({ packs: [{ id: pack.id, size: pack.bytes.length, directoryBytes: pack.directory }], supersedes: [] }, NONCE)
  const now = Date.now()
  const planted = encodeSnapshot(
    aSnapshot({
      time: now,
      listed: now,
      host: 'elsewhere',
      counts: { files: 1, directories: 0, symlinks: 0 },
      manifest: { bytes: bytes.length, chunks: pieces.map(piece => sha256Hex(piece)) },
      ...snapshot,
    }),
  )
  return new Map([
    ['config.json', encodeConfig()],
    [packName(pack.id), pack.bytes],
    [indexName(index.id), index.bytes],
    [planted.objectName, planted.bytes],
  ])
}

export function writeObjects(store: string, objects: Map<string, Uint8Array>): void {
  mkdirSync(store, { recursive: true })
  for (const [name, bytes] of objects) writeFileSync(join(store, name), bytes)
}
