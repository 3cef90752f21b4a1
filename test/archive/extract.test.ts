import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ARCHIVE_FORMATS } from '../../src/archive/format.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { bytesOf, expectSameTree, makeTree, type TreeNode } from '../helpers/trees.ts'
import { archiveOf, CODECS, extractTo, shell } from './archives.ts'

const TREE: Record<string, TreeNode> = {
  'a.csv': { file: seededText(1, 700_000), mtime: '1600000000', mode: 0o640 },
  'deep/er/b.bin': { file: seededNoise(2, 400_000), mtime: '1500000000', mode: 0o400 },
  'deep/er/empty': { file: '', mtime: '1500000002' },
  'run.sh': { file: '#!/bin/sh\n', mode: 0o755, mtime: '1400000000' },
  [bytesOf('Ünïcode ☃.txt')]: { file: 'snow', mtime: '1400000002' },
  to: { link: 'deep/er/b.bin', mtime: '1600000000' },
  away: { link: '/etc/hostname', mtime: '1600000000' },
  dangling: { link: 'nowhere', mtime: '1600000000' },
  none: { folder: true, mtime: '1600000004', mode: 0o700 },
  deep: { folder: true, mtime: '1600000006' },
  'deep/er': { folder: true, mtime: '1600000008', mode: 0o555 },
}

function makeSource(folder: string): string {
  const root = join(folder, 'data')
  makeTree(root, TREE)
  utimesSync(root, 1_600_000_000, 1_600_000_000)
  return root
}

