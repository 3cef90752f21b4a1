import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { archiveOf } from '../archive/archives.ts'
import { makeHardNames, pathsAndContents } from '../archive/hard-names.ts'
import { withFolder } from '../helpers/folders.ts'
import { differences, pictureOf } from '../helpers/trees.ts'
import { run } from './tools.ts'

/** GNU tar, unzip and Python are asked in test/archive/compress.test.ts. */
const READERS: [string, 'tar.gz' | 'zip', string, ...string[]][] = [
  ['bsdtar', 'tar.gz', 'bsdtar', '-xf'],
  ['bsdtar', 'zip', 'bsdtar', '-xf'],
  ['busybox', 'tar.gz', 'busybox', 'tar', '-xzf'],
  ['busybox', 'zip', 'busybox', 'unzip', '-q'],
]

test('names that are not UTF-8 are the same for other programs', () =>
  withFolder(async folder => {
    const root = join(folder, 'data')
    makeHardNames(root)
    const there = pathsAndContents(pictureOf(root))
    for (const format of ['tar.gz', 'zip'] as const) writeFileSync(join(folder, `x.${format}`), (await archiveOf(root, format)).bytes)
    for (const [name, format, program, ...args] of READERS) {
      const out = join(folder, `${name}-${format}`)
      mkdirSync(out)
      run(out, program, ...args, `../x.${format}`)
      expect([name, format, differences(there, pathsAndContents(pictureOf(join(out, 'data'))))]).toEqual([name, format, []])
    }
  }))
