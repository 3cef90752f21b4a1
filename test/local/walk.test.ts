import { execFileSync } from 'node:child_process'
import { chmodSync, linkSync, mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OwnFiles } from '../../src/local/own-files.ts'
import { walk, type WalkOptions } from '../../src/local/walk.ts'
import { decodeFileName, encodePath } from '../../src/util/paths.ts'
import { rejection } from '../helpers/failures.ts'
import { withFolder } from '../helpers/folders.ts'
import { anyNameBytes } from '../helpers/repository/manifest-entries.ts'
import { recordingReporter } from '../helpers/repository/test-store.ts'
import { makeTree } from '../helpers/trees.ts'

const PART = `.colab-escape-${'0'.repeat(24)}.part`

async function walkQuietly(source: string, options: Omit<WalkOptions, 'reporter'> = {}) {
  const { reporter, notes, warnings } = recordingReporter()
  const result = await walk(source, { ...options, reporter })
  return { ...result, paths: result.entries.map(({ path }) => path), notes, warnings }
}

/** Runs `act` as a user whom permissions bind, which they don't bind root. */
async function asNobody<T>(folder: string, act: () => Promise<T>): Promise<T> {
  if (process.getuid!() !== 0) return act()
  chmodSync(folder, 0o755)
  process.seteuid!(65_534)
  try {
    return await act()
  } finally {
    process.seteuid!(0)
  }
}

