import { createReadStream, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { extract, type ArchiveSource } from '../../src/archive/extract.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { bytesOf, makeTree } from '../helpers/trees.ts'
import { EXFAT, NTFS, pushed, whyNot, withDisk } from './destinations.ts'
import { run } from './tools.ts'

/** All that is below a folder, sorted. */
const namesIn = (folder: string): string[] => (readdirSync(folder, { recursive: true }) as string[]).sort()

describe.each([EXFAT, NTFS])('a pull to $name', kind => {
  const why = whyNot(kind)
  const title = (text: string): string => (why === undefined ? text : `${text} (skipped: ${why})`)

  test.skipIf(why)(title('restores all but the names that the disk does not take, and those are told'), () =>
    withDisk(kind, async (disk, beside) => {
      const pull = await pushed(beside, {
        '\xff': 'not UTF-8',
        'dir\xfe/inside': 'x',
        'a/b/12:30.log': 'a colon',
        'a/b/after': 'y',
        'what?/x': 'in a folder with a name that no Windows has',
        'z.txt': 'last',
      })
      for (const again of [false, true]) {
        const { plan, written, unchanged } = await pull(join(disk, 'out'), again)
        expect(plan.refused.found.map(({ path }) => path).sort()).toEqual([
          'a/b/12:30.log',
          'dir\udcfe',
          'dir\udcfe/inside',
          'what?',
          'what?/x',
          '\udcff',
        ])
        expect([...plan.refused.cures].join()).toMatch(/name|not allow/)
        expect(written + unchanged + plan.touch.length).toBe(2)
      }
      expect(namesIn(join(disk, 'out'))).toEqual(['a', 'a/b', 'a/b/after', 'z.txt'])
    }),
  )
})

describe('a pull to exFAT', () => {
  const why = whyNot(EXFAT)
  const title = (text: string): string => (why === undefined ? text : `${text} (skipped: ${why})`)

  test.skipIf(why)(title('tells symlinks, and restores what is beside them'), () =>
    withDisk(EXFAT, async (disk, beside) => {
      const pull = await pushed(beside, { 'a.txt': 'a', link: { link: 'a.txt' }, 'sub/link': { link: '..' }, 'sub/z.txt': 'z' })
      const { plan } = await pull(join(disk, 'out'))
      expect(plan.refused.found).toMatchObject([
        { path: 'link', why: expect.stringContaining('no symlinks') as string },
        { path: 'sub/link' },
      ])
      expect(namesIn(join(disk, 'out'))).toEqual(['a.txt', 'sub', 'sub/z.txt'])
    }),
  )

  test.skipIf(why)(title('never gives two entries one file, with or without --force, the first time or later'), () =>
    withDisk(EXFAT, async (disk, beside) => {
      const pull = await pushed(beside, {
        'A.txt': 'large',
        'a.txt': 'small',
        'Dir/x': 'in Dir',
        'dir/x': 'in dir',
        'dir/y': 'also in dir',
        [bytesOf('É.bin')]: 'accent',
        [bytesOf('é.bin')]: 'accent',
        'kind/File': 'a file',
        'kind/file/x': 'in a folder',
      })
      const out = join(disk, 'out')
      const texts = (): string[] =>
        namesIn(out)
          .filter(path => !/(^|\/)(dir|kind|file)$/i.test(path))
          .map(path => `${path}=${readFileSync(join(out, path), 'utf8')}`)
      let first: string[] | undefined
      for (const force of [false, true, false, true]) {
        const { plan } = await pull(out, force)
        expect(plan.refused.found.length).toBe(6)
        expect(plan.refused.found).toContainEqual({ path: 'dir/y', step: 'content', why: 'its folder could not be restored' })
        expect(plan.refused.found.filter(each => each.why.startsWith('its name is the same as that of ')).length).toBe(4)
        first ??= texts()
        expect(texts()).toEqual(first)
      }
      expect(first!.length).toBe(4)
      expect(first).toContain('Dir/x=in Dir')
      // the one is gone: then it is its turn, and the other one is as it should be
      rmSync(out, { recursive: true })
      expect((await pull(out)).plan.refused.found.length).toBe(6)
      expect(existsSync(join(out, 'Dir/x'))).toBe(true)
    }),
  )

  test.skipIf(why)(title('nor does an extraction, also with --force'), () =>
    withDisk(EXFAT, async (disk, beside) => {
      makeTree(join(beside, 'tree'), { 'A.txt': 'large', 'Dir/x': 'in Dir' })
      run(join(beside, 'tree'), 'tar', '-cf', '../a.tar', 'A.txt', 'Dir')
      rmSync(join(beside, 'tree'), { recursive: true })
      makeTree(join(beside, 'tree'), { 'a.txt': 'small', 'dir/x': 'in dir' })
      run(join(beside, 'tree'), 'tar', '-rf', '../a.tar', 'a.txt', 'dir')
      const archive = join(beside, 'a.tar')
      for (let i = 0; i < 2; i++) {
        const source = { name: 'a.tar', bytes: createReadStream(archive) as unknown as ArchiveSource['bytes'] }
        const context = {
          pool: undefined as never,
          zstd: 'portable' as const,
          reporter: silentReporter,
          signal: new AbortController().signal,
        }
        const { occupied } = await extract(context, { source, destination: disk, force: true })
        expect(occupied.length).toBe(3)
        expect(readFileSync(join(disk, 'A.txt'), 'utf8')).toBe('large')
        expect(readFileSync(join(disk, 'Dir/x'), 'utf8')).toBe('in Dir')
      }
    }),
  )
})
