import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { DriveFile } from '../drive-emulator/file-store.ts'
import { expectError, resultOf } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree } from '../helpers/trees.ts'
import type { DriveSandbox } from './drive-cli.ts'
import { ANNA, ME, withSharing, type Sharing } from './sharing-scene.ts'

interface Shared extends Sharing {
  /** With the folder of both as their store. */
  mine: DriveSandbox
  hers: DriveSandbox
  objects: (prefix: string) => DriveFile[]
}

let seed = 100
const change = (sandbox: DriveSandbox): void => writeFileSync(sandbox.in('data/own.bin'), seededNoise(++seed, 50_000))

/** Anna's folder, which I may write to. Both have pushed two versions that share nothing. */
function withTwoVersionsEach(use: (shared: Shared) => Promise<void>): Promise<void> {
  return withSharing(async sharing => {
    const { emulator, anna, makeFolder } = sharing
    const team = await makeFolder(anna, 'Team')
    emulator.share(team, ME, 'writer')
    const [mine, hers] = [sharing.mine.withStore(`drive:id=${team}`), sharing.hers.withStore('drive:Team')]
    for (const [sandbox, name] of [
      [hers, 'hers'],
      [mine, 'mine'],
    ] as const)
      for (let version = 0; version < 2; version++) {
        change(sandbox)
        await sandbox.ok('push', 'data', '--name', name)
      }
    await use({
      ...sharing,
      mine,
      hers,
      objects: prefix => emulator.drive.store.childrenOf(team).filter(file => file.name.startsWith(prefix)),
    })
  })
}

async function expectSound({ mine, hers }: Shared): Promise<void> {
  for (const [sandbox, name, source] of [
    [mine, 'hers', hers],
    [hers, 'mine', mine],
  ] as const) {
    await sandbox.ok('check', '--read-data')
    await sandbox.ok('pull', name, 'back', '--force', '--delete')
    expectSameTree(sandbox.in('back'), source.in('data'))
  }
}

