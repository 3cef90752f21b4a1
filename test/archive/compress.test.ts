import { appendFileSync, linkSync, mkdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compress, type CompressResult } from '../../src/archive/compress.ts'
import { ARCHIVE_FORMATS } from '../../src/archive/format.ts'
import { walk } from '../../src/local/walk.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { differences, makeTree, pictureOf, type TreePicture } from '../helpers/trees.ts'
import { archiveOf, extractTo, listening, MemorySink, poolOf, python, shell } from './archives.ts'
import { makeHardNames, pathsAndContents, UNZIP_PYTHON } from './hard-names.ts'

const list = (folder: string, archive: Buffer): string[] =>
  shell(folder, 'zstd -dcq | tar -t --numeric-owner --full-time --utc -v', archive).toString().trimEnd().split('\n')

describe.each(ARCHIVE_FORMATS)('an archive as %s', format => {
  it('is the same for the same source, made anywhere and at any time', () =>
    withFolder(async folder => {
      const tree = { 'b.csv': seededText(1, 500_000), 'a/x.bin': seededNoise(2, 300_000), 'a/y': '', link: { link: 'a/y' } }
      const archives: Buffer[] = []
      for (const place of ['one', 'two']) {
        const root = join(folder, place, 'data')
        makeTree(root, tree)
        for (const path of ['b.csv', 'a/x.bin', 'a/y', 'a', '.']) utimesSync(join(root, path), 1_600_000_000, 1_600_000_000)
        shell(root, 'touch -h -d @1600000000 link')
        archives.push((await archiveOf(root, format)).bytes)
      }
      expect(archives[0]!.equals(archives[1]!)).toBe(true)
    }))

  it('of a single file and of an empty folder holds one entry', () =>
    withFolder(async folder => {
      makeTree(folder, { 'model.pt': seededNoise(3, 1000), empty: { folder: true } })
      for (const [name, counts] of [
        ['model.pt', { files: 1, directories: 0, bytes: 1000 }],
        ['empty', { files: 0, directories: 1, bytes: 0 }],
      ] as const)
        expect((await archiveOf(join(folder, name), format)).result).toMatchObject({ ...counts, failed: 0 })
    }))
})

it('names begin with the folder, are sorted, and belong to nobody', () =>
  withFolder(async folder => {
    const root = join(folder, 'data')
    makeTree(root, { b: 'b', 'a/z': 'z', 'a-b': '', 'run.sh': { file: 'x', mode: 0o750 }, link: { link: 'a/z' } })
    shell(root, 'find . -exec touch -h -d @1600000000.5 {} +')
    const { bytes } = await archiveOf(root, 'tar.zst')
    const lines = list(folder, bytes)
    expect(lines.map(line => line.replace(/^.*\d\d:\d\d:\d\d /, ''))).toEqual([
      'data/',
      'data/a/',
      'data/a-b',
      'data/a/z',
      'data/b',
      'data/link -> a/z',
      'data/run.sh',
    ])
    for (const line of lines) expect(line).toMatch(/ 0\/0 +\d+ 2020-09-13 12:26:40 /)
    expect(lines.at(-1)).toMatch(/^-rwxr-x--- /)
  }))

it('leaves out what is excluded and what ignore files name', () =>
  withFolder(async folder => {
    const root = join(folder, 'data')
    makeTree(root, { 'a.tmp': 'x', 'a.txt': 'x', 'b/c.log': 'x', '.colab-escape-ignore': '*.log\n' })
    const { reporter } = listening()
    const source = await walk(root, { excludes: ['*.tmp'], reporter })
    const sink = new MemorySink()
    const context = { pool: poolOf(), reporter, signal: new AbortController().signal }
    await compress(context, { source, name: 'data', format: 'tar.zst', level: 'fast', omit: join(root, 'a.txt') }, sink)
    expect(shell(folder, 'zstd -dcq | tar -t', sink.bytes).toString().split('\n')).toEqual([
      'data/',
      'data/.colab-escape-ignore',
      'data/b/',
      '',
    ])
    expect(sink.ended).toBe('finished')
  }))