describe.each(ARCHIVE_FORMATS)('%s', format => {
  it.each(CODECS)('gives back files, folders and symlinks with modes and times (%s)', zstd =>
    withFolder(async folder => {
      const root = makeSource(folder)
      const { bytes } = await archiveOf(root, format)
      const { result, warnings } = await extractTo(join(folder, 'out'), bytes, { zstd })
      expect(warnings).toEqual([])
      expect(result).toMatchObject({ format, files: 5, symlinks: 3, unchanged: 0, refused: 0, occupied: [], outsideLinks: 1 })
      expectSameTree(join(folder, 'out/data'), root)
      expect(statSync(join(folder, 'out/data')).mtimeMs).toBe(1.6e12)
      expect(readdirSync(join(folder, 'out'))).toEqual(['data'])
    }),
  )

  it('is found cut off or damaged: what was whole before stays, nothing half does', () =>
    withFolder(async folder => {
      const files = { 'a.txt': 'first', 'b.bin': seededNoise(3, 3_000_000), 'c.txt': 'last' }
      makeTree(join(folder, 'data'), files)
      const { bytes } = await archiveOf(join(folder, 'data'), format)
      const damaged = Buffer.from(bytes)
      damaged[1_500_000]! ^= 0x40
      for (const [name, archive] of Object.entries({ cut: bytes.subarray(0, 2_000_000), short: bytes.subarray(0, -600), damaged })) {
        const out = join(folder, name)
        if (format === 'zip' && archive === damaged) {
          expect((await extractTo(out, archive)).result).toMatchObject({ files: 2, damaged: 1 })
          expect(readdirSync(join(out, 'data'))).toEqual(['a.txt', 'c.txt'])
        } else
          await expect(extractTo(out, archive), name).rejects.toMatchObject({
            code: 'corrupt',
            message: expect.stringMatching(/^the archive is damaged: /) as string,
            hint: expect.stringContaining('Download or copy the archive again') as string,
          })
        const there = existsSync(join(out, 'data')) ? readdirSync(join(out, 'data')) : []
        for (const file of there) expect(readFileSync(join(out, 'data', file)).equals(Buffer.from(files[file as 'a.txt'])), file).toBe(true)
        expect(readdirSync(out).filter(file => file !== 'data')).toEqual([])
      }
    }))

  it('stops at an interrupt, and the same command run again completes it', () =>
    withFolder(async folder => {
      const root = join(folder, 'data')
      makeTree(root, Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}.bin`, seededNoise(i, 300_000)])))
      const path = join(folder, 'archive')
      writeFileSync(path, (await archiveOf(root, format)).bytes)
      const interrupt = new AbortController()
      const out = join(folder, 'out')
      const watching = setInterval(() => {
        if (existsSync(join(out, 'data')) && readdirSync(join(out, 'data')).length >= 5) interrupt.abort()
      }, 0)
      const error: unknown = await extractTo(out, path, { signal: interrupt.signal }).catch((thrown: unknown) => thrown)
      clearInterval(watching)
      expect((error as { code: string }).code).toMatch(/interrupted|ABORT_ERR/)
      expect(readdirSync(out)).toEqual(['data'])
      const before = readdirSync(join(out, 'data'))
      expect(before.length).toBeLessThan(30)
      expect(before.filter(name => !name.endsWith('.bin'))).toEqual([])
      const { result } = await extractTo(out, path)
      expect(result).toMatchObject({ files: 30 - before.length, unchanged: before.length, occupied: [] })
      expect(shell(folder, 'diff -r data out/data').toString()).toBe('')
    }))
})

describe('what lies in the destination', () => {
  async function conflict(folder: string): Promise<{ out: string; bytes: Buffer }> {
    makeTree(join(folder, 'data'), {
      same: 'same',
      'other.txt': 'new',
      'new.txt': 'new',
      link: { link: 'same' },
      folder: 'a file',
      'd/x': 'x',
    })
    const { bytes } = await archiveOf(join(folder, 'data'), 'tar.zst')
    const out = join(folder, 'out')
    const there = { same: 'same', 'other.txt': 'old', link: { link: 'other' }, 'folder/kept': 'kept', d: 'a file' }
    makeTree(join(out, 'data'), there)
    return { out, bytes }
  }

  it('is left alone where it differs; the rest is extracted', () =>
    withFolder(async folder => {
      const { out, bytes } = await conflict(folder)
      const { result } = await extractTo(out, bytes)
      expect(result.occupied).toEqual(['d', 'd', 'folder', 'link', 'other.txt'].map(name => join(out, 'data', name)))
      expect(result).toMatchObject({ files: 1, unchanged: 1, refused: 0 })
      expect(readFileSync(join(out, 'data/other.txt'), 'utf8')).toBe('old')
      expect(readFileSync(join(out, 'data/new.txt'), 'utf8')).toBe('new')
      expect(readdirSync(join(out, 'data/folder'))).toEqual(['kept'])
    }))

  it('is replaced by force, but folders never are', () =>
    withFolder(async folder => {
      const { out, bytes } = await conflict(folder)
      const { result } = await extractTo(out, bytes, { force: true })
      expect(result.occupied).toEqual([join(out, 'data/folder')])
      expect(readFileSync(join(out, 'data/other.txt'), 'utf8')).toBe('new')
      expect(readFileSync(join(out, 'data/link'), 'utf8')).toBe('same')
      expect(readFileSync(join(out, 'data/d/x'), 'utf8')).toBe('x')
      expect(readdirSync(join(out, 'data/folder'))).toEqual(['kept'])
    }))

  it('is never written through: not a symlink in the place of a folder, nor one in the place of a file', () =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { 'd/x': 'x', f: 'f' })
      const { bytes } = await archiveOf(join(folder, 'data'), 'tar.gz')
      const out = join(folder, 'out')
      makeTree(join(folder, 'elsewhere'), { f: 'kept' })
      mkdirSync(join(out, 'data'), { recursive: true })
      symlinkSync(join(folder, 'elsewhere'), join(out, 'data/d'))
      symlinkSync(join(folder, 'elsewhere/f'), join(out, 'data/f'))
      const { result, warnings } = await extractTo(out, bytes, { force: true })
      expect(result.refused).toBe(2)
      expect(warnings[0]).toMatch(/would go through the symlink .*data\/d$/)
      expect(readdirSync(join(folder, 'elsewhere'))).toEqual(['f'])
      expect(readFileSync(join(folder, 'elsewhere/f'), 'utf8')).toBe('kept')
      expect(readFileSync(join(out, 'data/f'), 'utf8')).toBe('f')
    }))

  it('keeps its other names when it is replaced', () =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { f: 'new' })
      const { bytes } = await archiveOf(join(folder, 'data'), 'tar.gz')
      makeTree(join(folder, 'out/data'), { f: 'old' })
      linkSync(join(folder, 'out/data/f'), join(folder, 'other-name'))
      await extractTo(join(folder, 'out'), bytes, { force: true })
      expect(readFileSync(join(folder, 'other-name'), 'utf8')).toBe('old')
    }))
})

describe('what is no archive', () => {
  it.each([
    ['nothing', Buffer.alloc(0), /is empty/],
    ['text', Buffer.from('hello, world\n'.repeat(100)), /not an archive of a known format/],
    ['zeros', Buffer.alloc(100_000), /not an archive of a known format/],
    ['lzip', Buffer.from('LZIP\x01rest', 'latin1'), /lzip archive/],
    ['7z', Buffer.from("7z\xbc\xaf'\x1crest", 'latin1'), /7z archive/],
  ])('%s is refused', (_, bytes, what) =>
    withFolder(async folder => {
      const refused = expect.stringMatching(what) as string
      await expect(extractTo(join(folder, 'out'), bytes)).rejects.toMatchObject({ code: 'unsupported', message: refused })
      expect(readdirSync(join(folder, 'out'))).toEqual([])
    }),
  )

  it('compressed text without a name is told from a compressed tar', () =>
    withFolder(async folder => {
      const stored = shell(folder, 'gzip', Buffer.from('hello, world\n'.repeat(100)))
      const refused = { code: 'unsupported', hint: expect.stringContaining('gzip -dc > NAME') as string }
      await expect(extractTo(join(folder, 'out'), stored)).rejects.toMatchObject(refused)
    }))
})
