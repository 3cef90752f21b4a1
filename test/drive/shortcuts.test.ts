import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectError } from '../helpers/cli.ts'
import { expectSameTree } from '../helpers/trees.ts'
import { ANNA, ME, withSharing } from './sharing-scene.ts'

describe('a folder that others share', () => {
  test('is the store by a shortcut to it, whoever pushes; nothing is made beside the shortcut', () =>
    withSharing(async ({ emulator, me, anna, mine, hers, makeFolder, makeShortcut, mineOnDrive }) => {
      const team = await makeFolder(anna, 'Team')
      emulator.share(team, ME, 'writer')
      await makeShortcut(me, 'Team', team)
      await hers.withStore('drive:Team/repo').ok('push', 'data', '--name', 'hers')
      const { stdout: pushed } = await mine.withStore('drive:Team/repo').ok('push', 'data', '--name', 'mine')
      expect(pushed).toMatch(new RegExp(`^Pushed mine@\\w+ to drive:Team/repo, in a folder of ${ANNA}$`, 'm'))
      expect(pushed).toContain('Safe to disconnect')
      expect(mineOnDrive()).toEqual(['Team'])
      for (const [sandbox, name, source] of [
        [mine, 'hers', hers],
        [hers, 'mine', mine],
      ] as const) {
        await sandbox.withStore('drive:Team/repo').ok('pull', name, 'back')
        expectSameTree(join(sandbox.path, 'back'), source.in('data'))
        await sandbox.withStore('drive:Team/repo').ok('check', '--read-data')
      }
    }))

  test('is found at the end of a path, and below another one', () =>
    withSharing(async ({ emulator, me, anna, mine, makeFolder, makeShortcut, mineOnDrive }) => {
      const outer = await makeFolder(anna, 'Elsewhere')
      const repo = await makeFolder(anna, 'Hers')
      emulator.share(outer, ME, 'writer')
      emulator.share(repo, ME, 'writer')
      const own = await makeFolder(me, 'Own')
      await makeShortcut(me, 'Team', outer, own)
      await makeShortcut(anna, 'repo', repo, outer)
      await mine.withStore('drive:Own/Team/repo').ok('push', 'data')
      expect(mineOnDrive()).toEqual(['Own', 'Own/Team'])
      expect(emulator.drive.store.childrenOf(repo).map(({ name }) => name)).toContain('config.json')
      expect((await mine.withStore('drive:Own/Team/repo').ok('log')).stdout).toContain('data')
    }))

  test('takes archives too', () =>
    withSharing(async ({ emulator, me, anna, mine, hers, makeFolder, makeShortcut, mineOnDrive }) => {
      const team = await makeFolder(anna, 'Team')
      emulator.share(team, ME, 'writer')
      await makeShortcut(me, 'Team', team)
      const { stderr, code } = await mine.run(['compress', 'data', '-o', 'drive:Team/data.zip'])
      expect([code, stderr]).toEqual([0, expect.stringContaining(`drive:Team/data.zip is in a folder of ${ANNA}`)])
      expect(mineOnDrive()).toEqual(['Team'])
      await hers.ok('extract', 'drive:Team/data.zip', 'out')
      expectSameTree(hers.in('out/data'), mine.in('data'))
    }))
})

describe('a shortcut that leads nowhere', () => {
  const ends = {
    'the folder is in the trash': ['lies in the trash', async ({ anna, team }) => void (await anna.update(team, { trashed: true }))],
    'the folder is deleted': ['is deleted, or not shared', async ({ anna, team }) => void (await anna.remove(team))],
    'the folder is not shared any more': [
      'is deleted, or not shared',
      ({ emulator, team }) => void emulator.drive.store.files.get(team)!.shares!.clear(),
    ],
  } satisfies Record<string, [string, (scene: { anna: Client; emulator: Emulator; team: string }) => unknown]>

  test.each(Object.entries(ends))('%s: that is told, and nothing is made in its place', (_, [why, end]) =>
    withSharing(async ({ emulator, me, anna, mine, makeFolder, makeShortcut, mineOnDrive }) => {
      const team = await makeFolder(anna, 'Team')
      emulator.share(team, ME, 'writer')
      await makeShortcut(me, 'Team', team)
      await end({ anna, emulator, team })
      const message = new RegExp(`drive:Team is a shortcut, and what it leads to ${why}`)
      for (const args of [['push', 'data'], ['log'], ['compress', 'data', '-o', 'drive:Team/data.zip']])
        expectError(await mine.withStore('drive:Team/repo').run(args), 5, message)
      expect(mineOnDrive()).toEqual(['Team'])
    }),
  )
})

