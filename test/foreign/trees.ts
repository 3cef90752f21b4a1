import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { sha256Hex } from '../../src/util/hash.ts'

/** What is below a folder: the bytes of each path as latin1, and its content. Folders count only if they are empty. */
export function treeOf(folder: string): Record<string, string> {
  const tree: Record<string, string> = {}
  const visit = (path: Buffer, name: Buffer): void => {
    const stats = lstatSync(path)
    const key = name.toString('latin1')
    if (stats.isSymbolicLink()) tree[key] = `-> ${readlinkSync(path, 'latin1')}`
    else if (stats.isFile()) tree[key] = `${stats.size} ${sha256Hex(readFileSync(path)).slice(0, 16)}`
    else {
      const inside = readdirSync(path, { encoding: 'buffer' })
      if (inside.length === 0 && name.length > 0) tree[key] = 'folder'
      for (const each of inside) visit(Buffer.concat([path, SLASH, each]), name.length === 0 ? each : Buffer.concat([name, SLASH, each]))
    }
  }
  visit(Buffer.from(folder), Buffer.alloc(0))
  return Object.fromEntries(Object.entries(tree).sort(([a], [b]) => (a < b ? -1 : 1)))
}

const SLASH = Buffer.from('/')