describe('walk', () => {
  test('gives every file, folder and symlink in the order of the bytes of their paths', () =>
    withFolder(async root => {
      makeTree(root, { 'a/b': '1', 'a.b': '2', 'a-b': '3', 'ab/c/d': '4', 'a/link': { link: 'b' }, empty: { folder: true }, 'a/ü': '5' })
      const { paths, entries, rootType, failed, root: found } = await walkQuietly(root)
      expect(paths).toEqual(['a', 'a-b', 'a.b', 'a/b', 'a/link', 'a/\udcfc', 'ab', 'ab/c', 'ab/c/d', 'empty'])
      expect([rootType, failed, found]).toEqual(['directory', 0, realpathSync(root)])
      expect(entries.find(({ path }) => path === 'a/link')).toMatchObject({ type: 'symlink', target: 'b' })
      expect(entries.find(({ path }) => path === 'ab/c/d')).toMatchObject({
        type: 'file',
        fingerprint: { size: 1 },
        localPath: `${found}/ab/c/d`,
      })
    }))

  test('takes names of any bytes', () =>
    withFolder(root =>
      fc.assert(
        fc.asyncProperty(fc.uniqueArray(anyNameBytes, { maxLength: 12, selector: name => name.toString('latin1') }), async names => {
          const source = join(root, String(readdirSync(root).length))
          mkdirSync(source)
          for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${source}/`), name]), name)
          const { paths, entries, failed } = await walkQuietly(source)
          expect(paths).toEqual(names.sort((a, b) => Buffer.compare(a, b)).map(decodeFileName))
          expect(entries.map(({ fingerprint }) => fingerprint.size)).toEqual(names.map(({ length }) => length))
          expect(failed).toBe(0)
        }),
        { seed: 1, numRuns: 20 },
      ),
    ))

  test('never follows a symlink: loops end, and what lies elsewhere stays there', () =>
    withFolder(async root => {
      makeTree(join(root, 'source'), {
        'd/up': { link: '..' },
        'd/self': { link: 'self' },
        etc: { link: '/etc' },
        gone: { link: 'nowhere' },
      })
      const { paths, entries } = await walkQuietly(join(root, 'source'))
      expect(paths).toEqual(['d', 'd/self', 'd/up', 'etc', 'gone'])
      expect(entries.filter(({ type }) => type === 'symlink').map(({ target }) => target)).toEqual(['self', '..', '/etc', 'nowhere'])
    }))

  test('of a symlink to a folder or a file is that of what it leads to', () =>
    withFolder(async root => {
      makeTree(root, { 'real/file': 'x' })
      symlinkSync('real', join(root, 'link'))
      symlinkSync('real/file', join(root, 'file-link'))
      expect(await walkQuietly(join(root, 'link'))).toMatchObject({ paths: ['file'], root: realpathSync(join(root, 'real')) })
      const single = await walkQuietly(join(root, 'file-link'))
      expect(single).toMatchObject({ paths: ['file'], rootType: 'file', root: realpathSync(join(root, 'real/file')) })
    }))

  test('of a source whose own name is no UTF-8', () =>
    withFolder(async root => {
      mkdirSync(encodePath(`${root}/\udcff`))
      writeFileSync(encodePath(`${root}/\udcff/x`), 'x')
      expect((await walkQuietly(`${root}/\udcff`)).entries[0]!.localPath).toBe(`${realpathSync(root)}/\udcff/x`)
    }))

  test('skips pipes and sockets with a note', () =>
    withFolder(async root => {
      execFileSync('mkfifo', [join(root, 'pipe')])
      const server = createServer().listen(join(root, 'socket'))
      await new Promise(resolve => server.once('listening', resolve))
      writeFileSync(join(root, 'file'), '')
      const { paths, notes, failed } = await walkQuietly(root)
      server.close()
      expect([paths, failed]).toEqual([['file'], 0])
      expect(notes.map(note => note.replace(/^skipped .*\//, '')).sort()).toEqual([
        'pipe: it is neither a file, a folder nor a symlink',
        'socket: it is neither a file, a folder nor a symlink',
      ])
    }))

  test('leaves out what ignore files and excludes name, and does not look into ignored folders', () =>
    withFolder(async root => {
      makeTree(root, {
        '.colab-escape-ignore': '*.tmp\nnode_modules/\n',
        'a.tmp': '',
        a: '',
        'node_modules/.colab-escape-ignore': '!*',
        'node_modules/x': '',
        'd/.colab-escape-ignore': '!b.tmp',
        'd/a.tmp': '',
        'd/b.tmp': '',
        'd/c.bin': '',
      })
      const { paths } = await walkQuietly(root, { excludes: ['*.bin'] })
      expect(paths).toEqual(['.colab-escape-ignore', 'a', 'd', 'd/.colab-escape-ignore', 'd/b.tmp'])
    }))

  test('an ignore file that is a folder, a pipe or a dangling link says nothing, a link to a file does', () =>
    withFolder(async root => {
      makeTree(root, {
        'a/.colab-escape-ignore/x': '',
        'b/file': '',
        'c/.colab-escape-ignore': { link: 'nowhere' },
        'd/.colab-escape-ignore': { link: '../rules' },
        'd/file': '',
        rules: 'file',
      })
      execFileSync('mkfifo', [join(root, 'b/.colab-escape-ignore')])
      const { paths, failed } = await walkQuietly(root)
      expect([failed, paths]).toEqual([
        0,
        [
          'a',
          'a/.colab-escape-ignore',
          'a/.colab-escape-ignore/x',
          'b',
          'b/file',
          'c',
          'c/.colab-escape-ignore',
          'd',
          'd/.colab-escape-ignore',
          'rules',
        ],
      ])
    }))

  test('leaves out the store that lies in the source, and says so', () =>
    withFolder(async root => {
      makeTree(root, { 'd/store/pack': 'x', 'd/x': '', store: '' })
      const { paths, notes } = await walkQuietly(root, {
        skip: new OwnFiles([{ path: join(realpathSync(root), 'd/store'), what: 'the store itself' }]),
      })
      expect(paths).toEqual(['d', 'd/x', 'store'])
      expect(notes).toEqual([expect.stringMatching(/^skipped .*\/d\/store: it is the store itself$/)])
    }))

  test('leaves out what an interrupted pull had begun, and nothing that is named a little otherwise', () =>
    withFolder(async root => {
      makeTree(root, { [PART]: '', [`d/${PART}`]: '', [`${PART}x`]: '', [PART.toUpperCase()]: '', '.colab-escape-1.part': '' })
      expect((await walkQuietly(root)).paths).toEqual(
        ['.COLAB-ESCAPE-000000000000000000000000.PART', `.colab-escape-${'0'.repeat(24)}.partx`, '.colab-escape-1.part', 'd'].sort(),
      )
    }))

  test('warns of a folder that it may not read, counts it, and goes on', () =>
    withFolder(async root => {
      makeTree(root, { 'open/x': '', 'closed/x': '', 'no-search/x': '' })
      chmodSync(join(root, 'closed'), 0)
      chmodSync(join(root, 'no-search'), 0o744)
      const { paths, warnings, failed } = await asNobody(root, () => walkQuietly(root))
      expect(paths).toEqual(['closed', 'no-search', 'open', 'open/x'])
      expect(failed).toBe(2)
      expect(warnings.sort()).toEqual([
        expect.stringMatching(/^\S+\/closed can't be read: permission denied/),
        expect.stringMatching(/^\S+\/no-search\/x can't be read: permission denied/),
      ])
    }))

  test('reads nothing of a folder whose ignore file it may not read', () =>
    withFolder(async root => {
      makeTree(root, { 'd/secret': '', 'd/.colab-escape-ignore': { file: 'secret', mode: 0 }, x: '' })
      const { paths, warnings, failed } = await asNobody(root, () => walkQuietly(root))
      expect([paths, failed]).toEqual([['d', 'x'], 1])
      expect(warnings).toEqual([expect.stringMatching(/ignore can't be read: permission denied. What it leaves out is unknown, so/)])
      const error = await asNobody(root, () => rejection(walkQuietly(join(root, 'd'))))
      expect(error).toMatchObject({ code: 'io', message: expect.stringMatching(/ignore can't be read: permission denied/) as string })
    }))

  test('takes an ignore file in UTF-16, and says so', () =>
    withFolder(async root => {
      makeTree(root, { 'a.key': '', x: '', '.colab-escape-ignore': Buffer.from('\ufeff*.key\r\n', 'utf16le') })
      const { paths, notes } = await walkQuietly(root)
      expect([paths, notes]).toEqual([['.colab-escape-ignore', 'x'], [expect.stringMatching(/is in UTF-16 and counts/)]])
    }))

  test.each([
    ['[a', /a bracket in it is not closed/],
    ['[[:alpha:', /a bracket in it is not closed/],
    ['[[:alhpa:]]', /\[:alhpa:\] is no class of characters/],
    ['a[/]b', /a bracket in it matches no character that a name can have/],
    ['a\\', /a backslash is at its end/],
    ['d//a', /a name in it is empty/],
    ['../x', /no path has a name \. or \.\./],
    ['#x', /it is a comment/],
    [' ', /it is blank/],
    ['!x', /./],
  ])('refuses the pattern %j, which can have no effect', (pattern, why) =>
    withFolder(async root => {
      const error = await rejection(walkQuietly(root, { excludes: [pattern] }))
      expect(error).toMatchObject({ code: 'usage', message: expect.stringMatching(/can't match anything/) as string })
      expect((error as Error).message).toMatch(why)
    }),
  )

  test('takes a set whose range runs backwards for its first character, as git does', () =>
    withFolder(async root => {
      makeTree(root, { a: '', b: '', c: '' })
      expect((await walkQuietly(root, { excludes: ['[b-a]'] })).paths).toEqual(['a', 'c'])
    }))

  test('leaves out a path from the top that begins with ./, and refuses one from the root of the machine', () =>
    withFolder(async root => {
      makeTree(root, { 'd/x': '', 'e/d/x': '' })
      expect((await walkQuietly(root, { excludes: ['./d'] })).paths).toEqual(['e', 'e/d', 'e/d/x'])
      const error = await rejection(walkQuietly(root, { excludes: [join(realpathSync(root), 'd')] }))
      expect(error).toMatchObject({ code: 'usage', message: expect.stringMatching(/write "\/d"/) as string })
    }))

  test('counts the further names of a file', () =>
    withFolder(async root => {
      makeTree(root, { 'd/a': '', b: '' })
      for (const name of ['c', 'd/e']) linkSync(join(root, 'd/a'), join(root, name))
      linkSync(join(root, 'b'), `${root}-outside`)
      expect((await walkQuietly(root)).hardLinks).toBe(2)
      rmSync(`${root}-outside`)
    }))

  test('fails when the source itself can not be read, or is no file or folder, or does not exist', () =>
    withFolder(async root => {
      mkdirSync(join(root, 'closed'), { mode: 0 })
      execFileSync('mkfifo', [join(root, 'pipe')])
      writeFileSync(join(root, 'file'), '')
      await asNobody(root, () => rejection(walkQuietly(join(root, 'closed')), 'io'))
      await rejection(walkQuietly(join(root, 'pipe')), 'usage')
      expect((await rejection(walkQuietly(join(root, 'none')), 'not-found')).message).toContain('none does not exist')
      await rejection(walkQuietly(join(root, 'file/below')), 'not-found')
      symlinkSync('loop', join(root, 'loop'))
      await rejection(walkQuietly(join(root, 'loop')), 'io')
    }))

  test('tells of what vanishes while it looks, which is no failure', () =>
    withFolder(async root => {
      makeTree(root, { a: { folder: true }, b: { folder: true } })
      const removeTheOther = (seen: string): void => rmdirSync(join(root, seen.endsWith('a') ? 'b' : 'a'))
      const { paths, notes, failed } = await walkQuietly(root, { skip: whenAsked(removeTheOther) })
      expect([paths.length, failed, notes.length]).toEqual([1, 0, 1])
      expect(notes[0]).toContain('vanished while the folder was being listed')
    }))

  test('tells of a folder that vanishes before it is listed, which is no failure and not part of the source', () =>
    withFolder(async root => {
      makeTree(root, { a: 'a', 'z/file': 'file' })
      const remove = (seen: string): void => (seen.endsWith('z') ? rmSync(seen, { recursive: true }) : undefined)
      const { paths, notes, failed } = await walkQuietly(root, { skip: whenAsked(remove) })
      expect([paths, failed, notes.length]).toEqual([['a'], 0, 1])
      expect(notes[0]).toContain('z vanished while the folder was being listed')
    }))

  test('stops when it is interrupted', () =>
    withFolder(async root => {
      makeTree(root, { a: { folder: true }, b: { folder: true } })
      const controller = new AbortController()
      const { reporter } = recordingReporter()
      const spin = (): void => {
        for (const end = performance.now() + 40; performance.now() < end;);
      }
      const progress = (): void => controller.abort()
      const walking = walk(root, { reporter: { ...reporter, progress }, signal: controller.signal, skip: whenAsked(spin) })
      await rejection(walking, 'interrupted')
    }))
})

test('tells which lines of ignore files can have no effect, and why', () =>
  withFolder(async root => {
    makeTree(root, {
      '.colab-escape-ignore': '# notes\n\n   \n/logs/\n!/logs/keep/x.txt\n[ab\n!*.tmp\n!/other/x\n',
      'sub/.colab-escape-ignore': 'a\\\n/\n../b\n',
      'logs/keep/x.txt': '',
    })
    const { notes, paths } = await walkQuietly(root)
    expect(paths).not.toContain('logs/keep/x.txt')
    expect(notes).toEqual([
      expect.stringMatching(
        / has lines that have no effect: line 6 of \.colab-escape-ignore, "\[ab": .*; line 1 of sub\/.*, "a\\\\": .*; line 2 .*; and 2 more$/,
      ),
    ])
  }))

test('a line that takes back what is in a folder that is left out has no effect', () =>
  withFolder(async root => {
    makeTree(root, { '.colab-escape-ignore': '/logs/\n!/logs/keep/x.txt\n!*.tmp\n!/other/x\n', 'logs/keep/x.txt': '' })
    const ignored = await walkQuietly(root)
    expect(ignored.notes).toEqual([
      `${realpathSync(root)} has a line that has no effect: line 2 of .colab-escape-ignore, "!/logs/keep/x.txt": the folder logs is left out, and nothing in such a folder can be taken back`,
    ])
    makeTree(root, { '.colab-escape-ignore': '/logs/\n!/logs/keep/x.txt\n!logs\n' })
    expect((await walkQuietly(root)).notes).toEqual([])
  }))

test('tells at most three of them', () =>
  withFolder(async root => {
    makeTree(root, { '.colab-escape-ignore': '[1\n[2\n[3\n[4\n' })
    expect((await walkQuietly(root)).notes).toEqual([expect.stringMatching(/ has lines that have no effect: .*line 3.*; and 1 more$/)])
  }))

/** Files to skip that are none, and tell when a file or folder is looked at. */
function whenAsked(act: (path: string) => void): OwnFiles {
  return Object.assign(new OwnFiles([]), { whatIs: act, refuse: () => undefined })
}
