import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { archiveEntries } from '../../src/archive/compress.ts'
import { estimate, type Estimate, type KindEstimate } from '../../src/archive/estimate.ts'
import { ARCHIVE_FORMATS, type ArchiveFormat } from '../../src/archive/format.ts'
import { tensorRangesOf } from '../../src/commands/archive/compress-estimate.ts'
import { walk } from '../../src/local/walk.ts'
import { openForReading } from '../../src/repository/open/open.ts'
import { kindOfChunk, kindOfFile } from '../../src/repository/usage/file-kinds.ts'
import { measureGroups } from '../../src/repository/usage/usage-by-group.ts'
import { classifyContent } from '../../src/repository/write/block-builder.ts'
import { expectError, withSandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { contextOf, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededRandom, seededText } from '../helpers/seeded.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { bf16, fp32, network, pt, safetensors } from '../helpers/tensors.ts'
import { makeTree, type TreeNode } from '../helpers/trees.ts'
import { archiveOf, listening, poolOf } from './archives.ts'

async function estimateOf(root: string, format: ArchiveFormat, level: 'fast' | 'max' = 'fast'): Promise<Estimate> {
  const entries = archiveEntries({ source: await walk(root, { reporter: listening().reporter }), name: 'data' })
  const signal = new AbortController().signal
  return estimate({
    entries,
    format,
    level,
    kindOf: kindOfFile,
    tensorsOf: tensorRangesOf,
    formOf: classifyContent,
    pool: poolOf(),
    signal,
    onRead: () => undefined,
  })
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
        ['media', 1],
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

it.each(ARCHIVE_FORMATS)('tells tensors by their types in a %s, and what a push would make of them', format =>
  withFolder(async folder => {
    const tensors = network(1, [300_000, 1_100, 64])
    makeTree(join(folder, 'data'), {
      'a.safetensors': safetensors(fp32(tensors)),
      'b.pt': pt([...fp32(network(2, [50_000])), ...bf16(tensors)]),
      'c.pt': pt(fp32(network(3, [40_000])).map(entry => ({ ...entry, dtype: 'one that torch does not have' }))),
      'notes.txt': seededText(1, 20_000),
    })
    const guess = await estimateOf(join(folder, 'data'), format)
    const of = (kind: string): KindEstimate => guess.kinds.find(each => each.kind === kind)!
    // what is smaller than 4 KiB counts with the rest of its file, unless it fills all up to the end of the file
    expect(of('F32 tensors')).toMatchObject({ files: 2, bytes: 4 * (300_000 + 1_100 + 64 + 50_000) })
    expect(of('BF16 tensors')).toMatchObject({ files: 1, bytes: 2 * 300_000 })
    // the width of what has no type is told by samples
    expect(of('4-byte numbers')).toMatchObject({ files: 1, bytes: 4 * 40_000 })
    expect(of('models, data').files).toBe(3)
    const sizes = ['a.safetensors', 'b.pt', 'c.pt', 'notes.txt'].map(name => statSync(join(folder, 'data', name)).size)
    expect(guess.kinds.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(sizes.reduce((sum, size) => sum + size))
    expect(of('models, data').filteredBytes).toBeUndefined()
    const { bytes } = await archiveOf(join(folder, 'data'), format, { level: 'fast' })
    expect(Math.abs(totalOf(guess) / bytes.length - 1)).toBeLessThan(0.03)

    const context = contextOf(new MemoryStorage())
    const { snapshot } = await pushFolder(context, join(folder, 'data'), 'data')
    const parts = await measureGroups(await openForReading(context), snapshot!, kindOfChunk)
    for (const kind of ['F32 tensors', 'BF16 tensors', '4-byte numbers']) {
      const stored = parts.find(({ group }) => group === kind)!.storedBytes
      expect(Math.abs(of(kind).filteredBytes! / stored - 1), kind).toBeLessThan(0.03)
      expect(of(kind).filteredBytes).toBeLessThan(0.95 * of(kind).archiveBytes)
    }
  }),
)

/** Measurements of some sensors, a line each: what a column has is like what stands above it. */
function measurements(seed: number, rows: number): string {
  const random = seededRandom(seed)
  const lines = Array.from({ length: rows }, (_, i) => {
    const time = new Date(Date.UTC(2026, 0, 1) + i * 60_000).toISOString()
    return `${1000 + i},${time},sensor-${Math.floor(random() * 8)},${(20 + random() * 5).toFixed(3)},${(random() * 1e6).toFixed(0)}`
  })
  return `id,time,sensor,temperature,count\n${lines.join('\n')}\n`
}

it.each(ARCHIVE_FORMATS)('tells in a %s what a push would make of tables, beside other text', format =>
  withFolder(async folder => {
    makeTree(join(folder, 'data'), {
      'a.csv': measurements(1, 90_000),
      'b.tsv': measurements(2, 20_000).replaceAll(',', '\t'),
      'few.csv': measurements(3, 40),
      'log.txt': Array.from({ length: 8000 }, (_, i) => `step ${i}: ${'all is well '.repeat((i * 7) % 11)}\n`).join(''),
    })
    const guess = await estimateOf(join(folder, 'data'), format)
    const text = guess.kinds.find(({ kind }) => kind === 'text')!
    const context = contextOf(new MemoryStorage())
    const { snapshot } = await pushFolder(context, join(folder, 'data'), 'data', { level: 'fast' })
    const parts = await measureGroups(await openForReading(context), snapshot!, kindOfChunk)
    const stored = parts.find(({ group }) => group === 'text')!.storedBytes
    expect(Math.abs(text.filteredBytes! / stored - 1)).toBeLessThan(0.03)
    expect(text.filteredBytes).toBeLessThan(0.8 * text.archiveBytes)
  }),
)

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
    expect(stdout).toMatch(/^ {2}media +1 +50\.0 kB +50\.\d kB +0%$/m)
    expect(stdout).toContain('nothing was written')
    const result = await sandbox.json<{ kinds: object[]; archiveBytes: number }>('compress', 'data', '--estimate')
    expect(result).toMatchObject({ estimate: true, format: 'tar.zst', files: 2, bytes: 150_000 })
    expect(result.kinds).toHaveLength(3)
    const made = await sandbox.json<{ archiveBytes: number }>('compress', 'data')
    expect(Math.abs(result.archiveBytes / made.archiveBytes - 1)).toBeLessThan(0.1)
    expectError(await sandbox.run(['compress', 'missing', '--estimate']), 5, /does not exist/)
  }))
