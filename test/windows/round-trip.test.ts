import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { partName } from '../../src/local/part-names.ts'
import { sha256 } from '../../src/util/hash.ts'
import { withSandbox } from '../helpers/cli.ts'
import { chunkBytes } from '../helpers/encode.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { bytesOf, makeTree, pictureOf } from '../helpers/trees.ts'
import { contentOf, expectCode, onLinux } from './windows.ts'

/** Longer than the 260 characters of Windows' old calls. */
const DEEP = `${'long folder name '.repeat(5).trim()}/`.repeat(4)

describe('what came from Linux', () => {
  test('goes through Windows and back without a change: bits, names, modes and times', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), {
        'run.sh': { file: '#!/bin/sh\n', mode: 0o755, mtime: '1700000000.123457' },
        'readonly.txt': { file: 'keep', mode: 0o444, mtime: '1700000000.999999' },
        'private.txt': { file: 'mine', mode: 0o600 },
        'sub/big.bin': { file: seededNoise(7, 3_000_000), mtime: '1600000000.538423' },
        [`${DEEP}deep.txt`]: 'deep',
        [bytesOf('sub/日本 ü.txt')]: 'unicode',
        [bytesOf('sub/e\u0301')]: 'decomposed',
        'shared/x': 'x',
        shared: { folder: true, mode: 0o775 },
        empty: { folder: true, mtime: '1500000000.000001' },
        '.hidden/file': '',
      })
      const before = pictureOf(sandbox.in('data'))
      await onLinux(sandbox, 'push', 'data')

      expect(await sandbox.json('pull', 'data', 'out')).toMatchObject({ written: 9, refused: [], modesLeftOut: 0 })
      expect(contentOf(sandbox.in('out'))).toEqual(contentOf(sandbox.in('data')))
      expect(lstatSync(sandbox.in('out/readonly.txt')).mode & 0o222).toBe(0)
      expect(await sandbox.json('pull', 'data', 'out')).toMatchObject({ written: 0, unchanged: 9 })
      expect(await sandbox.json('status', 'out', '--name', 'data')).toMatchObject({ differences: [] })
      expect(await sandbox.json('push', 'out', '--name', 'data')).toMatchObject({ outcome: 'unchanged' })

      // a file that may not be written is replaced
      chmodSync(sandbox.in('data/readonly.txt'), 0o644)
      writeFileSync(sandbox.in('data/readonly.txt'), 'newer')
      chmodSync(sandbox.in('data/readonly.txt'), 0o444)
      await onLinux(sandbox, 'push', 'data')
      expect(await sandbox.json('pull', 'data', 'out')).toMatchObject({ written: 1 })
      expect(readFileSync(sandbox.in('out/readonly.txt'), 'utf8')).toBe('newer')

      writeFileSync(sandbox.in('out/new.txt'), 'from Windows')
      expect(await sandbox.json('push', 'out', '--name', 'data')).toMatchObject({ outcome: 'stored' })
      await onLinux(sandbox, 'pull', 'data', 'back')
      const back = pictureOf(sandbox.in('back'))
      expect(back.get('new.txt')).toMatch(/^file mode=644 /)
      for (const [path, line] of before) if (path !== 'readonly.txt') expect(back.get(path), path).toBe(line)
      expect(back.get('readonly.txt')).toMatch(/^file mode=444 .* size=5 /)
    }))

  test('is pulled to the end on Windows after Linux had begun', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'sub/big.bin': seededNoise(1, 20_000_000) })
      await onLinux(sandbox, 'push', 'data')
      // what a pull leaves that was killed before the name was given
      mkdirSync(sandbox.in('out/sub'), { recursive: true })
      const bytes = seededNoise(1, 20_000_000)
      const part = partName('sub/big.bin', Buffer.concat(chunkBytes(bytes).map(sha256)))
      bytes[10_000_000]! ^= 1
      writeFileSync(sandbox.in('out/sub', part), bytes, { mode: 0o600 })
      const result = await sandbox.json<{ resumedBytes: number }>('pull', 'data', 'out', '--delete')
      expect(result.resumedBytes).toBeGreaterThan(10_000_000)
      expect(result.resumedBytes).toBeLessThan(20_000_000)
      expect(contentOf(sandbox.in('out'))).toEqual(contentOf(sandbox.in('data')))
    }))
})

describe('what comes from Windows', () => {
  test('has modes that others can use, obeys an ignore file with CRLF, and is not pushed again', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), {
        '.colab-escape-ignore': '\ufeff# made with Notepad\r\n*.tmp\r\ncache/\r\n/sub/only here.txt\r\n',
        'a.tmp': 'left out',
        'cache/x': 'left out',
        'sub/only here.txt': 'left out',
        'sub/file.txt': { file: 'content', mode: 0o666 },
      })
      const first = await sandbox.run(['push', 'data'])
      expect(expectCode(first, 0)).toMatch(/Pushed data@[0-9a-f]{8} to Z:\\/)
      expect(await sandbox.json('push', 'data')).toMatchObject({ outcome: 'unchanged' })
      await onLinux(sandbox, 'pull', 'data', 'back')
      const lines = [...pictureOf(sandbox.in('back'))].map(([path, line]) => `${path} ${line.split(' ').slice(0, 2).join(' ')}`)
      expect(lines.sort()).toEqual(['.colab-escape-ignore file mode=644', 'sub folder mode=755', 'sub/file.txt file mode=644'])
    }))
})
