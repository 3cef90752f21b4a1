import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventsOf, resultOf, runCli, Sandbox, withSandbox, type CliResult } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'
import { contentOf, expectCode, onLinux, withPlace } from './windows.ts'

describe('places of Windows', () => {
  test('a store on a drive, a source with backslashes, words as cmd passes them, a destination on the network', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('drive'), { 'My Drive/data/sub/a.txt': 'x', 'My Drive/data/b.txt': 'y' })
      mkdirSync(sandbox.in('share'))
      const env = { COLAB_ESCAPE_CACHE: sandbox.in('cache') }
      const run = (...args: string[]): Promise<CliResult> => runCli(args, { cwd: sandbox.path, env })
      const message = 'said "so" & 100% of C:\\ done\\'
      await withPlace('g:', sandbox.in('drive'), () =>
        withPlace('unc/nas/share', sandbox.in('share'), async () => {
          const push = ['push', 'G:\\My Drive\\data\\', '-m', message, '--json', '--store', 'G:\\My Drive\\store']
          const pushed = await run(...push)
          expectCode(pushed, 0)
          expect(resultOf(pushed)).toMatchObject({ outcome: 'stored', name: 'data' })
          const log = await onLinux(new Sandbox(sandbox.path, sandbox.in('drive/My Drive/store')), 'log', 'data')
          expect(JSON.stringify(log)).toContain(JSON.stringify(message))
          expect(existsSync(sandbox.in('drive/My Drive/store/config.json'))).toBe(true)
          const again = await run('push', 'g:/MY DRIVE/data/sub/..', '--json', '--store', 'G:/My Drive/store/')
          expectCode(again, 0)
          expect(resultOf(again)).toMatchObject({ outcome: 'unchanged', name: 'data' })
          // Google's program uploads what is written there in its own time
          makeTree(sandbox.in('drive'), { 'My Drive/data/b.txt': 'z' })
          const told = expectCode(await run('push', 'G:\\My Drive\\data', '--store', 'G:\\My Drive\\store'), 0)
          expect(told).toContain('Written to the mounted Drive: let Google Drive upload it before you shut this machine down.')
          const forgotten = expectCode(await run('forget', 'data', '--keep-last', '1', '--store', 'G:\\My Drive\\store'), 2)
          expect(forgotten).toMatch(/mounted Drive/)
          // the store lies beside the source, and both in what is pushed
          const whole = await run('push', 'G:\\', '--name', 'whole', '--dry-run', '--store', 'G:\\My Drive\\store')
          expect(expectCode(whole, 0)).toContain('skipped G:\\My Drive\\store: it is the store itself')
          const pulled = await run('pull', 'data', '\\\\nas\\share\\out\\', '--json', '--store', 'G:\\My Drive\\store')
          expectCode(pulled, 0)
          expect(eventsOf(pulled).at(-1)).toMatchObject({ written: 2 })
        }),
      )
      expect(contentOf(sandbox.in('share/out'))).toEqual(contentOf(sandbox.in('drive/My Drive/data')))
    }))

  test('caches, settings and the login are in the folders of the user, also without variables', () =>
    withSandbox(async sandbox => {
      const env = { COLAB_ESCAPE_CACHE: undefined, LOCALAPPDATA: undefined, APPDATA: undefined, USERPROFILE: undefined, HOME: undefined }
      const run = await sandbox.run(['doctor'], { env })
      expect(run.stdout).toMatch(/^ok +cache +C:\\users\\[^\\]+\\AppData\\Local\\colab-escape\\Cache/m)
      expect(run.stdout).toMatch(/^ok +settings +C:\\users\\[^\\]+\\AppData\\Roaming\\colab-escape\\Config/m)
    }))

  test('--delete takes what is in the way in folders below, and leaves what is not in a version', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'sub/deep/a.txt': 'a', 'sub/folder/b.txt': 'b', 'sub/folder/c/d.txt': 'd', 'sub/old.txt': 'o' })
      await onLinux(sandbox, 'push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      makeTree(sandbox.in('next'), { 'sub/deep/a.txt': 'a', 'sub/folder': 'now a file' })
      await onLinux(sandbox, 'push', 'next', '--name', 'data')
      makeTree(sandbox.in('out'), { 'sub/deep/mine.txt': 'in no version' })
      const refused = await sandbox.run(['pull', 'data', 'out', '--delete'])
      expect(expectCode(refused, 8)).toContain(join('out', 'sub', 'deep', 'mine.txt').replaceAll('/', '\\'))
      const run = await sandbox.run(['pull', 'data', 'out', '--delete', '--exclude', 'mine.txt', '--json'])
      expectCode(run, 0)
      expect(resultOf(run)).toMatchObject({ written: 1, deleted: 3 })
      expect(Object.keys(contentOf(sandbox.in('out'))).sort()).toEqual([
        'sub',
        'sub/deep',
        'sub/deep/a.txt',
        'sub/deep/mine.txt',
        'sub/folder',
      ])
      expect(readFileSync(sandbox.in('out/sub/folder'), 'utf8')).toBe('now a file')
    }))

  test('a file whose name has other case here is no extra file for --delete', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'Docs/README': 'read me' })
      await onLinux(sandbox, 'push', 'data')
      makeTree(sandbox.in('out'), { 'docs/Readme': 'read me' })
      expect(await sandbox.json('pull', 'data', 'out', '--delete')).toMatchObject({ unchanged: 0, written: 0, deleted: 0 })
      expect(readFileSync(sandbox.in('out/docs/Readme'), 'utf8')).toBe('read me')
    }))
})