it('keeps names whatever their bytes are, for every program that reads the archive', () =>
  withFolder(async folder => {
    const root = join(folder, '9:30')
    makeHardNames(root)
    const there = pictureOf(root)
    const read: [string, string, string][] = [
      ['tar.gz', 'tar', 'tar --warning=no-timestamp -xf ../x.tar.gz'],
      ['tar.gz', 'Python', `python3 -c "import tarfile; tarfile.open('../x.tar.gz').extractall()"`],
      // -^ keeps control characters, for one of which unzip takes the byte 255
      ['zip', 'unzip', 'unzip -q -^ ../x.zip'],
      ['zip', 'Python', `python3 -c "${UNZIP_PYTHON}" ../x.zip`],
    ]
    for (const format of ['tar.gz', 'zip'] as const) {
      const { bytes, warnings, result } = await archiveOf(root, format)
      expect(warnings).toEqual([])
      expect(result.failed).toBe(0)
      writeFileSync(join(folder, `x.${format}`), bytes)
      const { result: extracted, warnings: said } = await extractTo(join(folder, `own-${format}`), join(folder, `x.${format}`))
      expect(said).toEqual([])
      expect(extracted).toMatchObject({ refused: 0, damaged: 0, doubtful: 0, occupied: [] })
      const keep = format === 'zip' ? pathsAndContents : (picture: TreePicture) => picture
      expect(differences(keep(there), keep(pictureOf(join(folder, `own-${format}`, '9:30'))))).toEqual([])
    }
    for (const [format, program, command] of read) {
      const out = join(folder, `${program}-${format}`)
      mkdirSync(out)
      // a word on standard error would be a warning to everybody who extracts it
      expect(shell(out, `LC_ALL=C.UTF-8 ${command} 2>&1`).toString()).toBe('')
      // Python gives symlinks no times
      const keep = program === 'tar' ? (picture: TreePicture) => picture : pathsAndContents
      expect([program, differences(keep(there), keep(pictureOf(join(out, '9:30'))))]).toEqual([program, []])
    }
  }))

it('flags names of UTF-8 in a zip, and no others', () =>
  withFolder(async folder => {
    const root = join(folder, 'd')
    makeTree(root, { 'a\\b': '1', 'caf\xc3\xa9': '2', 'caf\xe9': '3', '\xc3\xa9\\': '4', '\xe9\xc3\xa9': '5', plain: '6' })
    writeFileSync(join(folder, 'x.zip'), (await archiveOf(root, 'zip')).bytes)
    const names = `import zipfile,json;print(json.dumps({i.filename:i.flag_bits >> 11 & 1 for i in zipfile.ZipFile('x.zip').infolist()}))`
    expect(JSON.parse(python(folder, names))).toEqual({
      'd/': 0,
      'd/a\\b': 0,
      'd/café': 1,
      'd/cafΘ': 0,
      'd/é\\': 1,
      'd/Θ├⌐': 0,
      'd/plain': 0,
    })
  }))

it('a mode of 000 stays what it is', () =>
  withFolder(async folder => {
    const root = join(folder, 'data')
    makeTree(root, { closed: { file: 'x' }, shut: { folder: true }, large: { file: seededNoise(1, 300_000) } })
    const walked = await walk(root, { reporter: listening().reporter })
    const source = { ...walked, entries: walked.entries.map(entry => ({ ...entry, mode: 0 })) }
    for (const format of ARCHIVE_FORMATS) {
      const sink = new MemorySink()
      const context = { pool: poolOf(), reporter: listening().reporter, signal: new AbortController().signal }
      await compress(context, { source, name: 'data', format, level: 'fast' }, sink)
      writeFileSync(join(folder, `x.${format}`), sink.bytes)
    }
    expect(shell(folder, 'zstd -dcq x.tar.zst | tar -tv | cut -c1-10').toString()).toBe('drwxr-xr-x\n----------\n----------\nd---------\n')
    expect(shell(folder, 'tar -tvzf x.tar.gz | cut -c1-10').toString()).toBe('drwxr-xr-x\n----------\n----------\nd---------\n')
    const modes = `import zipfile; print([oct(i.external_attr >> 16) for i in zipfile.ZipFile('x.zip').infolist()])`
    expect(python(folder, modes)).toBe("['0o40755', '0o100000', '0o100000', '0o40000']\n")
  }))

