import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { namesIn } from '../../src/local/list-folder.ts'
import { withFolder } from '../helpers/folders.ts'

test('lists what is in a folder, and nothing where there is none', () =>
  withFolder(async folder => {
    mkdirSync(join(folder, 'a'))
    writeFileSync(join(folder, 'b'), '')
    expect((await namesIn(folder)).sort()).toEqual(['a', 'b'])
    expect(await namesIn(join(folder, 'a'))).toEqual([])
    expect(await namesIn(join(folder, 'none', 'at all'))).toEqual([])
    expect(await namesIn(join(folder, 'b'))).toEqual([])
  }))
