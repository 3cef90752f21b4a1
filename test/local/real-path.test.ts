import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { realPathOf } from '../../src/local/real-path.ts'
import { withFolder } from '../helpers/folders.ts'

test('links are resolved as far as the path exists', () =>
  withFolder(async folder => {
    const real = realpathSync(folder)
    mkdirSync(join(real, 'there'))
    symlinkSync(join(real, 'there'), join(real, 'link'))
    symlinkSync(join(real, 'nowhere'), join(real, 'dangling'))
    writeFileSync(join(real, 'file'), '')
    expect(realPathOf(join(folder, 'link'))).toBe(join(real, 'there'))
    expect(realPathOf(join(folder, 'link', 'new', 'deep'))).toBe(join(real, 'there', 'new', 'deep'))
    expect(realPathOf(join(folder, 'dangling'))).toBe(join(real, 'dangling'))
    expect(realPathOf(join(folder, 'file', 'below'))).toBe(join(real, 'file', 'below'))
    await Promise.resolve()
  }))
