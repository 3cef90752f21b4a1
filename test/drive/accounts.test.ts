import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FOLDER } from '../drive-emulator/file-store.ts'
import { expectError, resultOf } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'

test('two accounts with one cache: what is noted of one says nothing about the other', () =>
  withDrive({}, mine =>
    withDrive({ seed: 2 }, theirs =>
      withFolder(async folder => {
        const [me, them] = [new DriveSandbox(mine, folder), new DriveSandbox(theirs, folder)]
        makeTree(me.in('data'), { 'a.txt': 'a' })
        await me.ok('push', 'data')
        // perhaps the wrong login: the versions that this place had are known
        expectError(await them.run(['push', 'data']), 5, /drive:colab-escape holds no repository any more, but it had versions of data/)
        await them.ok('push', 'data', '--create')
        makeTree(me.in('data'), { 'b.txt': 'b' })
        await me.ok('push', 'data')
        const of = async (account: DriveSandbox): Promise<object[]> =>
          (await account.json<{ differences: object[] }>('status', 'data')).differences
        expect(await of(me)).toEqual([])
        expect(await of(them)).toMatchObject([{ path: 'b.txt' }])
      }),
    ),
  ))

test('one folder by its path and by its id: what is noted by one is known by the other', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const byPath = new DriveSandbox(emulator, folder)
      makeTree(byPath.in('data'), { 'a.txt': 'a' })
      await byPath.ok('push', 'data')
      const { id } = [...emulator.files.values()].find(({ name, mimeType }) => name === 'colab-escape' && mimeType === FOLDER)!
      const byId = byPath.withStore(`drive:id=${id}`)
      await byId.ok('log')
      const asked = await byId.json<{ asked: boolean }>('status', 'data')
      expect(asked).toMatchObject({ asked: false, differences: [] })
      makeTree(byPath.in('data'), { 'b.txt': 'b' })
      await byId.ok('push', 'data')
      expect(await byPath.json('status', 'data')).toMatchObject({ asked: false, differences: [] })
      expect(readdirSync(join(folder, 'cache', 'lines'))).toHaveLength(1)
    }),
  ))

test('the stores that are offered are those of Drive too', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      makeTree(sandbox.in('data'), { 'a.txt': 'a' })
      await sandbox.ok('push', 'data')
      await sandbox.withStore('drive:Lab/runs').ok('push', 'data')
      const { list } = expectError(await sandbox.withStore('drive:Laab').run(['log']), 5, /drive:Laab holds no repository/)
      expect(list.sort()).toEqual(['colab-escape use drive:Lab/runs', 'colab-escape use drive:colab-escape'])
      const used = await sandbox.run(['use', 'drive:Lab/runs', '--json'], { env: {} })
      expect(used.code).toBe(2) // the sandbox names a store
      expect(resultOf(await sandbox.run(['config', '--json']))).toMatchObject({ command: 'config' })
    }),
  ))
