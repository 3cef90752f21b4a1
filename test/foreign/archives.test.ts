import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeArchive } from '../../src/archive/write-archive.ts'
import { readZip } from '../../src/archive/zip-reader.ts'
import type { WalkedEntry } from '../../src/local/walk.ts'
import { archiveOf, collect, extractTo, listening, python, shell } from '../archive/archives.ts'
import { expectError, resultOf, runCli, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { bytesOf, expectSameTree, makeTree, type TreeNode } from '../helpers/trees.ts'

const LONG_NAME = `${'long/'.repeat(30)}${'n'.repeat(180)}.txt`

const TREE: Record<string, TreeNode> = {
  'table.csv': { file: seededText(1, 5_000_000), mode: 0o640 },
  'noise.bin': { file: seededNoise(2, 5_000_000) },
  'run.sh': { file: '#!/bin/sh\n', mode: 0o755 },
  'empty.txt': '',
  'none/at all': { folder: true, mode: 0o750 },
  [LONG_NAME]: 'far down',
  [bytesOf('Größe ☃/日本.txt')]: 'names',
  link: { link: 'none/at all' },
}

function makeData(folder: string): string {
  const root = join(folder, 'data')
  makeTree(root, TREE)
  shell(root, 'find . -exec touch -h -d @1600000000 {} +')
  return root
}

describe('archives made here are read by other programs', () => {
  it.each([
    ['tar.zst', 'zstd -t -q a.tar.zst && tar --use-compress-program=zstd -xf a.tar.zst -C out'],
    [
      'tar.zst',
      "zstd -dcq a.tar.zst | python3 -c \"import sys,tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall('out')\"",
    ],
    ['tar.gz', 'gzip -t a.tar.gz && tar -xzf a.tar.gz -C out'],
    ['tar.gz', "python3 -c \"import tarfile; tarfile.open('a.tar.gz').extractall('out')\""],
    ['zip', 'unzip -tq a.zip && unzip -q a.zip -d out'],
  ] as const)('%s by %s', (format, command) =>
    withFolder(async folder => {
      const root = makeData(folder)
      writeFileSync(join(folder, `a.${format}`), (await archiveOf(root, format)).bytes)
      mkdirSync(join(folder, 'out'))
      shell(folder, command)
      // not all of them set the times of symlinks
      shell(folder, 'touch -h -d @1600000000 out/data/link')
      expectSameTree(join(folder, 'out/data'), root)
    }),
  )

  it("zip by Python's zipfile, and its times whatever the time zone", () =>
    withFolder(async folder => {
      const root = makeData(folder)
      writeFileSync(join(folder, 'a.zip'), (await archiveOf(root, 'zip')).bytes)
      const program = `
import zipfile, json
z = zipfile.ZipFile('a.zip'); assert z.testzip() is None
print(json.dumps({i.filename: [i.file_size, i.external_attr >> 16, i.date_time] for i in z.infolist()}))`
      const infos = JSON.parse(python(folder, program)) as Record<string, unknown>
      const local = new Date(1.6e12)
      const time = [local.getFullYear(), local.getMonth() + 1, local.getDate(), local.getHours(), local.getMinutes(), local.getSeconds()]
      expect(infos['data/table.csv']).toEqual([5_000_000, 0o100640, time])
      expect(infos['data/none/at all/']).toEqual([0, 0o40750, time])
      expect(infos['data/link']).toEqual([11, 0o120777, time])
      expect(infos['data/Größe ☃/日本.txt']).toEqual([5, 0o100644, time])
    }))
})

describe('archives made by other programs are read here', () => {
  it.each([
    ['GNU tar and zstd', 'tar -c --format=gnu data | zstd -q -3', 'tar.zst'],
    ['GNU tar and zstd with a long window', 'tar -c --format=posix data | zstd -q -1 --long=24', 'tar.zst'],
    ['GNU tar and gzip', 'tar -cz --format=gnu data', 'tar.gz'],
    ['GNU tar and gzip, in two members', '{ tar -c data | head -c 3000000 | gzip; tar -c data | tail -c +3000001 | gzip; }', 'tar.gz'],
    ['GNU tar, pax', 'tar -c --format=posix data', 'tar'],
    ['GNU tar, in multiples of large records', 'tar -c -b 2000 data', 'tar'],
    [
      "Python's tarfile, pax",
      "python3 -c \"import sys,tarfile; t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|gz'); t.add('data'); t.close()\"",
      'tar.gz',
    ],
    [
      "Python's tarfile, GNU",
      "python3 -c \"import sys,tarfile; t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.GNU_FORMAT); t.add('data'); t.close()\"",
      'tar',
    ],
    ['Info-ZIP', 'zip -qry x.zip data && cat x.zip', 'zip'],
    ['Info-ZIP, stored', 'zip -qry0 x.zip data && cat x.zip', 'zip'],
  ])('%s', (_, command, format) =>
    withFolder(async folder => {
      const root = makeData(folder)
      const { result, warnings } = await extractTo(join(folder, 'out'), shell(folder, command))
      expect(warnings).toEqual([])
      expect(result).toMatchObject({ format, files: 6, symlinks: 1 })
      expectSameTree(join(folder, 'out/data'), root)
    }),
  )

  it("Python's zipfile: forced zip64, prefixed by a program, without modes", () =>
    withFolder(async folder => {
      python(
        folder,
        `
import zipfile
with zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    with z.open(zipfile.ZipInfo('d/big.bin', (2020, 2, 3, 4, 5, 6)), 'w', force_zip64=True) as f: f.write(b'x' * 1000000)
    dos = zipfile.ZipInfo('d\\\\win.txt', (2020, 2, 3, 4, 5, 6)); dos.create_system = 0; dos.filename = 'd\\\\win.txt'
    z.writestr(dos, 'from Windows')
data = open('a.zip', 'rb').read()
open('a.exe', 'wb').write(data)
`,
      )
      await extractTo(join(folder, 'out'), join(folder, 'a.exe'))
      expect(statSync(join(folder, 'out/d/big.bin')).size).toBe(1_000_000)
      expect(readFileSync(join(folder, 'out/d/win.txt'), 'utf8')).toBe('from Windows')
      expect(statSync(join(folder, 'out/d/win.txt')).mtime).toEqual(new Date(2020, 1, 3, 4, 5, 6))
    }))

  it('hard links, names that are not UTF-8, and times finer than seconds', () =>
    withFolder(async folder => {
      makeTree(join(folder, 'd'), { a: { file: 'content', mtime: '1600000000.123456' }, 'x\xff': { file: 'odd', mtime: '-5' } })
      shell(folder, 'ln d/a d/b && touch -h -d @1600000000 d')
      for (const format of ['gnu', 'posix']) {
        const out = join(folder, format)
        const { result } = await extractTo(out, shell(folder, `tar -c --format=${format} d`))
        expect(result).toMatchObject({ files: 3, refused: 0 })
        expect(statSync(join(out, 'd/a')).ino).toBe(statSync(join(out, 'd/b')).ino)
        if (format === 'posix') expect(statSync(join(out, 'd/a'), { bigint: true }).mtimeNs / 1000n).toBe(1_600_000_000_123_456n)
        if (format === 'gnu') expect(shell(out, "cat d/$'x\\xff'").toString()).toBe('odd')
        if (format === 'gnu') expect(shell(out, "stat -c %Y d/$'x\\xff'").toString()).toBe('-5\n')
        expect((await extractTo(out, shell(folder, `tar -c --format=${format} d`))).result).toMatchObject({ files: 0, unchanged: 3 })
      }
    }))
})

it('a zip of more than 65,535 entries is whole for unzip, Python and us', () =>
  withFolder(async folder => {
    const fingerprint = { size: 0, mtime: 0n, ctime: 0n, inode: 0n, device: 0 }
    const entries = Array.from({ length: 66_000 }, (_, i): WalkedEntry => {
      return { path: `d/${i}`, localPath: `/nowhere/${i}`, type: 'symlink', target: 'x', mode: 0o777, fingerprint }
    })
    const { reporter } = listening()
    const nothing = (): void => undefined
    const options = {
      container: 'zip',
      zlibLevel: 1,
      reporter,
      signal: new AbortController().signal,
      onRead: nothing,
      onFile: nothing,
    } as const
    writeFileSync(
      join(folder, 'a.zip'),
      await collect(writeArchive(entries, options, { files: 0, directories: 0, symlinks: 0, hardlinks: 0, failed: 0 })),
    )
    expect(shell(folder, 'unzip -l a.zip | tail -1').toString()).toContain(' 66000 files')
    expect(python(folder, `import zipfile; print(len(zipfile.ZipFile('a.zip').namelist()))`)).toBe('66000\n')
    let count = 0
    for await (const { path } of readZip(join(folder, 'a.zip'), { zstd: bytes => bytes, onLonger: nothing }))
      expect(path).toBe(`d/${count++}`)
    expect(count).toBe(66_000)
  }))

describe('the commands', () => {
  const data = (sandbox: Sandbox): string => makeData(sandbox.path)

  it('compress and extract with no more than a path', () =>
    withSandbox(async sandbox => {
      const root = data(sandbox)
      const made = await sandbox.ok('compress', 'data')
      expect(made.stdout).toMatch(/^Compressed data into .*data\.tar\.zst\n {2}6 files, 10\.0 MB before, \d\.\d\d MB after: \d\d% saved\n/)
      expect(made.stderr).toBe('')
      utimesSync(join(sandbox.path, 'data.tar.zst'), 1, 1)
      const run = await sandbox.ok('extract', 'data.tar.zst', 'out')
      expect(run.stdout).toMatch(/^Extracted data\.tar\.zst into .*out\n {2}7 files written \(10\.0 MB\)/)
      expectSameTree(sandbox.in('out/data'), root)
    }))

  it('tell the format by name or by option, and do not overwrite', () =>
    withSandbox(async sandbox => {
      data(sandbox)
      const result = await sandbox.json('compress', 'data', '-o', 'x.tgz', '--level', 'fast')
      expect(result).toMatchObject({
        command: 'compress',
        format: 'tar.gz',
        files: 6,
        directories: 34,
        symlinks: 1,
        failed: 0,
        bytes: 10_000_023,
      })
      expect(statSync(sandbox.in('x.tgz')).size).toBe(result.archiveBytes)
      expectError(await sandbox.run(['compress', 'data', '-o', 'x.tgz']), 8, /x\.tgz exists already/)
      await sandbox.ok('compress', 'data', '-o', 'x.tgz', '--force')
      await sandbox.ok('compress', 'data', '--format', 'zip')
      expect(readFileSync(sandbox.in('data.zip')).subarray(0, 2).toString()).toBe('PK')
      expectError(await sandbox.run(['compress', 'data', '-o', 'x.rar']), 2, /does not show which archive format/)
      expectError(await sandbox.run(['compress', 'data', '-o', 'y.zip', '--format', 'tar.gz']), 2, /name of a zip archive/)
      expectError(await sandbox.run(['compress', 'data', '-o', sandbox.path]), 2, /is a folder/)
      expectError(await sandbox.run(['compress', 'missing']), 5, /does not exist/)
      expectError(await sandbox.run(['extract', 'missing.zip']), 5, /does not exist/)
    }))

  it('stream through standard output and input, with the receipt on stderr', () =>
    withSandbox(async sandbox => {
      const root = data(sandbox)
      for (const format of ['tar.zst', 'tar.gz', 'zip']) {
        const made = await sandbox.ok('compress', 'data', '-o', '-', '--format', format)
        expect(made.stderr).toMatch(/^note: Compressed data into standard output\n/)
        const run = await sandbox.run(['extract', '-', format], { input: made.bytes })
        expect(run.code, run.stderr).toBe(0)
        expectSameTree(sandbox.in(format, 'data'), root)
        expect(shell(sandbox.in(format), 'ls -A').toString()).toBe('data\n')
      }
      const both = await sandbox.run(['--json', 'compress', 'data', '-o', '-'])
      expect(both.code).toBe(2)
      expect(both.stdout).toContain('"event":"error"')
    }))

  it('leave the archive that they write out of it', () =>
    withSandbox(async sandbox => {
      const root = data(sandbox)
      const inside = { cwd: root }
      expect((await sandbox.run(['compress', '.'], inside)).code).toBe(0)
      expect((await sandbox.run(['compress', '.', '--force'], inside)).code).toBe(0)
      expect(shell(root, 'zstd -dcq data.tar.zst | tar -t').toString()).not.toContain('tar.zst')
    }))

  it('list what is in the way, and name what they refuse', () =>
    withSandbox(async sandbox => {
      data(sandbox)
      await sandbox.ok('compress', 'data')
      makeTree(sandbox.in('out/data'), { 'run.sh': 'mine' })
      const { list } = expectError(await sandbox.run(['extract', 'data.tar.zst', 'out']), 8, /1 entry was not extracted/)
      expect(list).toEqual([sandbox.in('out/data/run.sh')])
      await sandbox.ok('extract', 'data.tar.zst', 'out', '--force')
      python(sandbox.path, `import tarfile,io; t = tarfile.open('e.tar', 'w'); t.addfile(tarfile.TarInfo('../x'), io.BytesIO()); t.close()`)
      const refused = await sandbox.run(['--json', 'extract', 'e.tar', 'out'])
      expect(refused.code).toBe(3)
      expect(resultOf(refused)).toMatchObject({ command: 'extract', format: 'tar', refused: 1 })
      writeFileSync(sandbox.in('cut.tar.zst'), readFileSync(sandbox.in('data.tar.zst')).subarray(0, 3_000_000))
      expectError(await sandbox.run(['extract', 'cut.tar.zst', 'cut']), 7, /cut\.tar\.zst is damaged/)
    }))

  it('end cleanly on Ctrl-C', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${i}.bin`, seededNoise(i, 6_000_000)])))
      const begun = (stdout: string): boolean => stdout.includes('"event":"progress"') && stdout.includes('"doneFiles":')
      const compress = await runCli(['--json', 'compress', 'data'], { cwd: sandbox.path, kill: { signal: 'SIGINT', when: begun } })
      expect(compress.code, compress.stderr).toBe(130)
      expect(shell(sandbox.path, 'ls -A').toString()).toBe('data\n')
      shell(sandbox.path, 'tar -cf data.tar data')
      const extract = await runCli(['--json', 'extract', 'data.tar', 'out'], { cwd: sandbox.path, kill: { signal: 'SIGINT', when: begun } })
      expect(extract.code, extract.stderr).toBe(130)
      expect(shell(sandbox.path, "find . -name '.colab-escape*'").toString()).toBe('')
      await sandbox.ok('extract', 'data.tar', 'out')
      expect(shell(sandbox.path, 'diff -r data out/data').toString()).toBe('')
    }))
})