type Client = Parameters<Parameters<typeof withSharing>[0]>[0]['anna']
type Emulator = Parameters<Parameters<typeof withSharing>[0]>[0]['emulator']

describe('a shortcut and a folder of one name', () => {
  test('are refused, by their ids', () =>
    withSharing(async ({ emulator, me, anna, mine, makeFolder, makeShortcut, mineOnDrive }) => {
      const team = await makeFolder(anna, 'Team')
      emulator.share(team, ME, 'writer')
      const own = await makeFolder(me, 'Team')
      await makeShortcut(me, 'Team', team)
      const { list } = expectError(await mine.withStore('drive:Team/repo').run(['push', 'data']), 2, /drive:Team is more than one thing/)
      expect(list).toEqual([`drive:id=${own}`, `drive:id=${team} (by the shortcut)`])
      expect(mineOnDrive()).toEqual(['Team', 'Team'])
      // either can be named
      await mine.withStore(`drive:id=${team}/repo`).ok('push', 'data')
      expect(mineOnDrive()).toEqual(['Team', 'Team'])
      await mine.withStore(`drive:id=${own}/repo`).ok('push', 'data')
      expect(mineOnDrive()).toContain('Team/repo/config.json')
    }))

  test('are one if the shortcut leads to the folder beside it, or another shortcut leads there too', () =>
    withSharing(async ({ emulator, me, anna, mine, makeFolder, makeShortcut, mineOnDrive }) => {
      const own = await makeFolder(me, 'Own')
      await makeShortcut(me, 'Own', own)
      await mine.withStore('drive:Own').ok('push', 'data')
      expect(mineOnDrive()).toContain('Own/config.json')
      const team = await makeFolder(anna, 'Team')
      emulator.share(team, ME, 'writer')
      await makeShortcut(me, 'Team', team)
      await makeShortcut(me, 'Team', team)
      await mine.withStore('drive:Team').ok('push', 'data')
      expect(emulator.drive.store.childrenOf(team).map(({ name }) => name)).toContain('config.json')
    }))
})

test('a shortcut to a file is read, and never replaced', () =>
  withSharing(async ({ emulator, me, mine, hers, makeShortcut, mineOnDrive }) => {
    await hers.ok('compress', 'data', '-o', 'drive:hers.zip')
    const archive = emulator.fileAt('hers.zip', ANNA)!
    emulator.share(archive.id, ME, 'reader')
    await makeShortcut(me, 'short.zip', archive.id)
    await mine.ok('extract', 'drive:short.zip', 'out')
    expectSameTree(mine.in('out/data'), hers.in('data'))
    for (const force of [[], ['--force']])
      expectError(await mine.run(['compress', 'data', '-o', 'drive:short.zip', ...force]), 8, /is a shortcut to another file/)
    expect(mineOnDrive()).toEqual(['short.zip'])
    emulator.drive.store.files.get(archive.id)!.shares!.clear()
    expectError(
      await mine.run(['extract', 'drive:short.zip', 'again']),
      5,
      /drive:short\.zip is a shortcut, and what it leads to is deleted/,
    )
  }))

test('a shortcut in the folder of a repository is no object of it', () =>
  withSharing(async ({ emulator, me, mine, makeShortcut }) => {
    await mine.ok('push', 'data')
    const home = emulator.fileAt('colab-escape')!
    const snapshot = emulator.drive.store.childrenOf(home.id).find(({ name }) => name.startsWith('snapshot-'))!
    const elsewhere = (await me.get('files/root', { fields: 'id' })).json.id as string
    await me.call('PATCH', `/drive/v3/files/${snapshot.id}?addParents=${elsewhere}&removeParents=${home.id}`, {
      body: '{}',
      headers: { 'content-type': 'application/json' },
    })
    await makeShortcut(me, snapshot.name, snapshot.id, home.id)
    const { stderr } = await mine.run(['log'])
    expect(stderr).toMatch(/snapshot-.* is a link or a folder, so it is not used/)
    // it may stand for a version, which protects what that needs
    expectError(await mine.run(['prune', '--now']), 7, /snapshot-/)
  }))
