import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isMounted } from '../../src/commands/shared/mounts.ts'
import { expectError, resultOf, runCli, type CliResult } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { withMountedDrive } from '../helpers/mounts.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { driveEnvironment } from './drive-cli.ts'

test.each([
  ['/content/drive/MyDrive/colab-escape', true],
  ['/content/drive/Shareddrives/team/x', true],
  ['/content/gdrive/MyDrive/x', true],
  ['/content/gdrive/My Drive/x', true],
  ['/Users/a/Library/CloudStorage/GoogleDrive-a@b.c/My Drive/x', true],
  ['/content/data', false],
  ['/content/drive2/x', false],
  ['/home/a/MyDrive/x', false],
])('%s is a mounted Drive: %s', (path, expected) => expect(isMounted(path)).toBe(expected))

test('a notebook with a mounted Drive and without credentials: its folder is the store, and no receipt says that it is safe', () =>
  withMountedDrive(myDrive =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const store = join(myDrive, 'colab-escape')
        const env = {
          ...driveEnvironment(emulator, folder),
          COLAB_ESCAPE_STORE: undefined,
          TBE_EPHEM_CREDS_ADDR: new URL(emulator.url).host,
          USE_AUTH_EPHEM: '1',
        }
        const run = (...args: string[]): Promise<CliResult> => runCli(args, { cwd: folder, env })
        makeTree(join(folder, 'data'), { 'a.txt': 'first', 'noise.bin': seededNoise(1, 300_000) })
        // before that folder exists, nobody's Drive is written to unasked
        expectError(await run('push', 'data'), 4, /no credentials yet/)
        expect(readdirSync(myDrive)).toEqual([])

        mkdirSync(store)
        const pushed = await run('push', 'data')
        expect(pushed.code, pushed.stderr).toBe(0)
        expect(pushed.stdout).toContain(`to ${store}`)
        expect(pushed.stdout).toContain('Written to the mount: run drive.flush_and_unmount() before you leave.')
        const again = await run('push', 'data')
        expect(again.stdout).toContain('Nothing changed')
        expect(again.stdout).toContain('drive.flush_and_unmount()')
        expect(pushed.stdout + again.stdout).not.toMatch(/safe/i)

        // the second version has arrived here, its packs have not
        const before = new Set(readdirSync(store))
        makeTree(join(folder, 'data'), { 'b.bin': seededNoise(2, 300_000) })
        expect((await run('push', 'data')).code).toBe(0)
        const late = readdirSync(store).filter(name => name.startsWith('pack-') && !before.has(name))
        expect(late.length).toBeGreaterThan(0)
        mkdirSync(join(myDrive, 'away'))
        for (const name of late) renameSync(join(store, name), join(myDrive, 'away', name))
        for (const args of [
          ['pull', 'data', 'out'],
          ['cat', 'data:b.bin'],
        ]) {
          const { hint, message } = expectError(await run(...args), 1, /data \(version [0-9a-f]{8}\) is incomplete/)
          expect(message).not.toMatch(/damage/)
          expect(hint).toContain('Nothing is damaged')
        }
        expect(existsSync(join(folder, 'out'))).toBe(false)
        const check = await run('check', '--json')
        expect([check.code, resultOf(check)]).toMatchObject([0, { damaged: false, incomplete: 1, affected: [] }])
        expect((await run('check')).stdout).toMatch(/1 version incomplete: packs have not arrived/)
        // the version before is whole
        expect((await run('pull', 'data~1', 'old')).code).toBe(0)

        for (const name of late) renameSync(join(myDrive, 'away', name), join(store, name))
        expect((await run('pull', 'data', 'out')).code).toBe(0)
        expectSameTree(join(folder, 'out'), join(folder, 'data'))

        // with credentials Drive itself is asked
        emulator.consentInColab()
        const { hint } = expectError(await run('pull', 'data', 'other'), 5, /drive:colab-escape holds no repository/)
        expect(hint).toContain('drive.file')
      }),
    ),
  ))

test('bytes that changed on a mounted Drive are damage', () =>
  withMountedDrive(myDrive =>
    withFolder(async folder => {
      const env = { COLAB_ESCAPE_CACHE: join(folder, 'cache'), COLAB_ESCAPE_STORE: join(myDrive, 'mine') }
      makeTree(join(folder, 'data'), { 'noise.bin': seededNoise(1, 300_000) })
      expect((await runCli(['push', 'data'], { cwd: folder, env })).code).toBe(0)
      const pack = readdirSync(join(myDrive, 'mine')).find(name => name.startsWith('pack-'))!
      makeTree(join(myDrive, 'mine'), { [pack]: seededNoise(2, 300_300) })
      expect((await runCli(['check', '--read-data'], { cwd: folder, env })).code).toBe(7)
    }),
  ))
