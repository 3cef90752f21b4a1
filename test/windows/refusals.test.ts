import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { shownPath } from '../../src/ui/shown-path.ts'
import { withSandbox } from '../helpers/cli.ts'
import { paxRecord, tarEntry, tarOf } from '../helpers/tar.ts'
import { makeTree, pictureOf } from '../helpers/trees.ts'
import { contentOf, expectCode, onLinux } from './windows.ts'

/** Devices, streams and drives, what Windows would shorten, and names that are one there. */
const NO_NAMES = ['con', 'NUL.txt', 'com1 .log', 'a.txt:evil', 'C:x', 'dot.', 'space ', 'what?', 'back\\slash', '..\\evil', 'tab\t']

describe('what Windows can not hold', () => {
  test('names are told one by one, and all else is pulled', () =>
    withSandbox(async sandbox => {
      const refused = Object.fromEntries([...NO_NAMES, 'nul/inside', 'dir/aux'].map(name => [`data/${name}`, 'evil']))
      makeTree(sandbox.path, { ...refused, 'data/a.txt': 'good', 'data/README': '1', 'data/Readme': '2', 'data/dir/fine': 'good' })
      await onLinux(sandbox, 'push', 'data')
      const before = [...pictureOf(sandbox.path).keys()]
      const text = expectCode(await sandbox.run(['pull', 'data', 'out']), 3)
      for (const name of [...NO_NAMES, 'nul/inside', 'dir/aux']) expect(text).toContain(`${shownPath(name)} was not restored`)
      // the one that is written first has the name
      const [, other] = /(README|Readme) was not restored/.exec(text)!
      const there = other === 'README' ? 'Readme' : 'README'
      expect(Object.keys(contentOf(sandbox.in('out'))).sort()).toEqual([there, 'a.txt', 'dir', 'dir/fine'].sort())
      const here = [...pictureOf(sandbox.path).keys()].filter(path => !/^(out|cache)(\/|$)/.test(path))
      expect(here).toEqual(before)
    }))

  test('a symlink that may not be made is named, and what it would replace stays', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'sub/link': 'was a file', 'a.txt': 'x' })
      await onLinux(sandbox, 'push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      makeTree(sandbox.in('linked'), { 'sub/link': { link: '../a.txt' }, 'a.txt': 'x', b: 'new' })
      await onLinux(sandbox, 'push', 'linked', '--name', 'data')
      const run = await sandbox.run(['pull', 'data', 'out'])
      expect(expectCode(run, 3)).toContain('sub/link was not restored: Windows lets this account make no symlinks. Turn on')
      expect(readFileSync(sandbox.in('out/b'), 'utf8')).toBe('new')
      expect(readFileSync(sandbox.in('out/sub/link'), 'utf8')).toBe('was a file')
      expect([...pictureOf(sandbox.in('out')).keys()].filter(path => path.endsWith('.part'))).toEqual([])
    }))

  test('an archive writes nothing outside, to no device, drive or stream', () =>
    withSandbox(async sandbox => {
      const names = [
        ...['..\\evil', 'dir\\..\\..\\evil', '\\evil', 'C:\\evil', 'C:evil', 'C:/evil', '\\\\nas\\share\\evil', '//nas/share/evil'],
        ...['\\\\?\\C:\\evil', '../evil', '/evil', 'a.txt:evil', 'con', 'dir/NUL.txt', 'dot.', 'dir./x', '.. /evil', '... /evil'],
      ]
      const long = tarEntry({ name: 'x', type: 'x', content: paxRecord('path', 'lpt\u00b9') })
      const entries = [tarEntry({ name: 'a.txt', content: 'good' }), ...names.map(name => tarEntry({ name, content: 'evil' }))]
      const linked = tarEntry({
        name: 'link',
        type: '2',
        set: Object.fromEntries([...'..\\evil'].map((c, i) => [157 + i, c.charCodeAt(0)])),
      })
      const good = [tarEntry({ name: 'dir\\sub/b.txt', content: 'good' }), tarEntry({ name: 'A.TXT', content: 'twin' })]
      writeFileSync(sandbox.in('hostile.tar'), tarOf(...entries, long, tarEntry({ name: 'short', content: 'evil' }), linked, ...good))
      const text = expectCode(await sandbox.run(['extract', 'hostile.tar', 'deep/out']), 8)
      expect(text).toMatch(/something else is in the way.*\n.*\\out\\A\.TXT\n/)
      for (const name of names) expect(text, name).toContain(`${name} was not extracted: `)
      expect(text).toContain('link was not extracted: Windows lets this account make no symlinks')
      const made = contentOf(sandbox.in('deep'))
      expect(Object.keys(made).filter(path => made[path]!.startsWith('file'))).toEqual(['out/a.txt', 'out/dir/sub/b.txt'])
      expect(readFileSync(sandbox.in('deep/out/a.txt'), 'utf8')).toBe('good')
      expect(JSON.stringify([...pictureOf(sandbox.path).keys()])).not.toContain('evil')
    }))
})
