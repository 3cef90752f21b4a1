import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { isTemporaryOf, replaceFile, temporaryName } from '../../src/local/replace-file.ts'
import { intercepted } from '../helpers/file-system/intercepted.ts'
import { withFolder } from '../helpers/folders.ts'

test('a file is made or replaced, closed to others', () =>
  withFolder(async folder => {
    const path = join(folder, 'state')
    await replaceFile(path, 'first')
    expect(readFileSync(path, 'utf8')).toBe('first')
    writeFileSync(path, 'x'.repeat(100_000), { mode: 0o644 })
    await replaceFile(path, ['second', '', ' half'].values(), { isDurable: true })
    expect(readFileSync(path, 'utf8')).toBe('second half')
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['state'])
  }))

test('where the content fails half way the old file stays, and nothing else', () =>
  withFolder(async folder => {
    const path = join(folder, 'state')
    writeFileSync(path, 'old')
    function* content(): Generator<string> {
      yield 'n'.repeat(1_000_000)
      throw new Error('no more')
    }
    await expect(replaceFile(path, content())).rejects.toThrow('no more')
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['state'])
  }))

test('what can not be replaced leaves nothing behind', () =>
  withFolder(async folder => {
    mkdirSync(join(folder, 'state', 'in the way'), { recursive: true })
    await expect(replaceFile(join(folder, 'state'), 'new')).rejects.toMatchObject({ syscall: 'rename' })
    expect(readdirSync(folder)).toEqual(['state'])
    await expect(replaceFile(join(folder, 'nowhere', 'state'), 'new')).rejects.toMatchObject({ code: 'ENOENT' })
  }))

test('many writers at once leave one whole file', () =>
  withFolder(async folder => {
    const path = join(folder, 'state')
    const contents = Array.from({ length: 50 }, (_, i) => String(i).repeat(20_000))
    await Promise.all(contents.map(content => replaceFile(path, content)))
    expect(contents).toContain(readFileSync(path, 'utf8'))
    expect(readdirSync(folder)).toEqual(['state'])
  }))

test('temporary names are new each time, beside the file, and known again', () => {
  const [a, b] = [temporaryName('/some/where/login.json'), temporaryName('/some/where/login.json')]
  expect(a).not.toBe(b)
  expect(a.startsWith('/some/where/')).toBe(true)
  expect(isTemporaryOf(basename(a), 'login.json')).toBe(true)
  for (const name of ['login.json', 'login.json.tmp2', 'other.json.1-2.tmp']) expect(isTemporaryOf(name, 'login.json')).toBe(false)
})

test.each(['open', 'write', 'fsync', 'rename'])('where %s fails the old file stays, and nothing else', name =>
  withFolder(async folder => {
    const path = join(folder, 'state')
    writeFileSync(path, 'old')
    const fileSystem = intercepted({
      before: call => {
        if (call.name === name) throw Object.assign(new Error('planted'), { code: 'EIO' })
      },
    })
    await expect(replaceFile(path, 'new', { isDurable: true, fileSystem })).rejects.toThrow('planted')
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['state'])
  }),
)
