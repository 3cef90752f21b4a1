import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { expectError } from '../helpers/cli.ts'
import { quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { objectsOf } from './scene.ts'

const namesOf = (emulator: DriveEmulator, prefix: string): string[] =>
  objectsOf(emulator)
    .map(({ name }) => name)
    .filter(name => name.startsWith(prefix))

const trashed = (emulator: DriveEmulator): string[] =>
  [...emulator.files.values()]
    .filter(file => file.trashed)
    .map(({ name }) => name)
    .sort()

/** Pushes a version of its own content, and tells its pack. */
async function pushVersion(emulator: DriveEmulator, sandbox: DriveSandbox, seed: number): Promise<string> {
  const before = namesOf(emulator, 'pack-')
  makeTree(sandbox.in('data'), { 'model.bin': seededNoise(seed, 400_000) })
  await sandbox.ok('push', 'data')
  return namesOf(emulator, 'pack-').find(name => !before.includes(name))!
}

// doctor asks once, and tells what Drive refuses
quietDriveOnly(
  'what of a repository was put into the trash is told, put back where versions need it, and else freed; all else there stays',
  () =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const sandbox = new DriveSandbox(emulator, folder)
        const old = await pushVersion(emulator, sandbox, 1)
        const snapshot = namesOf(emulator, 'snapshot-')[0]!
        const needed = await pushVersion(emulator, sandbox, 2)

        // things of the person's own, there and elsewhere, some of which look like ours
        makeTree(join(folder, 'mine'), { 'notes.txt': 'mine', [`copy/${old}`]: 'a copy' })
        const home = emulator.fileAt('colab-escape')!
        await emulator.importFrom(join(folder, 'mine'), home.id)
        rmSync(join(folder, 'mine'), { recursive: true })
        const trash = (path: string): boolean => (emulator.fileAt(`colab-escape/${path}`)!.trashed = true)
        for (const path of ['notes.txt', `copy/${old}`, old, needed, snapshot]) trash(path)

        expectError(await sandbox.run(['pull', 'data', 'out']), 7, /manifest of data .* is damaged/)
        expect((await sandbox.run(['check'])).stderr).toMatch(
          /In Drive's trash: 80\d kB \(3 objects\), 1 version among them\. `colab-escape prune/,
        )
        expect((await sandbox.run(['doctor'])).stdout).toMatch(/attention +trash +80\d kB \(3 objects\)/)
        expect(trashed(emulator)).toHaveLength(5)

        const { trash: told, waiting } = await sandbox.json<{ trash: object; waiting: { packs: number } }>('prune', '--empty-trash')
        expect(told).toMatchObject({ objects: 3, versions: 1, emptied: true })
        // the old pack waits, as whatever is deleted does
        expect(waiting.packs).toBe(1)
        expect(namesOf(emulator, 'snapshot-')).not.toContain(snapshot)
        expect(emulator.fileAt(`colab-escape/${old}`)).toBeDefined()
        await sandbox.ok('prune', '--now')
        expect(emulator.fileAt(`colab-escape/${old}`)).toBeUndefined()
        expect(trashed(emulator)).toEqual(['notes.txt', old].sort())
        await sandbox.ok('pull', 'data', 'out')
        expectSameTree(sandbox.in('out'), sandbox.in('data'))
      }),
    ),
)

test('a push that does not fit proposes what to give up, by the command lines that make it fit', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const user = emulator.addUser('nearly-full@example.com', { quota: 1_500_000 })
      const sandbox = new DriveSandbox(emulator, folder, emulator.issueToken({ user: user.email }))
      for (const seed of [1, 2, 3]) await pushVersion(emulator, sandbox, seed)
      makeTree(sandbox.in('data'), { 'model.bin': seededNoise(4, 400_000) })
      const full = expectError(await sandbox.run(['push', 'data']), 6, /Drive/)
      expect(full.list.join('\n')).toMatch(/`colab-escape forget data --keep-last 1` forgets 2 older versions \(about 80\d kB\)\./)

      await sandbox.ok('forget', 'data', '--keep-last', '1')
      const marked = expectError(await sandbox.run(['push', 'data']), 6, /Drive/)
      expect(marked.list.join('\n')).toMatch(/80\d kB will be freed by `colab-escape prune` after \d{4}-/)
      await sandbox.ok('prune', '--now')
      await sandbox.ok('push', 'data')
    }),
  ))

test('du says what takes the space of Drive', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const user = emulator.addUser('small@example.com', { quota: 10_000_000 })
      const sandbox = new DriveSandbox(emulator, folder, emulator.issueToken({ user: user.email }))
      makeTree(sandbox.in('other'), { 'noise.bin': seededNoise(9, 2_000_000) })
      await sandbox.withStore('drive:Elsewhere').ok('push', 'other')
      await pushVersion(emulator, sandbox, 1)
      const { stdout } = await sandbox.ok('du')
      expect(stdout).toMatch(/^Drive: repository 40\d kB, other files 2\.0\d MB of 10\.0 MB$/m)
      expect(await sandbox.json('du')).toMatchObject({ quota: { limit: 10_000_000, inTrash: 0 } })
    }),
  ))
