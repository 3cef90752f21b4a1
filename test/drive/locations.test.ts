import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { locationOf, parsePlace } from '../../src/storage/drive/place.ts'
import { idOf } from '../drive-emulator/client.ts'
import { FOLDER } from '../drive-emulator/file-store.ts'
import { expectError, runCli } from '../helpers/cli.ts'
import { expectSameTree } from '../helpers/trees.ts'
import { ANNA, ME, withSharing } from './sharing-scene.ts'

const ID = '1aBcDeFgHiJkLmNoPqRsTuVwXyZ_-0123'
const nothing = (): boolean => false

describe('places on Drive', () => {
  test.each([
    ['drive:', 'drive:'],
    ['drive:/', 'drive:'],
    ['drive:A/B c/', 'drive:A/B c'],
    ['drive:/A', 'drive:A'],
    ['drive://Team', 'drive://Team'],
    ['drive://Team room/A', 'drive://Team room/A'],
    [`drive:id=${ID}`, `drive:id=${ID}`],
    [`drive:id=${ID}/A/B`, `drive:id=${ID}/A/B`],
    [`https://drive.google.com/drive/folders/${ID}`, `drive:id=${ID}`],
    [`https://drive.google.com/drive/u/0/folders/${ID}?usp=sharing`, `drive:id=${ID}`],
    [`http://drive.google.com/drive/folders/${ID}/?usp=drive_link#x`, `drive:id=${ID}`],
    [`drive.google.com/drive/mobile/folders/${ID}`, `drive:id=${ID}`],
    [`https://drive.google.com/open?id=${ID}&usp=drive_copy`, `drive:id=${ID}`],
    [`https://drive.google.com/open?usp=x&id=${ID}`, `drive:id=${ID}`],
    [`https://drive.google.com/file/d/${ID}/view?usp=sharing`, `drive:id=${ID}`],
    [`https://drive.google.com/uc?id=${ID}&export=download`, `drive:id=${ID}`],
  ])('%s is %s', (location, expected) => {
    const place = parsePlace(location, nothing)!
    expect(locationOf(place)).toBe(expected)
    expect(parsePlace(expected, nothing)).toEqual(place)
  })

  test.each(['drive:A//B', 'drive:../A', 'drive://', 'drive:A/./B', `drive:id=${ID}/../x`])('%s is refused', location => {
    expect(() => parsePlace(location, nothing)).toThrow(/isn't a path on Drive/)
  })

  test.each([
    ['drive:id=', /has no id/],
    ['drive:id=abc', /has no id/],
    ['drive:id=/x.zip', /has no id/],
    ['drive:My Drive/x', /would be a folder named "My Drive"/],
    ['drive:mydrive', /would be a folder named "mydrive"/],
    ['drive:~/x', /would be a folder named "~"/],
    ['drive:a\\b', /no folder should have/],
    ["drive:'x'", /no folder should have/],
    ['drive: x', /no folder should have/],
    ['drive:A/x ', /no folder should have/],
    ['drive:https://drive.google.com/x', /isn't a path on Drive|no folder should have/],
    [`drive:${ID}?usp=sharing`, /no folder should have/],
  ])('%s makes no folder of that name', (location, what) => {
    expect(() => parsePlace(location, nothing)).toThrow(what)
  })

  test.each([
    ['Drive:backup', 'drive:backup'],
    ['DRIVE:a/b', 'drive:a/b'],
    ['gdrive:x', 'drive:x'],
    ['GDrive:', 'drive:'],
    ['google drive:x', 'drive:x'],
    ['google\\ drive:my-uploads', 'drive:my-uploads'],
    ['Google-Drive:x', 'drive:x'],
    ['My Drive:x', 'drive:x'],
    ['mydrive: x', 'drive:x'],
    [' drive:x', 'drive:x'],
    ['"drive:x', 'drive:x'],
    ['drive;x', 'drive:x'],
    ['drive :x', 'drive:x'],
  ])('%s is meant as %s', (location, meant) => {
    // whether or not an earlier mistake made a folder of that name
    for (const exists of [nothing, () => true])
      expect(() => parsePlace(location, exists)).toThrow(
        expect.objectContaining({ code: 'usage', hint: expect.stringContaining(JSON.stringify(meant)) as string }) as Error,
      )
  })

  test.each([
    'https://drive.google.com/drive/my-drive',
    'https://drive.google.com/drive/u/0/shared-with-me',
    'https://drive.google.com',
    'drive.google.com/drive/folders/',
    'https://docs.google.com/document/d/abc',
    `https://drive.google.com/drive/folders/${ID}/more`,
  ])('%s is no address of a folder', location => {
    expect(() => parsePlace(location, nothing)).toThrow(/isn't the address of a folder or file/)
  })

  test.each(['remote:path', 's3:bucket/x', 's3://bucket/x', 'user@host:path', 'b2:', 'one drive:x', 'file:///tmp/x'])(
    '%s is no folder, unless there is one',
    location => {
      expect(() => parsePlace(location, nothing)).toThrow(/neither a place on Drive nor a path on this disk/)
      expect(parsePlace(location, path => path === location.split('/')[0])).toBeUndefined()
      expect(parsePlace(`./${location}`, nothing)).toBeUndefined()
    },
  )

  test.each(['drive', 'Gdrive', 'Google Drive'])('%s alone is no folder, unless there is one', location => {
    expect(() => parsePlace(location, nothing)).toThrow(/use drive:|isn't a place on Drive/)
    expect(parsePlace(location, () => true)).toBeUndefined()
  })

  test.each([
    'backup',
    './Drive:x',
    '/x/drive:y',
    '~/a:b',
    '../remote:x',
    'runs 2026-11-30T10:15:00.zip',
    'overdrive/x',
    'drive/x',
    '.',
    'a/b:c',
  ])('%s is a path on the disk', location => expect(parsePlace(location, nothing)).toBeUndefined())
})

test('what looks like Drive makes no folder on this disk, in any command', () =>
  withSharing(async ({ mine }) => {
    const before = readdirSync(mine.path)
    for (const place of ['Drive:backup', 'gdrive:x', 'remote:path', 'https://drive.google.com/drive/my-drive']) {
      expectError(await mine.withStore(place).run(['push', 'data']), 2, /Drive/)
      expectError(await runCli(['push', 'data'], { cwd: mine.path, env: { COLAB_ESCAPE_STORE: place } }), 2, /Drive/)
    }
    expectError(await mine.run(['compress', 'data', '-o', 'Drive:backup.zip']), 2, /isn't how a place on Drive is written/)
    for (const command of ['push', 'watch'])
      for (const place of ['drive:data', 'https://drive.google.com/drive/folders/1aB2c3D4e5F6g7H8'])
        expectError(await mine.run([command, place]), 2, /is on Drive, but only what is on this disk/)
    expectError(await mine.run(['extract', 'gdrive:backup.zip']), 2, /isn't how a place on Drive is written/)
    expect(readdirSync(mine.path).filter(name => !['cache', 'config'].includes(name))).toEqual(
      before.filter(name => !['cache', 'config'].includes(name)),
    )
    mkdirSync(mine.in('remote:path'))
    await mine.withStore('remote:path').ok('push', 'data')
    await mine.withStore('./Drive:backup').ok('push', 'data')
    expect(existsSync(mine.in('Drive:backup/config.json'))).toBe(true)
  }))

test('a folder or file that somebody shares opens by its address', () =>
  withSharing(async ({ emulator, anna, mine, hers, makeFolder, mineOnDrive }) => {
    const team = await makeFolder(anna, 'Team')
    const address = `https://drive.google.com/drive/folders/${team}?usp=sharing`
    expectError(await mine.withStore(address).run(['push', 'data']), 5, /nothing of the id .* for this login/)
    emulator.share(team, ME, 'writer')
    const { stdout } = await mine.withStore(address).ok('push', 'data', '--name', 'mine')
    expect(stdout).toContain(`drive:id=${team}, in a folder of ${ANNA}`)
    await hers.withStore('drive:Team').ok('pull', 'mine', 'back')
    expectSameTree(hers.in('back'), mine.in('data'))
    await hers.ok('compress', 'data', '-o', 'drive:Team/hers.zip')
    const file = emulator.fileAt('Team/hers.zip', ANNA)!
    for (const at of [`https://drive.google.com/file/d/${file.id}/view?usp=sharing`, `https://drive.google.com/open?id=${file.id}`]) {
      await mine.ok('extract', at, 'out', '--force')
      expectSameTree(mine.in('out/data'), hers.in('data'))
    }
    expectError(await mine.run(['extract', address]), 5, /Team is a folder/)
    expectError(await mine.withStore(`drive:id=${file.id}`).run(['log']), 2, /hers\.zip is not a folder/)
    expect(mineOnDrive()).toEqual([])
    // and in the trash it is told, as by its path
    await anna.update(team, { trashed: true })
    expectError(await mine.withStore(address).run(['push', 'data']), 5, /lies in Drive's trash/)
  }))

test('names that look the same are one, whatever their Unicode form', () =>
  withSharing(async ({ emulator, me, mine, mineOnDrive }) => {
    const name = 'Données Übung'
    const apart = idOf(await me.create({ name: name.normalize('NFD'), mimeType: FOLDER }))
    await mine.withStore(`drive:${name}`).ok('push', 'data')
    expect(emulator.drive.store.childrenOf(apart).map(file => file.name)).toContain('config.json')
    // duplicates by their form are duplicates
    await me.create({ name, mimeType: FOLDER })
    expect((await mine.withStore(`drive:${name.normalize('NFD')}`).ok('log')).stdout).toContain('data')
    expect(mineOnDrive().filter(path => !path.includes('/'))).toHaveLength(2)
  }))
