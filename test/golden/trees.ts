import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, lutimesSync, mkdirSync, readFileSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { utimesSeconds, wholeMicroseconds } from '../../src/local/times.ts'
import { comparePaths, decodeFileName, fsPath } from '../../src/util/paths.ts'

/**
 * One entry of a version as expected.json states it: paths and targets escaped as in src/util/paths.ts, `mtime` in ns
 * since 1970, whole µs.
 */
export type ExpectedEntry =
  | { path: string; type: 'file'; mode: string; mtime: string; size: number; sha256: string }
  | { path: string; type: 'directory'; mode: string; mtime: string }
  | { path: string; type: 'symlink'; mode: string; mtime: string; target: string }

/** What to make at a path. `mode` is octal, `mtime` in µs since 1970. */
export type TreeNode = { mode?: number; mtime?: bigint } & ({ file: Uint8Array | string } | { link: string } | { folder: true })

/** 2024-02-29 12:34:56.789012 UTC */
const ANY_TIME = 1_709_210_096_789_012n
const DEFAULT_MODE = { file: 0o644, directory: 0o755 }

/** Makes a tree below the new folder `root`; folders that are not named are made as they are needed. */
export function makeTree(root: string, tree: Readonly<Record<string, TreeNode>>): void {
  const nodes = new Map<string, TreeNode>()
  for (const [path, node] of Object.entries(tree)) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) if (!(folder in tree)) nodes.set(folder, { folder: true })
    nodes.set(path, node)
  }
  const sorted = [...nodes].sort(([a], [b]) => comparePaths(a, b))
  mkdirSync(root, { recursive: true })
  for (const [path, node] of sorted) {
    const place = fsPath(`${root}/${path}`)
    if ('file' in node) writeFileSync(place, node.file)
    else if ('link' in node) symlinkSync(fsPath(node.link), place)
    else mkdirSync(place)
  }
  // folders after what is in them: making something in a folder changes its time
  for (const [path, node] of sorted.reverse()) {
    const place = fsPath(`${root}/${path}`)
    if (!('link' in node)) chmodSync(place, node.mode ?? DEFAULT_MODE['file' in node ? 'file' : 'directory'])
    const seconds = utimesSeconds((node.mtime ?? ANY_TIME) * 1000n)
    lutimesSync(place, seconds, seconds)
  }
}

/** Everything below `root` in the order of the bytes of its path. */
export function describeTree(root: string): ExpectedEntry[] {
  const entries: ExpectedEntry[] = []
  const visit = (folder: string): void => {
    for (const name of readdirSync(fsPath(`${root}/${folder}`), { encoding: 'buffer' }).map(decodeFileName)) {
      const entry = describe(root, folder === '' ? name : `${folder}/${name}`)
      entries.push(entry)
      if (entry.type === 'directory') visit(entry.path)
    }
  }
  visit('')
  return entries.sort((a, b) => comparePaths(a.path, b.path))
}

function describe(root: string, path: string): ExpectedEntry {
  const place = fsPath(`${root}/${path}`)
  const stats = lstatSync(place, { bigint: true })
  const base = { path, mode: (stats.mode & 0o7777n).toString(8), mtime: wholeMicroseconds(stats.mtimeNs).toString() }
  if (stats.isDirectory()) return { ...base, type: 'directory' }
  if (stats.isSymbolicLink()) return { ...base, type: 'symlink', target: decodeFileName(readlinkSync(place, 'buffer')) }
  const content = readFileSync(place)
  return { ...base, type: 'file', size: content.length, sha256: createHash('sha256').update(content).digest('hex') }
}
