import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NewBlock } from '../../src/repository/format/directory.ts'
import { labelName, packName } from '../../src/repository/format/object-names.ts'
import { encodeSnapshot, type Snapshot } from '../../src/repository/format/snapshot.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { aSnapshot } from '../helpers/a-snapshot.ts'
import { encodePack, rawBlock } from '../helpers/encode.ts'

export const CONTENT = Buffer.from('content')
export const ATTRIBUTES = { mode: '644', mtime: '1000' }
export const file = (path: string): object => ({ path, type: 'file', ...ATTRIBUTES, size: 7, chunks: [sha256Hex(CONTENT)] })
export const folder = (path: string): object => ({ path, type: 'directory', ...ATTRIBUTES, mode: '755' })
export const link = (path: string, target: string): object => ({ path, type: 'symlink', ...ATTRIBUTES, mode: '777', target })

/** Stores blocks in a pack that no index names, and returns its object's name. */
export function addPack(repo: string, blocks: readonly NewBlock[]): string {
  const pack = encodePack(blocks, new Uint8Array(16))
  writeFileSync(join(repo, packName(pack.id)), pack.bytes)
  return packName(pack.id)
}

/** Stores a version that consists of these rows, and returns its id and its object's name. */
export function addVersion(repo: string, rows: readonly object[], fields: Partial<Snapshot> = {}): { id: string; objectName: string } {
  const manifest = Buffer.from(rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  addPack(repo, [rawBlock(manifest)])
  const stored = { bytes: manifest.length, chunks: [sha256Hex(manifest)] }
  const snapshot = encodeSnapshot(aSnapshot({ name: 'crafted', manifest: stored, ...fields }))
  writeFileSync(join(repo, snapshot.objectName), snapshot.bytes)
  return snapshot
}

export function addLabel(repo: string, label: object): void {
  const bytes = Buffer.from(JSON.stringify({ format: 1, add: [], remove: [], nonce: '', ...label }))
  writeFileSync(join(repo, labelName(sha256Hex(bytes))), bytes)
}

/** A repository of one version with these rows, whose only other chunk holds `CONTENT`. Returns the version. */
export function craft(repo: string, rows: readonly object[], { filter = 0 } = {}): { id: string; objectName: string } {
  mkdirSync(repo)
  writeFileSync(join(repo, 'config.json'), '{"format": 1}')
  const content = rawBlock(CONTENT)
  addPack(repo, [{ ...content, block: { ...content.block, filter } }])
  return addVersion(repo, rows)
}
