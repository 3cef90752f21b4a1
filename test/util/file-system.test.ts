import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeFolder, renameNew, syncFile, syncFolder, syncOpenFolder } from '../../src/util/file-system.ts'
import { intercepted } from '../helpers/file-system/intercepted.ts'
import { withFolder } from '../helpers/folders.ts'
import { onPlatform } from '../helpers/platform.ts'

function refusing(name: string, code: string) {
  return intercepted({
    before: call => {
      if (call.name === name) throw Object.assign(new Error(code), { code })
    },
  })
}

describe('makeFolder', () => {
  test('makes the missing parents too, and says where it made something', () =>
    withFolder(async folder => {
      const path = join(folder, 'a', 'b', 'c')
      expect(makeFolder(path, { mode: 0o700 })).toEqual([folder, join(folder, 'a'), join(folder, 'a', 'b')])
      for (const made of [path, join(folder, 'a')]) expect(statSync(made).mode & 0o777).toBe(0o700)
      expect(makeFolder(path)).toEqual([])
    }))

  test('takes a link to a folder for one, and nothing else', () =>
    withFolder(async folder => {
      mkdirSync(join(folder, 'real'))
      symlinkSync('real', join(folder, 'link'))
      symlinkSync('nowhere', join(folder, 'broken'))
      writeFileSync(join(folder, 'file'), '')
      expect(makeFolder(join(folder, 'link'))).toEqual([])
      expect(() => makeFolder(join(folder, 'file'))).toThrow(/EEXIST/)
      expect(() => makeFolder(join(folder, 'broken'))).toThrow(/EEXIST/)
      expect(() => makeFolder(join(folder, 'file', 'below'))).toThrow(/ENOTDIR/)
      expect(readdirSync(folder).sort()).toEqual(['broken', 'file', 'link', 'real'])
    }))

  test('ends where the system answers ENOENT though the parent is there', () => {
    expect(() => makeFolder('/proc/x')).toThrow(/ENOENT/)
    expect(() => makeFolder('/proc/x/y/z')).toThrow(/ENOENT/)
  })

  test('counts a folder that another process makes at the same time', () =>
    withFolder(async folder => {
      const path = join(folder, 'a', 'b')
      let isFirst = true
      const fileSystem = intercepted({
        before: ({ name, path: asked }) => {
          if (name !== 'mkdir' || asked !== path || !isFirst) return
          isFirst = false
          mkdirSync(path, { recursive: true })
          throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
        },
      })
      expect(makeFolder(path, { fileSystem })).toEqual([])
    }))
})

describe('syncing', () => {
  test.each(['EINVAL', 'ENOSYS', 'ENOTSUP'])('a medium that answers %s is no error, and no success', code =>
    withFolder(async folder => {
      expect(await syncFolder(folder, refusing('fsync', code))).toBe(false)
      const fileSystem = refusing('fsync', code)
      const fd = fileSystem.openSync(join(folder, 'file'), 'w')
      expect(await syncFile(fd, fileSystem)).toBe(false)
      fileSystem.closeSync(fd)
    }),
  )

  test.each(['EPERM', 'EISDIR', 'EINVAL'])('Windows, which answers %s for an open folder, is no error', code =>
    withFolder(async folder => {
      const fileSystem = refusing('fsync', code)
      const fd = fileSystem.openSync(folder, 'r')
      expect(await syncOpenFolder(fd, fileSystem)).toBe(false)
      expect(await syncFolder(folder, fileSystem)).toBe(false)
      if (code !== 'EINVAL') await expect(syncFile(fd, fileSystem)).rejects.toThrow(code)
      fileSystem.closeSync(fd)
    }),
  )

  test('a disk that fails is an error', () =>
    withFolder(async folder => {
      await expect(syncFolder(folder, refusing('fsync', 'EIO'))).rejects.toThrow('EIO')
      await expect(syncFolder(join(folder, 'nowhere'))).rejects.toThrow('ENOENT')
      expect(await syncFolder(folder)).toBe(true)
    }))
})

describe('a new file that gets its name', () => {
  const refused = (code: string, times: number) => {
    let calls = 0
    const rename = (): void => {
      if (calls++ < times) throw Object.assign(new Error(code), { code })
    }
    return { rename, calls: () => calls }
  }

  test.each(['EPERM', 'EACCES', 'EBUSY'])('waits on Windows for a scanner that answers %s', code =>
    onPlatform('win32', async () => {
      const { rename, calls } = refused(code, 3)
      await renameNew(rename)
      expect(calls()).toBe(4)
    }),
  )

  test('is refused in the end', () =>
    onPlatform('win32', async () => {
      const { rename, calls } = refused('EPERM', 100)
      await expect(renameNew(rename)).rejects.toThrow('EPERM')
      expect(calls()).toBeGreaterThan(3)
    }))

  test('is refused at once for another reason, and elsewhere', async () => {
    const full = refused('ENOSPC', 1)
    await onPlatform('win32', () => expect(renameNew(full.rename)).rejects.toThrow('ENOSPC'))
    const here = refused('EPERM', 1)
    await expect(renameNew(here.rename)).rejects.toThrow('EPERM')
    expect([full.calls(), here.calls()]).toEqual([1, 1])
  })
})
