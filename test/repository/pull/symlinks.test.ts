import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { intercepted } from '../../helpers/file-system/intercepted.ts'
import { withFolder } from '../../helpers/folders.ts'
import { contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'

/** Pushes a file, pulls it, and pushes a symlink in its place. */
async function withLink(use: (folder: string, context: ReturnType<typeof contextOf>) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    const context = contextOf(new MemoryStorage())
    mkdirSync(join(folder, 'data'))
    for (const name of ['a', 'link']) writeFileSync(join(folder, 'data', name), 'old')
    await pushFolder(context, join(folder, 'data'), 'data')
    await pullVersion(context, 'data', join(folder, 'out'))
    rmSync(join(folder, 'data', 'link'))
    symlinkSync('a', join(folder, 'data', 'link'))
    writeFileSync(join(folder, 'data', 'new'), 'new')
    await pushFolder(context, join(folder, 'data'), 'data')
    await use(folder, context)
  })
}

describe('a symlink', () => {
  test('takes the place of a file at once, and leaves nothing beside it', () =>
    withLink(async (folder, context) => {
      expect((await pullVersion(context, 'data', join(folder, 'out'))).plan.refused.found).toEqual([])
      expect(readlinkSync(join(folder, 'out/link'))).toBe('a')
      expect(readdirSync(join(folder, 'out')).sort()).toEqual(['a', 'link', 'new'])
    }))

  test.each(['EPERM', 'ENOSYS', 'ENOTSUP'])(
    'that a file system refuses with %s is told; its place and all else are as they should be',
    code =>
      withLink(async (folder, context) => {
        const fileSystem = intercepted({
          before: ({ name }) => {
            if (name === 'symlink') throw Object.assign(new Error(`${code}: no`), { code })
          },
        })
        const { plan, written } = await pullVersion({ ...context, fileSystem }, 'data', join(folder, 'out'))
        expect(plan.refused.found).toEqual([
          { path: 'link', why: expect.stringContaining(`no symlinks can be made there: ${code}`) as string, step: 'content' },
        ])
        expect(written).toBe(1)
        expect(lstatSync(join(folder, 'out/link')).isFile()).toBe(true)
        expect(readFileSync(join(folder, 'out/new'), 'utf8')).toBe('new')
        expect(readdirSync(join(folder, 'out')).sort()).toEqual(['a', 'link', 'new'])
      }),
  )

  test('that the disk fails to make is told as such, and all else is as it should be', () =>
    withLink(async (folder, context) => {
      const fileSystem = intercepted({
        before: ({ name }) => {
          if (name === 'symlink') throw Object.assign(new Error('EIO: no'), { code: 'EIO' })
        },
      })
      const { plan } = await pullVersion({ ...context, fileSystem }, 'data', join(folder, 'out'))
      expect(plan.refused.found).toEqual([{ path: 'link', why: 'the disk failed: EIO: no', step: 'content' }])
      expect([...plan.refused.cures]).toEqual([expect.stringContaining('Check the disk')])
      expect(readFileSync(join(folder, 'out/new'), 'utf8')).toBe('new')
      expect(readdirSync(join(folder, 'out')).sort()).toEqual(['a', 'link', 'new'])
    }))
})
