import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
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
  ['G:\\My Drive\\repo', true],
  ['G:\\Meine Ablage\\repo', true],
  ['G:\\Shared drives\\team', true],
  ['C:\\data\\My Drive\\repo', false],
  ['C:\\Users\\a\\Google Drive\\repo', true],
  ['/mnt/g/My Drive/repo', true],
  ['/mnt/chromeos/GoogleDrive/MyDrive/repo', true],
  ['/run/user/1000/gvfs/google-drive:host=gmail.com,user=a/0A1b/repo', true],
  ['/run/user/1000/gvfs/sftp:host=a/repo', false],
  ['/home/a/Google Drive/repo', true],
  ['/home/a/Google Drives/repo', false],
  [`${homedir()}/My Drive/repo`, true],
  ['/media/a/usb/repo', false],
])('%s is a mounted Drive: %s', (path, expected) => expect(isMounted(path)).toBe(expected))

test.each([
  ['/mnt/gdrive/repo', true],
  ['/mnt/gdrive', true],
  ['/mnt/gdrive2/repo', false],
  ['/mnt/my drive/a/repo', true],
  ['/mnt/gdrive/disk/repo', false],
  ['/srv/sshfs/repo', false],
  ['/home/a/ocaml/repo', true],
  ['/home/a/repo', false],
])('%s, by what is mounted there, is a mounted Drive: %s', (path, expected) => {
  const mounts = [
    'overlay / overlay rw,relatime 0 0',
    'gdrive: /mnt/gdrive fuse.rclone rw,nosuid,nodev,relatime 0 0',
    '/dev/sdb1 /mnt/gdrive/disk ext4 rw 0 0',
    'gdrive: /mnt/my\\040drive fuse.rclone rw 0 0',
    'a@b:/ /srv/sshfs fuse.sshfs rw 0 0',
    'google-drive-ocamlfuse /home/a/ocaml fuse.google-drive-ocamlfuse rw 0 0',
    '',
  ]
  expect(isMounted(path, mounts.join('\n'))).toBe(expected)
})

test('a store in a folder that another program uploads: no receipt says that it is safe, and nothing is deleted there', () =>
  withFolder(async folder => {
    const store = join(folder, 'Google Drive', 'repo')
    const run = (...args: string[]): Promise<CliResult> =>
      runCli([...args, '--store', store], { cwd: folder, env: { COLAB_ESCAPE_CACHE: join(folder, 'cache') } })
    makeTree(join(folder, 'data'), { 'a.txt': 'first' })
    const pushed = await run('push', 'data')
    expect(pushed.stdout).toContain('Written to the mounted Drive: let Google Drive upload it before you shut this machine down.')
    expect(pushed.stdout).not.toMatch(/synced|safe|read back/i)
    for (const args of [['prune'], ['forget', 'data', '--keep-last', '1'], ['repair'], ['push', 'data', '--keep-last', '1']])
      expectError(await run(...args), 2, /is on a mounted Drive: data can't be deleted safely/)
  }))

test("what is saved on the notebook's own disk is said to be wiped, at the end of each receipt", () =>
  withFolder(async folder => {
    const env = { COLAB_ESCAPE_CACHE: join(folder, 'cache'), TBE_CREDS_ADDR: '127.0.0.1:1', CI: '1' }
    const run = (args: string[], more: object = {}): Promise<CliResult> =>
      runCli([...args, '--store', join(folder, 'repo')], { cwd: folder, env: { ...env, ...more } })
    makeTree(join(folder, 'data'), { 'a.txt': 'first' })
    const wiped = "  On the notebook's own disk, which is wiped: --store drive: keeps it.\n"
    expect((await run(['push', 'data'])).stdout.endsWith(wiped)).toBe(true)
    expect((await run(['push', 'data'])).stdout.endsWith(wiped)).toBe(true)
    expect((await run(['push', 'data', '--dry-run'])).stdout).not.toContain('wiped')
    const archive = await run(['compress', 'data', '-o', 'data.zip'])
    expect(archive.stdout.endsWith("  On the notebook's own disk, which is wiped: -o drive:Folder/name keeps it.\n")).toBe(true)
    const ended = spawnSync(process.execPath, ['-e', 'console.log(process.pid)'], { encoding: 'utf8' }).stdout.trim()
    const watched = await run(['watch', 'data', '--until-exit', ended])
    expect(watched.stderr).toContain("warning: versions are saved on the notebook's own disk, which is wiped")
    expect(watched.stdout.endsWith(wiped)).toBe(true)
    // elsewhere a disk is a disk
    expect((await run(['push', 'data'], { TBE_CREDS_ADDR: undefined })).stdout).not.toContain('wiped')
  }))

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
