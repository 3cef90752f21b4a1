import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lookAt } from '../../src/local/look-at.ts'
import { isPartName, partName } from '../../src/local/part-names.ts'
import { sameTime } from '../../src/local/times.ts'
import type { FileEntry } from '../../src/repository/format/manifest.ts'
import { encodePath } from '../../src/util/paths.ts'
import { withFolder } from '../helpers/folders.ts'
import { chunksOf, fileEntry } from '../helpers/repository/manifest-entries.ts'
import { makeTree } from '../helpers/trees.ts'

test('lookAt tells what lies at a path, and follows no symlink in its last part', () =>
  withFolder(async root => {
    makeTree(root, {
      file: { file: 'abc', mode: 0o4751 },
      folder: { folder: true, mode: 0o2700 },
      link: { link: 'file' },
      dangling: { link: 'no\u{1f600}' },
    })
    execFileSync('mkfifo', [join(root, 'pipe')])
    writeFileSync(encodePath(`${root}/\udcff`), 'x')
    expect(lookAt(join(root, 'file'))).toMatchObject({ type: 'file', mode: 0o4751, fingerprint: { size: 3 } })
    expect(lookAt(join(root, 'folder'))).toMatchObject({ type: 'directory', mode: 0o2700 })
    expect(lookAt(join(root, 'link'))).toMatchObject({ type: 'symlink', target: 'file' })
    expect(lookAt(join(root, 'dangling'))).toMatchObject({ type: 'symlink', target: 'no\u{1f600}' })
    expect(lookAt(join(root, 'pipe'))).toEqual({ type: 'other' })
    expect(lookAt(`${root}/\udcff`)).toMatchObject({ type: 'file' })
    expect(lookAt(join(root, 'none'))).toEqual({ type: 'absent' })
    expect(lookAt(join(root, 'none/below'))).toEqual({ type: 'absent' })
    expect(lookAt(join(root, 'file/below'))).toEqual({ type: 'absent' })
  }))

test('times are the same when they are in the same microsecond', () => {
  const same = (a: bigint, b: bigint): boolean => sameTime(a, { size: 0, mtime: b, ctime: 0n, inode: 0n, device: 0 })
  expect([same(1_000n, 1_999n), same(1_000n, 2_000n), same(-1_000n, -1n), same(-1n, 0n), same(0n, 999n)]).toEqual([
    true,
    false,
    true,
    false,
    true,
  ])
})

test('a part file is named by what it is to become', () => {
  const partOf = (entry: FileEntry): string => partName(entry.path, entry.chunks)
  const name = partOf(fileEntry('a', chunksOf(2)))
  expect(isPartName(name)).toBe(true)
  expect(partOf({ ...fileEntry('a', chunksOf(2)), mtime: 7n, mode: 0 })).toBe(name)
  const others = [
    fileEntry('b', chunksOf(2)),
    fileEntry('a', chunksOf(1)),
    fileEntry('a', chunksOf(2, 1)),
    fileEntry('\udcff', chunksOf(2)),
  ]
  expect(new Set([name, ...others.map(partOf)]).size).toBe(5)
  for (const other of ['', 'x', `${name}x`, `x${name}`, name.toUpperCase(), `${name}\n`, '.colab-escape-ignore'])
    expect(isPartName(other)).toBe(false)
})
