import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { archiveEntries } from '../../src/archive/compress.ts'
import { estimate, type Estimate } from '../../src/archive/estimate.ts'
import { ARCHIVE_FORMATS, type ArchiveFormat } from '../../src/archive/format.ts'
import { kindOfFile } from '../../src/repository/file-kinds.ts'
import { walk } from '../../src/repository/walk.ts'
import { expectError, withSandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree, seededNoise, seededText, type TreeNode } from '../helpers/trees.ts'
import { archiveOf, listening, poolOf } from './archives.ts'

async function estimateOf(root: string, format: ArchiveFormat, level: 'fast' | 'max' = 'fast'): Promise<Estimate> {
  const entries = archiveEntries({ source: await walk(root, { reporter: listening().reporter }), name: 'data' })
  const signal = new AbortController().signal
  return estimate({ entries, format, level, kindOf: kindOfFile, pool: poolOf(), signal, onRead: () => undefined })
}

const totalOf = ({ kinds }: Estimate): number => kinds.reduce((sum, { archiveBytes }) => sum + archiveBytes, 0)

const TREE: Record<string, TreeNode> = {
  'table.csv': seededText(1, 5_000_000),
  'photo.jpg': seededNoise(2, 2_000_000),
  link: { link: 'table.csv' },
  ...Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`notes/${i}.txt`, seededText(i, 700)])),
}

describe.each(ARCHIVE_FORMATS)('as %s', format => {
  it('is what the archive takes, but for some percent, where all is tried out', () =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), TREE)
      const guess = await estimateOf(join(folder, 'data'), format)
      const { bytes } = await archiveOf(join(folder, 'data'), format, { level: 'fast' })
      expect(Math.abs(totalOf(guess) / bytes.length - 1)).toBeLessThan(0.03)
      expect(guess.kinds.map(({ kind, files }) => [kind, files]).sort()).toEqual([
        ['folders, links', 3],
        ['images, sound, video', 1],
        ['text', 301],
      ])
    }))
})

it('reads only parts of what is large, and is near the truth all the same', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'data'), { 'a.csv': seededText(3, 40_000_000), 'b.bin': seededNoise(4, 20_000_000) })
    const guess = await estimateOf(join(folder, 'data'), 'tar.gz', 'max')
    expect(guess.readBytes).toBeLessThan(30_000_000)
    const { bytes } = await archiveOf(join(folder, 'data'), 'tar.gz', { level: 'fast' })
    expect(totalOf(guess)).toBeLessThan(bytes.length)
    expect(totalOf(guess)).toBeGreaterThan(bytes.length * 0.8)
  }))

it('of nothing is next to nothing', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'data'), { empty: '' })
    for (const format of ARCHIVE_FORMATS) expect(totalOf(await estimateOf(join(folder, 'data'), format))).toBeLessThan(600)
  }))

it('compress --estimate writes nothing', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { 'a.csv': seededText(1, 100_000), 'b.jpg': seededNoise(2, 50_000) })
    const { stdout } = await sandbox.ok('compress', 'data', '--estimate', '-o', 'x.zip')
    expect(stdout).toMatch(/^data as zip: 2 files, 150 kB before, about \d\d\.\d kB after: \d\d% saved\n/)
    expect(stdout).toMatch(/^ {2}images, sound, video +1 +50\.0 kB +50\.\d kB +0%$/m)
    expect(stdout).toContain('nothing was written')
    const result = await sandbox.json<{ kinds: object[]; archiveBytes: number }>('compress', 'data', '--estimate')
    expect(result).toMatchObject({ estimate: true, format: 'tar.zst', files: 2, bytes: 150_000 })
    expect(result.kinds).toHaveLength(3)
    const made = await sandbox.json<{ archiveBytes: number }>('compress', 'data')
    expect(Math.abs(result.archiveBytes / made.archiveBytes - 1)).toBeLessThan(0.1)
    expectError(await sandbox.run(['compress', 'missing', '--estimate']), 5, /does not exist/)
  }))