it('stores names of one file once in tar, and says how many; another file with its number is another file', () =>
  withFolder(async folder => {
    const root = join(folder, 'data')
    const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`
    makeTree(root, { 'a.bin': seededNoise(1, 400_000), 'b/c.txt': 'small', 'x.txt': 'alone' })
    makeTree(root, { [long.split('/')[0]!]: { folder: true } })
    for (const [from, to] of [
      ['a.bin', 'b/a.bin'],
      ['a.bin', long],
      ['b/c.txt', 'z.txt'],
    ] as const)
      linkSync(join(root, from), join(root, to))
    const { bytes, result } = await archiveOf(root, 'tar.gz')
    expect(result).toMatchObject({ files: 6, hardlinks: 3, bytes: 1_200_015, failed: 0 })
    expect(bytes.length).toBeLessThan(450_000)
    mkdirSync(join(folder, 'out'))
    shell(join(folder, 'out'), 'tar xzf -', bytes)
    expect(shell(folder, 'diff -r data out/data').toString()).toBe('')
    expect(statSync(join(folder, 'out/data/a.bin')).nlink).toBe(3)
    expect((await archiveOf(root, 'zip')).result).toMatchObject({ files: 6, hardlinks: 0 })
    // as some network drives number files
    const walked = await walk(root, { reporter: listening().reporter })
    const source = { ...walked, entries: walked.entries.map(entry => ({ ...entry, fingerprint: { ...entry.fingerprint, inode: 7n } })) }
    const context = { pool: poolOf(), reporter: listening().reporter, signal: new AbortController().signal }
    const request = { source, name: 'data', format: 'tar.gz', level: 'fast' } as const
    expect(await compress(context, request, new MemorySink())).toMatchObject({ files: 6, hardlinks: 0 })
  }))

it('keeps times of 1980 to 2106 in zip, to the second', () =>
  withFolder(async folder => {
    const root = join(folder, 'data')
    const times = [315_532_801, 1_700_000_001, 2_400_000_001, 4_200_000_001, 4_294_967_295]
    makeTree(root, Object.fromEntries(times.map(time => [String(time), { file: 'x', mtime: String(time) }])))
    writeFileSync(join(folder, 'x.zip'), (await archiveOf(root, 'zip')).bytes)
    shell(folder, 'mkdir out; cd out; TZ=America/New_York unzip -qq ../x.zip')
    for (const time of times) expect(statSync(join(folder, 'out/data', String(time))).mtimeMs).toBe(time * 1000)
    const plain = `import zipfile; print([i.date_time[0] for i in zipfile.ZipFile('x.zip').infolist() if not i.is_dir()])`
    expect(python(folder, plain)).toBe('[2023, 2046, 1980, 2103, 2106]\n')
  }))

it('keeps times that a tar header can not hold', () =>
  withFolder(async folder => {
    const root = join(folder, 'data')
    makeTree(root, { old: { file: 'x', mtime: '-86400' }, late: { file: 'x', mtime: '5000000000' } })
    const times = list(folder, (await archiveOf(root, 'tar.zst')).bytes).map(line => line.split(/ +/).slice(3).join(' '))
    expect(times).toContain('1969-12-31 00:00:00 data/old')
    expect(times).toContain('2128-06-11 08:53:20 data/late')
  }))

describe('a file that can not be read as it was listed', () => {
  /** Lists `data`, lets `change` happen, and archives what was listed. */
  async function archiveChanged(
    folder: string,
    change: (root: string) => void,
  ): Promise<{ sink: MemorySink; result: CompressResult; warnings: string[] }> {
    const root = join(folder, 'data')
    makeTree(root, { 'a.txt': 'first', 'big.bin': seededNoise(4, 3_000_000), 'z.txt': 'last' })
    const { reporter, warnings } = listening()
    const source = await walk(root, { reporter })
    change(root)
    const sink = new MemorySink()
    const context = { pool: poolOf(), reporter, signal: new AbortController().signal }
    const result = await compress(context, { source, name: basename(root), format: 'tar.zst', level: 'fast' }, sink)
    return { sink, result, warnings }
  }

  it('is left out with a warning, when it is gone or closed, and all others are there', () =>
    withFolder(async folder => {
      const { sink, result, warnings } = await archiveChanged(folder, root => {
        shell(root, 'rm a.txt; rm big.bin; mkdir big.bin')
      })
      expect(shell(folder, 'zstd -dcq | tar -t', sink.bytes).toString()).toBe('data/\ndata/z.txt\n')
      expect(result).toMatchObject({ files: 1, directories: 1, failed: 2, bytes: 4 })
      expect(warnings).toEqual([
        expect.stringMatching(/a\.txt is not in the archive: it vanished/) as string,
        expect.stringMatching(/big\.bin is not in the archive: it is not a file any more/) as string,
      ])
    }))

  it('is named as what it has become, small or large: a symlink is not followed', () =>
    withFolder(async folder => {
      const { warnings } = await archiveChanged(folder, root => {
        shell(root, 'for name in a.txt big.bin; do ln -sf z.txt $name; done')
      })
      expect(warnings).toEqual([
        expect.stringMatching(/a\.txt is not in the archive: it has become a symlink$/) as string,
        expect.stringMatching(/big\.bin is not in the archive: it has become a symlink$/) as string,
      ])
    }))

  it.each([
    ['shrinks', (path: string) => truncateSync(path, 1_000_000), /it shrank to 1000000 bytes/],
    ['grows', (path: string) => appendFileSync(path, 'more'), /it was written to/],
  ])('keeps its first length and is warned about when it %s meanwhile', (_, change, why) =>
    withFolder(async folder => {
      const root = join(folder, 'data')
      const content = seededNoise(4, 3_000_000)
      makeTree(root, { 'big.bin': content, 'z.txt': 'last' })
      const { reporter, warnings } = listening()
      const source = await walk(root, { reporter })
      const sink = new MemorySink()
      let changed = false
      const context = {
        pool: poolOf(),
        signal: new AbortController().signal,
        reporter: {
          ...reporter,
          progress: ({ doneBytes = 0 }: { doneBytes?: number }) => {
            if (doneBytes > 0 && !changed) change(join(root, 'big.bin'))
            if (doneBytes > 0) changed = true
          },
        },
      }
      const { failed } = await compress(context, { source, name: 'data', format: 'tar.gz', level: 'fast' }, sink)
      expect(failed).toBe(1)
      expect(warnings).toEqual([expect.stringMatching(why) as string])
      expect(warnings[0]).toContain("don't rely on its copy")
      mkdirSync(join(folder, 'out'))
      shell(join(folder, 'out'), 'tar xzf -', sink.bytes)
      const got = readFileSync(join(folder, 'out/data/big.bin'))
      expect(got.length).toBe(3_000_000)
      expect(got.subarray(0, 500_000).equals(content.subarray(0, 500_000))).toBe(true)
      expect(readFileSync(join(folder, 'out/data/z.txt'), 'utf8')).toBe('last')
    }),
  )
})

describe('an archive that can not be finished', () => {
  it('is given up when its sink fails, and the error is that of the sink', () =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { 'a.bin': seededNoise(5, 20_000_000), 'b.bin': seededNoise(6, 5_000_000) })
      for (const format of ARCHIVE_FORMATS) {
        const { reporter } = listening()
        const source = await walk(join(folder, 'data'), { reporter })
        const sink = new MemorySink()
        sink.write = () => Promise.reject(new Error('the disk is gone'))
        const context = { pool: poolOf(), reporter, signal: new AbortController().signal }
        await expect(compress(context, { source, name: 'data', format, level: 'fast' }, sink)).rejects.toThrow('the disk is gone')
        expect(sink.ended).toBe('aborted')
      }
    }))

  it('is given up on an interrupt', () =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { 'a.bin': seededNoise(5, 20_000_000), 'b.bin': seededNoise(6, 5_000_000) })
      for (const format of ARCHIVE_FORMATS) {
        const { reporter } = listening()
        const source = await walk(join(folder, 'data'), { reporter })
        const interrupt = new AbortController()
        const sink = new MemorySink()
        const context = { pool: poolOf(), signal: interrupt.signal, reporter: { ...reporter, progress: () => interrupt.abort() } }
        await expect(compress(context, { source, name: 'data', format, level: 'fast' }, sink)).rejects.toMatchObject({
          code: 'interrupted',
        })
        expect(sink.ended).toBe('aborted')
      }
    }))
})

it('counts what the walk could not read', () =>
  withFolder(async folder => {
    makeTree(join(folder, 'data'), { 'a.txt': 'a' })
    const { reporter } = listening()
    const source = { ...(await walk(join(folder, 'data'), { reporter })), failed: 2 }
    const context = { pool: poolOf(), reporter, signal: new AbortController().signal }
    expect((await compress(context, { source, name: 'data', format: 'zip', level: 'max' }, new MemorySink())).failed).toBe(2)
  }))
