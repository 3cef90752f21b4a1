import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, failure, idOf } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { FOLDER } from './file-store.ts'

let emulator: DriveEmulator

beforeEach(async () => {
  emulator = await startDriveEmulator()
})
afterEach(() => emulator.close())

const as = (scope: string, clientId = 'app-a') => new DriveClient(emulator, { scope, clientId })

describe('what an app may see', () => {
  it('under drive.file is what the same client id made', async () => {
    const [a, b, all] = [as('drive.file', 'app-a'), as('drive.file', 'app-b'), as('drive', 'app-b')]
    const folder = idOf(await a.create({ name: 'repo', mimeType: FOLDER }))
    const id = idOf(await a.multipart({ name: 'mine', parents: [folder] }, Buffer.from('x')))
    expect(await a.names('trashed=false')).toEqual(['mine', 'repo'])
    expect(await b.names('trashed=false')).toEqual([])
    expect(await all.names('trashed=false')).toEqual(['mine', 'repo'])
    expect(failure(await b.get(`files/${id}`))).toBe('404 notFound')
    expect(failure(await b.download(id))).toBe('404 notFound')
    expect(failure(await b.remove(id))).toBe('404 notFound')
    expect(failure(await b.create({ parents: [folder] }))).toBe('404 notFound')
    expect(failure(await b.list({ q: `'${folder}' in parents` }))).toBe('404 notFound')
    expect(failure(await a.get('files/root'))).toBe('404 notFound')
    expect(await a.names("'root' in parents")).toEqual(['repo'])
  })

  it('under drive.readonly is everything, unchangeable', async () => {
    const id = idOf(await as('drive').multipart({ name: 'x' }, Buffer.from('x')))
    const reader = as('drive.readonly')
    expect((await reader.download(id)).bytes.toString()).toBe('x')
    for (const answer of [
      await reader.create({}),
      await reader.remove(id),
      await reader.update(id, { name: 'y' }),
      await reader.start({}),
      await reader.multipart({}, Buffer.alloc(1)),
      await reader.get('files/generateIds'),
    ])
      expect(failure(answer)).toBe('403 insufficientPermissions')
    const both = as('drive.readonly drive.file', 'app-b')
    expect(failure(await both.update(id, { name: 'y' }))).toBe('403 appNotAuthorizedToFile')
  })

  it('is what others put into its folders, too, but only the owner deletes it or moves it to the trash', async () => {
    const all = as('drive')
    const folder = idOf(await all.create({ name: 'shared', mimeType: FOLDER }))
    const mine = emulator.files.get(idOf(await all.multipart({ name: 'x', parents: [folder] }, Buffer.from('x'))))!
    const theirs = { ...mine, id: 'theirs', owner: emulator.addUser('other@example.com').email }
    emulator.drive.store.add(theirs)
    expect(await all.names(`'${folder}' in parents`)).toEqual(['x', 'x'])
    expect((await all.download(theirs.id)).bytes.toString()).toBe('x')
    expect((await all.get(`files/${theirs.id}`, { fields: 'ownedByMe' })).json).toEqual({ ownedByMe: false })
    expect((await all.update(theirs.id, { name: 'y' })).status).toBe(200)
    for (const refused of [await all.remove(theirs.id), await all.update(theirs.id, { trashed: true })])
      expect(failure(refused)).toBe('403 insufficientFilePermissions')
    expect((await all.remove(mine.id)).status).toBe(204)
  })

  it('under drive.appdata is a hidden folder of its own', async () => {
    const app = as('drive.appdata drive.file')
    await app.create({ name: 'settings', parents: ['appDataFolder'] })
    const names = async (client: DriveClient, spaces: string) =>
      ((await client.list({ spaces })).json.files as { name: string }[] | undefined)?.map(({ name }) => name)
    expect(await names(app, 'appDataFolder')).toEqual(['settings'])
    expect(await names(app, 'drive')).toEqual([])
    expect(await names(as('drive.appdata', 'app-b'), 'appDataFolder')).toEqual([])
    expect(await as('drive').names('trashed=false')).toEqual([])
    expect(failure(await as('drive').list({ spaces: 'appDataFolder' }))).toBe('403 insufficientPermissions')
    expect(failure(await as('drive.appdata').list({}))).toBe('403 insufficientPermissions')
    expect(failure(await as('drive').create({ parents: ['appDataFolder'] }))).toBe('403 insufficientPermissions')
  })

  it('is nothing of other users, and nothing without a Drive scope', async () => {
    emulator.addUser('other@example.com')
    const id = idOf(await as('drive').create({ name: 'x' }))
    const other = new DriveClient(emulator, { user: 'other@example.com' })
    expect(failure(await other.get(`files/${id}`))).toBe('404 notFound')
    expect(await other.names('trashed=false')).toEqual([])
    expect(failure(await as('openid').list({}))).toBe('403 insufficientPermissions')
  })
})
