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
    makeTree(sandbox.in('data'), { 'a.txt': seededText(1, 5000), 'whole.bin': seededNoise(2, 700_000), 'zz.bin': seededNoise(3, 700_000) })
    await sandbox.ok('push', 'data')
    makeTree(sandbox.in('data'), { 'c.txt': seededText(3, 5000), 'big.bin': seededNoise(4, 600_000), 'x.bin': seededNoise(5, 20_000_000) })
    const packs = (): string[] => readdirSync(sandbox.store).filter(name => name.startsWith('pack-'))
    const before = packs()
    await sandbox.ok('push', 'data')
    const damaged = packs().filter(name => !before.includes(name))
    makeTree(sandbox.in('data'), { 'd.txt': 'has the list of files in another pack' })
    await sandbox.ok('push', 'data')
    for (const pack of damaged) {
      const path = join(sandbox.store, pack)
      const bytes = readFileSync(path)
      // the damage of the largest file is in its middle
      for (let at = 0; at < bytes.length - 2000; at += 64) if (at < 1_000_000 || at > bytes.length - 5_000_000) bytes[at]! ^= 1
      writeFileSync(path, bytes)
    }
    for (const format of ['tar.zst', 'tar.gz', 'zip']) {
      const output = `x.${format}`
      const run = await sandbox.run(['compress', 'data~0', '-o', output])
      expect(run.code, run.stderr).toBe(7)
      for (const name of ['c.txt', 'big.bin', 'x.bin'])
        expect(run.stderr.split(`${name} is not in the archive`), run.stderr).toHaveLength(2)
      expect(run.stdout).toMatch(/3 entries are not archived as they should be/)
      const out = sandbox.in(`out-${format}`)
      shell(
        sandbox.path,
        `mkdir ${out} && case ${format} in zip) unzip -q ${output} -d ${out};; tar.gz) tar -xzf ${output} -C ${out};; *) tar -I zstd -xf ${output} -C ${out};; esac`,
      )
      expect(readdirSync(join(out, 'data')).sort()).toEqual(['a.txt', 'd.txt', 'whole.bin', 'zz.bin'])
      for (const name of readdirSync(join(out, 'data')))
        expect(readFileSync(join(out, 'data', name)).equals(readFileSync(sandbox.in('data', name)))).toBe(true)
      expect(readdirSync(sandbox.path).filter(name => name.endsWith('.part'))).toEqual([])
    }
    // what was sent can't be taken back
    const piped = await sandbox.run(['compress', 'data~0', '-o', '-'])
    expectError(piped, 7, /is damaged in the store, and a part of it is in the archive already/)
  }))