describe('in a folder of two people', () => {
  test('each forgets and prunes what is their own, and is told of the rest', () =>
    withTwoVersionsEach(async shared => {
      const { mine, hers, objects } = shared
      for (const dryRun of [['--dry-run'], []]) {
        const others = await mine.run(['forget', 'hers', 'mine', '--keep-last', '1', ...dryRun])
        expect(others.code, others.stderr).toBe(3)
        expect(others.stdout).toContain(`kept: only ${ANNA} can delete it`)
        expect(others.stdout).toMatch(/^(Removed|Dry run: would remove) 0 versions of hers/)
        expect(others.stdout).toMatch(/1 version of mine/)
        expect(objects('snapshot-')).toHaveLength(dryRun.length > 0 ? 4 : 3)
      }
      await mine.ok('prune', '--now')
      await hers.ok('forget', 'hers', '--keep-last', '1')
      await expectSound(shared)

      // her pack is no longer needed, and only she can delete it
      const packs = objects('pack-').length
      for (const dryRun of [['--dry-run'], []]) {
        const pruned = await mine.run(['prune', '--now', ...dryRun])
        expect(pruned.code, pruned.stderr).toBe(3)
        expect(pruned.stdout).toMatch(new RegExp(`B stay: only ${ANNA} can delete them`))
        expect(pruned.stdout).not.toContain('will be freed')
        expect(objects('pack-')).toHaveLength(packs)
      }
      const again = await mine.run(['--json', 'prune', '--now'])
      expect(resultOf(again)).toMatchObject({ freed: { packs: 0 }, left: { packs: 1, keepers: [ANNA] }, problems: [] })
      await expectSound(shared)

      await hers.ok('prune', '--now')
      expect(objects('pack-')).toHaveLength(packs - 1)
      await mine.ok('prune', '--now')
      await expectSound(shared)
    }))

  test('a version stays with a tag that somebody else gave it', () =>
    withTwoVersionsEach(async shared => {
      const { mine, hers, objects } = shared
      await hers.ok('tag', 'mine~1', 'good')
      const { code, stdout } = await mine.run(['forget', 'mine', '--keep-last', '1'])
      expect([code, stdout]).toEqual([3, expect.stringContaining(`kept: only ${ANNA} can delete it`)])
      expect(objects('snapshot-')).toHaveLength(4)
      await expectSound(shared)
    }))

  test('a push that forgets says so, and is as safe as ever', () =>
    withTwoVersionsEach(async shared => {
      const { mine, hers } = shared
      // as if both pushed one model from one machine
      change(mine)
      await mine.ok('push', 'data', '--name', 'hers')
      const pushed = await mine.ok('push', 'data', '--name', 'mine', '--keep-last', '1')
      expect(pushed.stdout).toContain('Safe to disconnect')
      await hers.ok('pull', 'mine', 'back')
      expectSameTree(hers.in('back'), mine.in('data'))
    }))

  test('Drive may refuse what it seemed to allow: nobody is told that somebody else owns it', () =>
    withTwoVersionsEach(async ({ emulator, mine, objects }) => {
      emulator.faults.add({ on: 'files.delete', nth: 1, do: { status: 403, reason: 'domainPolicy' } })
      expectError(await mine.run(['forget', 'mine', '--keep-last', '1']), 1, /domainPolicy/)
      expect(objects('snapshot-')).toHaveLength(4)
    }))

  test("others' objects in the trash stay there, and versions or tags among them stop a prune", () =>
    withTwoVersionsEach(async shared => {
      const { anna, mine, hers, objects } = shared
      await hers.ok('forget', 'hers', '--keep-last', '1')
      await hers.ok('prune', '--now', '--dry-run')
      const pack = objects('pack-')[0]!
      await anna.update(pack.id, { trashed: true })
      const emptied = await mine.run(['prune', '--empty-trash'])
      expect(emptied.stdout + emptied.stderr).toContain(`only ${ANNA} can put`)
      expect(pack.trashed).toBe(true)
      await anna.update(pack.id, { trashed: false })

      const snapshot = objects('snapshot-').find(({ name }) => name.includes('hers'))!
      await anna.update(snapshot.id, { trashed: true })
      expectError(await mine.run(['prune', '--empty-trash']), 1, new RegExp(`Only ${ANNA} can put back or delete`))
      expect((await mine.run(['repair'])).stderr).toContain(`only ${ANNA} can put it back`)
      expect(objects('snapshot-')).toContain(snapshot)
      await hers.ok('repair')
      await expectSound(shared)
    }))
})

