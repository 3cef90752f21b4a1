import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { LocalItem } from '../../../src/local/look-at.ts'
import { describeRefusal, Refusals, ROOT } from '../../../src/repository/pull/refusals.ts'
import { Twins } from '../../../src/repository/pull/twins.ts'
import { intercepted, type Call } from '../../helpers/file-system/intercepted.ts'
import { rejection } from '../../helpers/failures.ts'
import { withFolder } from '../../helpers/folders.ts'
import { contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'

const FILES = ['a', 'b', 'sub/c', 'sub/deep/d', 'z']

const failure = (code: string, syscall: string): Error => Object.assign(new Error(`${code}: no`), { code, syscall })

/** Pushes some files, and pulls them with a file system that fails at calls. */
async function pullFailing(
  fails: (call: Call) => string | undefined,
  use: (out: string, result: Awaited<ReturnType<typeof pullVersion>>) => void,
): Promise<void> {
  await withFolder(async folder => {
    const context = contextOf(new MemoryStorage())
    for (const file of FILES) {
      mkdirSync(join(folder, 'data', file, '..'), { recursive: true })
      writeFileSync(join(folder, 'data', file), `content of ${file}`)
    }
    await pushFolder(context, join(folder, 'data'), 'data')
    const out = join(folder, 'out')
    const before = (call: Call): void => {
      const code = fails(call)
      if (code !== undefined) throw failure(code, call.name)
    }
    const result = await pullVersion({ ...context, fileSystem: intercepted({ before, skipsSyncs: true }) }, 'data', out)
    use(out, result)
    expect((readdirSync(out, { recursive: true }) as string[]).filter(name => name.endsWith('.part'))).toEqual([])
    // once nothing fails any more, a pull completes
    expect((await pullVersion(context, 'data', out)).plan.refused.found).toEqual([])
    for (const file of FILES) expect(readFileSync(join(out, file), 'utf8')).toBe(`content of ${file}`)
  })
}

/** Fails at the first call of this name. */
function once(name: string, code: string): (call: Call) => string | undefined {
  let isDone = false
  return call => {
    if (isDone || call.name !== name) return undefined
    isDone = true
    return code
  }
}

const to = (call: Call): string => String(call.args[1])

describe('one entry that the destination refuses', () => {
  test.each([
    ['a name', 'EILSEQ', "that disk can't hold its name", /Rename in the source/],
    ['a name that fails with ENOENT', 'ENOENT', "that disk can't hold its name, or its folder has gone", /Rename in the source/],
    ['a place', 'EACCES', undefined, /permission/],
    ['a protected file', 'EPERM', undefined, /lsattr/],
    ['a file on a read-only disk', 'EROFS', 'the disk is read-only there', /Mount that disk for writing/],
    ['a file that is in use', 'EBUSY', 'it is in use', /End the program/],
    ['what no table knows', 'EPROTO', 'the disk does not take it', /another disk/],
  ])('%s is told with its own hint, and the rest is done', (_, code, why, cure) =>
    pullFailing(
      call => (call.name === 'rename' && to(call).endsWith('/b') ? code : undefined),
      (out, { plan, written }) => {
        expect(plan.refused.found).toEqual([{ path: 'b', why: `${why === undefined ? '' : `${why}: `}${code}: no`, step: 'content' }])
        expect([...plan.refused.cures]).toEqual([expect.stringMatching(cure)])
        expect(written).toBe(4)
        expect(existsSync(join(out, 'b'))).toBe(false)
      },
    ),
  )

  test.each([
    ['write', 'EIO', 'the disk failed'],
    ['ftruncate', 'EFBIG', 'it is too large for that disk'],
    ['fchmod', 'EIO', 'the disk failed'],
    ['fsync', 'EIO', 'the disk failed'],
  ])('a %s that fails with %s costs one file', (name, code, why) =>
    pullFailing(once(name, code), (_, { plan, written }) => {
      expect(plan.refused.found).toEqual([{ path: expect.any(String) as string, why: `${why}: ${code}: no`, step: 'content' }])
      expect(written).toBe(4)
    }),
  )

  test('a folder that can not be made costs what is in it', () =>
    pullFailing(
      call => (call.name === 'mkdir' && call.path.endsWith('/sub') ? 'EACCES' : undefined),
      (_, { plan, written }) => {
        expect(plan.refused.found.map(({ path }) => path)).toEqual(['sub', 'sub/deep', 'sub/c', 'sub/deep/d'])
        expect(written).toBe(3)
      },
    ))

  test('where no new file takes a mode or time, that is counted and refuses nothing', () =>
    pullFailing(
      call => (['fchmod', 'chmod'].includes(call.name) ? 'EPERM' : undefined),
      (_, { plan, written, withoutAttributes }) => {
        expect(plan.refused.found).toEqual([])
        expect([written, withoutAttributes]).toEqual([5, 8])
      },
    ))

  test.each(['ENOSPC', 'EDQUOT'])('a folder for which there is no room (%s) ends the pull as full', code =>
    withFolder(async folder => {
      const context = contextOf(new MemoryStorage())
      mkdirSync(join(folder, 'data/sub'), { recursive: true })
      await pushFolder(context, join(folder, 'data'), 'data')
      const before = ({ name, path }: Call): void => {
        if (name === 'mkdir' && path.endsWith('/sub')) throw failure(code, name)
      }
      await rejection(pullVersion({ ...context, fileSystem: intercepted({ before }) }, 'data', join(folder, 'out')), 'quota')
    }),
  )

  test('what was to be deleted is told to be there still, and what was to take its place is not restored', () => {
    const refused = new Refusals('/out')
    for (const path of ['extra', 'replaced']) refused.take(path, failure('EPERM', 'unlink'), 'removal')
    expect(refused.covers('replaced')).toBe(true)
    const lines = refused.found.map(each => describeRefusal(each, refused.root, path => path))
    expect(lines).toEqual([
      expect.stringMatching(/^extra was not deleted: EPERM/),
      expect.stringMatching(/^replaced was not restored: EPERM/),
    ])
  })

  test('the destination itself is told by its own path, and by what it refused', () => {
    const refused = new Refusals('/out')
    refused.take(ROOT, failure('EPERM', 'chmod'), 'attributes')
    refused.take(ROOT, failure('EACCES', 'scandir'), 'listing')
    expect(refused.found.map(each => describeRefusal(each, refused.root, path => path))).toEqual([
      '/out did not get its mode and time: EPERM: no',
      '/out could not be listed, so nothing in it was deleted: EACCES: no',
    ])
    expect(() => refused.take(ROOT, failure('ENOSPC', 'mkdir'))).toThrow('No space is left for /out.')
  })

  test('what every entry would meet is thrown', () => {
    const refused = new Refusals('/out')
    const wanted = { EMFILE: 'io', ENFILE: 'io', ENOTCONN: 'io', ENOSPC: 'quota' }
    for (const [code, thrown] of Object.entries(wanted))
      expect(() => refused.take('x', failure(code, 'open'))).toThrow(expect.objectContaining({ code: thrown }) as Error)
    expect(() => refused.take('x', new TypeError('a bug'))).toThrow('a bug')
    expect(refused.found).toEqual([])
  })
})

test('part files of pulls of other versions are counted, in all folders, and stay', () =>
  withFolder(async folder => {
    const context = contextOf(new MemoryStorage())
    const out = join(folder, 'out')
    for (const root of ['data', 'out']) mkdirSync(join(folder, root, 'sub'), { recursive: true })
    writeFileSync(join(folder, 'data/sub/file'), 'x')
    await pushFolder(context, join(folder, 'data'), 'data')
    const parts = ['', 'sub'].map(parent => join(out, parent, `.colab-escape-${'0'.repeat(24)}.part`))
    for (const part of parts) writeFileSync(part, 'half')
    expect((await pullVersion(context, 'data', out)).staleParts).toEqual({ files: 2, bytes: 8 })
    for (const part of parts) expect(existsSync(part)).toBe(true)
  }))

describe('entries that are one file for the file system', () => {
  const item = { type: 'file' } as LocalItem

  /** As a file system that takes no account of case answers: every name is found, and one is listed. */
  const twinsOf = (folder: string, listed: string, directories: string[] = []): Twins => {
    writeFileSync(join(folder, listed), '')
    return new Twins({ localPathOf: path => join(folder, path), exists: () => true, isDirectory: path => directories.includes(path) })
  }

  test('the spelling that is listed has the place', () =>
    withFolder(async folder => {
      const twins = twinsOf(folder, 'a.txt')
      expect(twins.plan('A.TXT', item)).toBeUndefined()
      expect(twins.plan('A.txt', item)).toEqual({ loser: 'A.txt', owner: 'A.TXT' })
      expect(twins.plan('a.txt', item)).toEqual({ loser: 'A.TXT', owner: 'a.txt' })
      expect(twins.plan('b.txt', item)).toBeUndefined()
      await Promise.resolve()
    }))

  test('folders have it before files', () =>
    withFolder(async folder => {
      const twins = twinsOf(folder, 'a', ['A'])
      expect(twins.plan('A', item)).toBeUndefined()
      expect(twins.plan('a', item)).toEqual({ loser: 'a', owner: 'A' })
      await Promise.resolve()
    }))

  test('a name that is listed in another normal form has one place', () =>
    withFolder(async folder => {
      const twins = twinsOf(folder, 'cafe\u0301')
      expect(twins.plan('cafe\u0301', item)).toBeUndefined()
      expect(twins.plan('caf\u00e9', item)).toEqual({ loser: 'caf\u00e9', owner: 'cafe\u0301' })
      await Promise.resolve()
    }))

  test('names that the folder lists are as many files', () =>
    withFolder(async folder => {
      const names = ['README', 'Readme', 'readme', 'cafe\u0301', 'caf\u00e9', 'x. ', 'x']
      for (const name of names) writeFileSync(join(folder, name), '')
      const twins = twinsOf(folder, 'x')
      for (const name of names) expect(twins.plan(name, item)).toBeUndefined()
      await Promise.resolve()
    }))

  test('a place that was free is not taken twice', () => {
    const absent = { type: 'absent' } as const
    const twins = new Twins({ localPathOf: path => path, exists: () => false, isDirectory: () => false })
    for (const path of ['A', 'a', 'b']) expect(twins.plan(path, absent)).toBeUndefined()
    twins.ensureFree('a', absent, () => absent)
    twins.place('a')
    expect(() => twins.ensureFree('A', absent, () => item)).toThrow('its name is the same as that of a there')
    twins.ensureFree('A', absent, () => absent)
    twins.ensureFree('b', absent, () => item)
  })
})
