import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect } from 'vitest'

interface Attributes {
  mode?: number
  /** Seconds since 1970 as `touch -d @...` takes them, e.g. `-1.5` or `1700000000.123456789`. */
  mtime?: string
}

/**
 * What to make at a path: bytes or a text for a file, `{ link }` for a symlink, `{ folder: true }`; the latter two and
 * `{ file }` with attributes.
 */
export type TreeNode =
  string | Uint8Array | ({ file: string | Uint8Array } & Attributes) | { link: string; mtime?: string } | ({ folder: true } & Attributes)

const latin1 = (path: string): Buffer => Buffer.from(path, 'latin1')

/** A path part that is given as bytes in the latin1 paths of a tree. */
export const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/**
 * Makes files, folders and symlinks below `root`. Paths are latin1 texts of their bytes, so that any name can be
 * written.
 */
export function makeTree(root: string, tree: Record<string, TreeNode>): void {
  mkdirSync(root, { recursive: true })
  const later: { path: string; mode?: number | undefined; mtime?: string | undefined }[] = []
  for (const [path, node] of Object.entries(tree)) {
    const full = `${bytesOf(root)}/${path}`
    mkdirSync(latin1(dirname(full)), { recursive: true })
    if (typeof node === 'string' || node instanceof Uint8Array) writeFileSync(latin1(full), node)
    else {
      if ('file' in node) writeFileSync(latin1(full), node.file)
      else if ('link' in node) symlinkSync(node.link, latin1(full))
      else mkdirSync(latin1(full), { recursive: true })
      later.push({ path: full, mode: 'mode' in node ? node.mode : undefined, mtime: node.mtime })
    }
  }
  // the deepest first: making something in a folder changes its time
  later.sort((a, b) => b.path.length - a.path.length)
  for (const { path, mode } of later) if (mode !== undefined) chmodSync(latin1(path), mode)
  setTimes(later.flatMap(({ path, mtime }) => (mtime === undefined ? [] : [{ path, mtime }])))
}

const SET_TIMES = `
import json, os, sys
for path, ns in json.load(sys.stdin): os.utime(path.encode('latin1'), ns=(0, int(ns)), follow_symlinks=False)
`

/** To the ns, and before 1970 too: more than Node can do. */
function setTimes(times: { path: string; mtime: string }[]): void {
  if (times.length === 0) return
  const input = JSON.stringify(times.map(({ path, mtime }) => [path, nanoseconds(mtime)]))
  execFileSync('python3', ['-c', SET_TIMES], { input })
}

function nanoseconds(seconds: string): string {
  const [whole, fraction = ''] = seconds.split('.')
  const sign = seconds.startsWith('-') ? -1n : 1n
  return (BigInt(whole!) * 1_000_000_000n + sign * BigInt(fraction.padEnd(9, '0'))).toString()
}

/** One line an entry: type, mode, mtime in µs, size, content or target. */
export type TreePicture = Map<string, string>

/** Everything below `root` by its latin1 path. Symlinks are not followed; the root itself is not part of it. */
export function pictureOf(root: string): TreePicture {
  const picture: TreePicture = new Map()
  const visit = (folder: string, prefix: string): void => {
    for (const name of readdirSync(latin1(folder), { encoding: 'buffer' })) {
      const path = `${prefix}${name.toString('latin1')}`
      const full = `${folder}/${name.toString('latin1')}`
      const stats = lstatSync(latin1(full), { bigint: true })
      const base = `mode=${(stats.mode & 0o7777n).toString(8)} mtime=${floorDiv(stats.mtimeNs, 1000n)}µs`
      if (stats.isDirectory()) {
        picture.set(path, `folder ${base}`)
        visit(full, `${path}/`)
      } else if (stats.isSymbolicLink()) picture.set(path, `link ${base} -> ${readlinkSync(latin1(full), 'latin1')}`)
      else if (stats.isFile()) picture.set(path, `file ${base} size=${stats.size} ${hashOf(readFileSync(latin1(full)))}`)
      else picture.set(path, `other ${base}`)
    }
  }
  visit(bytesOf(root), '')
  return picture
}

function floorDiv(value: bigint, by: bigint): bigint {
  return value / by - (value % by < 0n ? 1n : 0n)
}

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16)

/** What differs, in words; nothing when both are exactly alike. */
export function differences(expected: TreePicture, got: TreePicture): string[] {
  const found: string[] = []
  for (const [path, line] of expected) {
    if (got.get(path) !== line) found.push(`${JSON.stringify(path)}: expected ${line}, got ${got.get(path) ?? 'nothing'}`)
  }
  for (const [path, line] of got) if (!expected.has(path)) found.push(`${JSON.stringify(path)}: unexpected ${line}`)
  return found
}

/**
 * Expects every file below `out` to be as `expected` has it, parts of files aside, and returns how many files that are.
 */
export function expectWholeFiles(out: string, expected: TreePicture): number {
  const files = [...(existsSync(out) ? pictureOf(out) : [])].filter(([path, line]) => line.startsWith('file') && !path.endsWith('.part'))
  for (const [path, line] of files) expect(line).toBe(expected.get(path))
  return files.length
}

export function expectSameTree(got: string, expected: string | TreePicture): void {
  expect(differences(typeof expected === 'string' ? pictureOf(expected) : expected, pictureOf(got))).toEqual([])
}
