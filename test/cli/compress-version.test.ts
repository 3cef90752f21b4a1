import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { shell } from '../archive/archives.ts'
import { expectError, withSandbox } from '../helpers/cli.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, type TreeNode } from '../helpers/trees.ts'

/** Small files of two kinds, so that neighbours lie in different blocks, and one that is no small file. */
function manyFiles(): Record<string, TreeNode> {
  const tree: Record<string, TreeNode> = {
    'big.bin': { file: seededNoise(1, 1_000_000), mtime: '1600000000' },
    'run.sh': { file: '', mode: 0o755, mtime: '1600000001' },
  }
  for (let i = 0; i < 40; i++) {
    tree[`mails/${i}.txt`] = { file: seededText(i, 2000 + i), mtime: '1600000002' }
    tree[`mails/${i}.json`] = { file: seededText(i + 100, 3000), mtime: '1600000003' }
  }
  return {
    ...tree,
    link: { link: 'big.bin', mtime: '1600000005' },
    mails: { folder: true, mtime: '1600000006' },
    empty: { folder: true, mode: 0o700, mtime: '1600000004' },
  }
}

test('an archive of a version is that of the folder that was pushed, and of a part of it', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), manyFiles())
    await sandbox.ok('push', 'data')
    writeFileSync(sandbox.in('data/run.sh'), 'changed')
    await sandbox.ok('push', 'data')
    const made = await sandbox.json('compress', 'data~1')
    expect(made).toMatchObject({ format: 'tar.zst', files: 82, symlinks: 1, failed: 0 })
    shell(sandbox.path, 'mkdir out && tar -I zstd -xpf data.tar.zst -C out && mv data now')
    await sandbox.ok('pull', 'data~1', 'before')
    expectSameTree(sandbox.in('out/data'), sandbox.in('before'))
    await sandbox.ok('compress', 'data:mails', '-o', 'm.zip', '--exclude', '*.json')
    expect(shell(sandbox.path, 'unzip -Z1 m.zip | sort -V | head -3').toString()).toBe('mails/\nmails/0.txt\nmails/1.txt\n')
    await sandbox.ok('compress', 'data:run.sh', '-o', 'r.tar.gz')
    expect(shell(sandbox.path, 'tar -xzOf r.tar.gz run.sh').toString()).toBe('changed')
  }))

test('a file that is here comes before a version of its name, and a name alone is never a version', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { 'a.txt': 'pushed' })
    await sandbox.ok('push', 'data')
    makeTree(sandbox.path, { 'data~0': 'here' })
    expect(await sandbox.json('compress', 'data~0')).toMatchObject({ files: 1, bytes: 4 })
    shell(sandbox.path, 'rm -r data data~0')
    const { hint } = expectError(await sandbox.run(['compress', 'data']), 5, /data does not exist/)
    expect(hint).toContain('colab-escape compress data~0')
    expectError(await sandbox.run(['compress', 'other~0']), 5, /other/)
    expectError(await sandbox.run(['compress', 'data~0', '--estimate']), 2, /not estimated/)
  }))

test('a damaged pack costs the files that lie in it: they are named, the rest is archived, exit 7', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { 'a.txt': seededText(1, 5000), 'b.txt': seededText(2, 5000) })
    await sandbox.ok('push', 'data')
    makeTree(sandbox.in('data'), { 'c.txt': seededText(3, 5000), 'big.bin': seededNoise(4, 600_000) })
    const packs = (): string[] => readdirSync(sandbox.store).filter(name => name.startsWith('pack-'))
    const before = packs()
    await sandbox.ok('push', 'data')
    const damaged = packs().filter(name => !before.includes(name))
    makeTree(sandbox.in('data'), { 'd.txt': 'has the list of files in another pack' })
    await sandbox.ok('push', 'data')
    for (const pack of damaged) {
      const path = join(sandbox.store, pack)
      const bytes = readFileSync(path)
      for (let at = 0; at < bytes.length - 2000; at += 64) bytes[at]! ^= 1
      writeFileSync(path, bytes)
    }
    const run = await sandbox.run(['compress', 'data~0'])
    expect(run.code, run.stderr).toBe(7)
    expect(run.stderr).toMatch(/c\.txt is not in the archive/)
    expect(run.stderr).toMatch(/big\.bin could not be read to its end/)
    shell(sandbox.path, 'mkdir out && tar -I zstd -xf data.tar.zst -C out')
    for (const name of ['a.txt', 'b.txt'])
      expect(readFileSync(sandbox.in('out/data', name)).equals(readFileSync(sandbox.in('data', name)))).toBe(true)
  }))