describe('a shared drive', () => {
  test('holds repositories and archives of its members', () =>
    withSharing(async ({ emulator, mine, hers, mineOnDrive }) => {
      const lab = emulator.addSharedDrive('The Lab', { [ME]: 'organizer', [ANNA]: 'fileOrganizer' })
      const store = 'drive://The Lab/models'
      const [me, anna] = [mine.withStore(store), hers.withStore(`drive://${lab}/models`)]
      expect((await me.ok('push', 'data', '--name', 'mine')).stdout).toContain(`to ${store}`)
      await anna.ok('push', 'data', '--name', 'hers')
      for (const sandbox of [me, anna]) await sandbox.ok('check', '--read-data')
      await me.ok('pull', 'hers', 'back')
      expectSameTree(me.in('back'), hers.in('data'))
      await me.ok('compress', 'data', '-o', 'drive://The Lab/data.zip')
      await anna.ok('extract', 'drive://The Lab/data.zip', 'out')
      expectSameTree(anna.in('out/data'), me.in('data'))
      // without a folder it is one of the usual name
      await mine.withStore('drive://The Lab').ok('push', 'data')
      expect(emulator.drive.store.childrenOf(lab).map(({ name }) => name)).toEqual(['models', 'data.zip', 'colab-escape'])
      expect(mineOnDrive()).toEqual([])
    }))

  test('is emptied by its managers alone', () =>
    withSharing(async ({ emulator, mine, hers }) => {
      emulator.addSharedDrive('Lab', { [ME]: 'organizer', [ANNA]: 'fileOrganizer' })
      const [me, anna] = [mine.withStore('drive://Lab/repo'), hers.withStore('drive://Lab/repo')]
      for (let version = 0; version < 2; version++) {
        change(anna)
        await anna.ok('push', 'data')
      }
      const { code, stdout } = await anna.run(['forget', 'data', '--keep-last', '1'])
      expect([code, stdout]).toEqual([3, expect.stringContaining('kept: only a manager of the shared drive can delete it')])
      await me.ok('forget', 'data', '--keep-last', '1')
      const pruned = await anna.run(['prune', '--now'])
      expect([pruned.code, pruned.stdout]).toEqual([3, expect.stringContaining('only a manager of the shared drive can delete them')])
      expect((await me.ok('prune', '--now')).stdout).toMatch(/freed 5\d\.\d kB$/m)
      await anna.ok('check', '--read-data')
    }))

  test('has no space of an account', () =>
    withSharing(async ({ emulator, mine }) => {
      emulator.addSharedDrive('Lab', { [ME]: 'organizer' })
      emulator.accounts.user(undefined).quota = 1000
      const lab = mine.withStore('drive://Lab/repo')
      await lab.ok('push', 'data')
      expect((await lab.ok('du')).stdout).not.toMatch(/ free\./)
      expect(resultOf(await lab.run(['--json', 'du']))).toMatchObject({ quota: { used: null, limit: null } })
      expect((await lab.run(['doctor'])).stdout).toMatch(/space +no limit is known/)
      const repo = emulator.drive.store.childrenOf([...emulator.files.values()].find(({ name }) => name === 'Lab')!.id)[0]!
      // also when it is reached by its id
      await mine.withStore(`https://drive.google.com/drive/folders/${repo.id}`).ok('push', 'data', '--name', 'again')
      expectError(await mine.run(['push', 'data']), 6, /space|full|free/i)
    }))

  test('may share a folder with those who are no members', () =>
    withSharing(async ({ emulator, mine, hers }) => {
      const lab = emulator.addSharedDrive('Lab', { [ME]: 'organizer' })
      await mine.withStore('drive://Lab/repo').ok('push', 'data', '--name', 'mine')
      const repo = emulator.drive.store.childrenOf(lab)[0]!
      emulator.share(repo.id, ANNA, 'writer')
      emulator.resetRecords()
      const anna = hers.withStore(`drive:id=${repo.id}`)
      await anna.ok('push', 'data', '--name', 'hers')
      await anna.ok('pull', 'mine', 'back')
      expectSameTree(anna.in('back'), mine.in('data'))
      // Drive knows no such drive for her
      expect(emulator.requests.filter(({ query }) => query.driveId !== undefined)).toEqual([])
    }))

  test('must be one, and one that this login is a member of', () =>
    withSharing(async ({ emulator, mine, mineOnDrive }) => {
      const [a, b] = [emulator.addSharedDrive('Lab', { [ME]: 'organizer' }), emulator.addSharedDrive('Lab', { [ME]: 'reader' })]
      emulator.addSharedDrive('Hers', { [ANNA]: 'organizer' })
      const { list } = expectError(await mine.withStore('drive://Lab/x').run(['push', 'data']), 2, /2 shared drives are named "Lab"/)
      expect(list).toEqual([`drive://${a}`, `drive://${b}`])
      for (const name of ['Hers', 'Folder'])
        expectError(await mine.withStore(`drive://${name}/x`).run(['push', 'data']), 5, /not a member of a shared drive/)
      expect(mineOnDrive()).toEqual([])
    }))
})
