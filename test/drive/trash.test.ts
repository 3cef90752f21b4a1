import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { CallKind } from '../drive-emulator/call.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { expectError } from '../helpers/cli.ts'
import { quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { rejection } from '../helpers/failures.ts'
import { withFolder } from '../helpers/folders.ts'
import { pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { machine } from './machine.ts'
import { objectsOf } from './scene.ts'

/** When something happens: just before the first request that is meant, however often requests are repeated. */
const MOMENTS = {
  'first upload': ({ pathname }: URL) => pathname.startsWith('/upload/'),
  'last upload': (_: URL, body: unknown) => body instanceof Uint8Array && Buffer.from(body).includes('"name":"snapshot-'),
  'last listing': ({ searchParams }: URL) => searchParams.get('q')?.includes('createdTime >= ') ?? false,
}

/** A machine for which `happen` happens once. */
function disturbed(emulator: DriveEmulator, before: keyof typeof MOMENTS, happen: () => unknown): ReturnType<typeof machine> {
  let hasHappened = false
  const watched: typeof fetch = async (input, init) => {
    if (!hasHappened && MOMENTS[before](new URL(input instanceof Request ? input.url : input), init?.body)) {
      hasHappened = true
      happen()
    }
    return fetch(input, init)
  }
  return machine(emulator, { fetch: watched })
}

const find = (emulator: DriveEmulator, prefix: string) => objectsOf(emulator).findLast(({ name }) => name.startsWith(prefix))!
const trashFolder = (emulator: DriveEmulator) => (emulator.fileAt('colab-escape')!.trashed = true)

const DISTURBANCES: Record<string, { before: keyof typeof MOMENTS; happen: (emulator: DriveEmulator) => unknown; message: RegExp }> = {
  'the folder is moved to the trash before the first upload': {
    ...{ before: 'first upload', message: /folder of drive:colab-escape was moved to Drive's trash/ },
    happen: trashFolder,
  },
  'the folder is moved to the trash at the end': {
    ...{ before: 'last upload', message: /folder of drive:colab-escape was moved to Drive's trash/ },
    happen: trashFolder,
  },
  'a pack of its own is moved to the trash': {
    ...{ before: 'last upload', message: /pack-\w+ was moved to Drive's trash/ },
    happen: emulator => (find(emulator, 'pack-').trashed = true),
  },
  'an older pack is moved to the trash': {
    ...{ before: 'first upload', message: /pack-\w+ was moved to Drive's trash/ },
    happen: emulator => (find(emulator, 'pack-').trashed = true),
  },
  'its snapshot is moved to the trash': {
    ...{ before: 'last listing', message: /snapshot-.* was moved to Drive's trash/ },
    happen: emulator => (find(emulator, 'snapshot-').trashed = true),
  },
  'a pack of its own is deleted': {
    ...{ before: 'last listing', message: /pack-\w+ was deleted/ },
    happen: emulator => emulator.drive.store.remove(find(emulator, 'pack-')),
  },
  'its snapshot is deleted': {
    ...{ before: 'last listing', message: /gone again/ },
    happen: emulator => emulator.drive.store.remove(find(emulator, 'snapshot-')),
  },
  'the folder is deleted': {
    ...{ before: 'last listing', message: /folder of drive:colab-escape was deleted/ },
    happen: emulator => emulator.drive.store.remove(emulator.fileAt('colab-escape')!),
  },
}

describe('a push does not claim to be safe if', () => {
  test.each(Object.entries(DISTURBANCES))('%s', (_, { before, happen, message }) =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const data = join(folder, 'data')
        makeTree(data, { 'first.bin': seededNoise(1, 100_000) })
        await pushFolder(machine(emulator), data, 'data')
        emulator.drive.conduct.settle()
        makeTree(data, { 'second.bin': seededNoise(2, 100_000) })
        const context = disturbed(emulator, before, () => happen(emulator))
        const error = await rejection(pushFolder(context, data, 'data'), 'conflict')
        expect(error.message).toMatch(message)

        // when it is put back, or stored again, all is well
        for (const file of emulator.files.values()) file.trashed = false
        emulator.drive.conduct.settle()
        await pushFolder(machine(emulator), data, 'data')
        emulator.drive.conduct.settle()
        await pullVersion(machine(emulator), 'data', join(folder, 'out'))
        expectSameTree(join(folder, 'out'), data)
      }),
    ),
  )
})

test('what a listing that lags does not show yet is asked for by its id', () =>
  withDrive({ lag: { creationMs: 3_600_000 } }, emulator =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { 'a.txt': 'first' })
      expect((await pushFolder(machine(emulator), join(folder, 'data'), 'data')).outcome).toBe('stored')
      expect(emulator.counts['files.get']).toBeGreaterThan(1)
    }),
  ))

describe('what a person has moved to the trash keeps what it may need', () => {
  const withVersions = (use: (emulator: DriveEmulator, sandbox: DriveSandbox) => Promise<void>) =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const sandbox = new DriveSandbox(emulator, folder)
        for (const seed of [1, 2]) {
          makeTree(sandbox.in('data'), { 'model.bin': seededNoise(seed, 300_000) })
          await sandbox.ok('push', 'data', '--tag', `v${seed}`)
        }
        await sandbox.ok('tag', 'data', 'best')
        await use(emulator, sandbox)
      }),
    )

  test.each(['snapshot-', 'label-', 'tomb-'])('%s*: forget and prune delete nothing and name it, until it is put back', prefix =>
    withVersions(async (emulator, sandbox) => {
      if (prefix === 'tomb-') await sandbox.ok('forget', 'data', '--keep-last', '1')
      const { name } = find(emulator, prefix)
      emulator.fileAt(`colab-escape/${name}`)!.trashed = true
      const names = objectsOf(emulator).map(file => file.name)
      for (const args of [['forget', 'data', '--keep-last', '1'], ['prune'], ['prune', '--now']]) {
        emulator.resetRecords()
        const { list, hint } = expectError(await sandbox.run(args), 1, /in the trash, so nothing was deleted/)
        expect(list.join('\n')).toContain(name)
        expect(hint).toMatch(/colab-escape repair.*prune --empty-trash/)
        const writing: CallKind[] = ['files.delete', 'files.update', 'upload.multipart']
        expect(writing.map(kind => emulator.counts[kind])).toEqual([undefined, undefined, undefined])
      }
      expect(objectsOf(emulator).map(file => file.name)).toEqual(names)
      emulator.files.forEach(file => (file.trashed = false))
      await sandbox.ok('prune')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }),
  )

  test('a push with rules for older versions stores its version, and forgets nothing', () =>
    withVersions(async (emulator, sandbox) => {
      const oldest = objectsOf(emulator).find(({ name }) => name.startsWith('snapshot-'))!
      oldest.trashed = true
      makeTree(sandbox.in('data'), { 'model.bin': seededNoise(3, 300_000) })
      emulator.resetRecords()
      const { stdout, stderr } = await sandbox.ok('push', 'data', '--keep-last', '1')
      expect(stdout).toContain('Safe to disconnect')
      expect(stderr).toMatch(/Older versions could not be forgotten: An object of the repository lies in the trash/)
      // the push has seen the trash at its end: nobody asks again
      const questions = emulator.requests.filter(({ kind }) => kind === 'files.list').map(({ query }) => query.q)
      expect(new Set(questions).size).toBe(3)
      expect(objectsOf(emulator).filter(({ name }) => name.startsWith('snapshot-'))).toHaveLength(3)
    }))

  // doctor waits for 10 s at most, which are half a second where time runs faster
  quietDriveOnly('prune --empty-trash deletes the versions there for good, and then all is as usual', () =>
    withVersions(async (emulator, sandbox) => {
      objectsOf(emulator).find(({ name }) => name.startsWith('snapshot-'))!.trashed = true
      expect((await sandbox.run(['doctor'])).stdout).toMatch(/prune --empty-trash` deletes the versions there for good/)
      await sandbox.ok('prune', '--empty-trash')
      expect(objectsOf(emulator).filter(({ name }) => name.startsWith('snapshot-'))).toHaveLength(1)
      await sandbox.ok('prune')
      await sandbox.ok('check', '--read-data')
    }),
  )

  test("other people's files there stay there, whatever their names begin with", () =>
    withVersions(async (emulator, sandbox) => {
      const file = find(emulator, 'label-')
      const names = ['label-list.txt', 'snapshot-of-us.png', 'index-old.html', 'feature-plan.docx', 'config.json']
      for (const [at, name] of names.entries()) emulator.drive.store.add({ ...file, id: `mine-${at}`, name, trashed: true })
      const mine = () => [...emulator.files.values()].filter(({ id, trashed }) => id.startsWith('mine-') && trashed).map(({ name }) => name)
      await sandbox.ok('prune')
      await sandbox.ok('prune', '--empty-trash')
      await sandbox.ok('repair')
      expect(mine()).toEqual(names)
    }))

  test('nothing there is touched if there is no repository', () =>
    withVersions(async (emulator, sandbox) => {
      find(emulator, 'snapshot-').trashed = true
      for (const file of objectsOf(emulator)) if (file.trashed !== true) emulator.drive.store.remove(file)
      const before = emulator.files.size
      expectError(await sandbox.run(['prune', '--empty-trash']), 5, /holds no repository/)
      expect(emulator.files.size).toBe(before)
    }))
})
