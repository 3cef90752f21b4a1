import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, failure, idOf, send } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { FOLDER } from './file-store.ts'

let emulator: DriveEmulator
let client: DriveClient
let now = Date.UTC(2026, 0, 1)

beforeEach(async () => {
  emulator = await startDriveEmulator({ surroundings: { now: () => now }, violations: 'noted' })
  client = new DriveClient(emulator)
})
afterEach(() => emulator.close())

const folder = async (name: string, parent = 'root') => idOf(await client.create({ name, mimeType: FOLDER, parents: [parent] }))
const file = async (name: string, parent = 'root', content = name) =>
  idOf(await client.multipart({ name, parents: [parent] }, Buffer.from(content)))

describe('files', () => {
  it('have one parent each and names that need not differ', async () => {
    const [a, b] = [await folder('a'), await folder('b')]
    const [one, two] = [await file('same', a), await file('same', a)]
    expect(one).not.toBe(two)
    expect(await client.names(`'${a}' in parents`)).toEqual(['same', 'same'])
    expect(failure(await client.create({ parents: [a, b] }))).toBe('403 cannotAddParent')
    expect(failure(await client.create({ parents: ['nowhere'] }))).toBe('404 notFound')
    expect(failure(await client.update(one, { parents: [b] }))).toBe('403 fieldNotWritable')
    expect(failure(await client.update(one, {}, { addParents: b }))).toBe('403 cannotAddParent')
    expect(failure(await client.update(one, {}, { removeParents: a }))).toBe('400 badRequest')
    expect((await client.update(one, {}, { addParents: b, removeParents: a, fields: 'parents' })).json).toEqual({ parents: [b] })
    expect(failure(await client.update(a, {}, { addParents: a, removeParents: 'root' }))).toBe('403 cyclicalParent')
    expect(failure(await client.list({ q: "'nowhere' in parents" }))).toBe('404 notFound')
  })

  it('answer four fields unless told, and none that is unknown', async () => {
    const id = await file('x')
    expect((await client.get(`files/${id}`)).json).toEqual({ kind: 'drive#file', id, name: 'x', mimeType: 'application/octet-stream' })
    expect((await client.get(`files/${id}`, { fields: 'size,trashed' })).json).toEqual({ size: '1', trashed: false })
    expect((await client.get(`files/${id}`, { fields: '' })).json).toEqual({})
    expect(failure(await client.get(`files/${id}`, { fields: 'title' }))).toBe('400 invalidParameter')
    expect(failure(await client.get(`files/${id}`, { nope: 1 }))).toBe('400 invalidParameter')
    expect(failure(await client.get('files/nope'))).toBe('404 notFound')
    expect(failure(await client.create({ title: 'x' }))).toBe('400 badRequest')
    expect(failure(await client.create({ size: '3' }))).toBe('403 fieldNotWritable')
    expect(failure(await client.create({ name: 3 }))).toBe('400 invalid')
  })

  it('take ids that were generated for them, once', async () => {
    const { ids } = (await client.get('files/generateIds', { count: 3, space: 'drive', type: 'files' })).json as { ids: string[] }
    expect(new Set(ids).size).toBe(3)
    expect((await client.create({ id: ids[0], name: 'x' })).json.id).toBe(ids[0])
    expect(failure(await client.create({ id: ids[0], name: 'x' }))).toBe('409 fileIdInUse')
    expect((await client.remove(ids[0] ?? '')).status).toBe(204)
    expect(failure(await client.create({ id: ids[0], name: 'x' }))).toBe('409 fileIdInUse')
    expect(failure(await client.create({ id: '1madeupmadeupmadeupmadeupmadeupma', name: 'x' }))).toBe('400 invalid')
    emulator.addUser('other@example.com')
    const other = new DriveClient(emulator, { user: 'other@example.com' })
    expect(failure(await other.create({ id: ids[1], name: 'x' }))).toBe('400 invalid')
    for (const count of ['0', '1001', 'x']) expect(failure(await client.get('files/generateIds', { count }))).toBe('400 invalidParameter')
  })

  it('go for good, folders with all that is inside', async () => {
    const a = await folder('a')
    const b = await folder('b', a)
    const x = await file('x', b)
    expect((await client.remove(a)).status).toBe(204)
    expect(failure(await client.get(`files/${x}`))).toBe('404 notFound')
    expect(failure(await client.remove(a))).toBe('404 notFound')
    expect(failure(await client.remove('root'))).toBe('403 insufficientFilePermissions')
    expect(emulator.files.size).toBe(1)
  })

  it('inherit the trash, until it is emptied', async () => {
    const a = await folder('a')
    const x = await file('x', a)
    await client.update(a, { trashed: true })
    expect((await client.get(`files/${x}`, { fields: 'trashed,explicitlyTrashed' })).json).toEqual({
      trashed: true,
      explicitlyTrashed: false,
    })
    expect(await client.names('trashed = false')).toEqual([])
    expect(await client.names('trashed = true')).toEqual(['a', 'x'])
    expect((await client.get('about', { fields: 'storageQuota' })).json).toEqual({
      storageQuota: { usage: '1', usageInDrive: '1', usageInDriveTrash: '1' },
    })
    expect((await client.call('DELETE', '/drive/v3/files/trash')).status).toBe(204)
    expect(emulator.files.size).toBe(1)
  })

  it('are not in the trash if they come into a folder that lies there', async () => {
    const a = await folder('a')
    const before = await file('before', a)
    now += 1
    await client.update(a, { trashed: true })
    now += 1
    const after = await file('after', a)
    expect((await client.get(`files/${before}`, { fields: 'trashed' })).json).toEqual({ trashed: true })
    expect((await client.get(`files/${after}`, { fields: 'trashed' })).json).toEqual({ trashed: false })
    expect(await client.names(`'${a}' in parents and trashed = false`)).toEqual(['after'])
    await client.update(a, { trashed: false })
    expect(await client.names(`'${a}' in parents and trashed = false`)).toEqual(['after', 'before'])
  })

  it('are found in one folder, whatever folders one question names', async () => {
    const [a, b] = [await folder('a'), await folder('b')]
    await file('x', a)
    await file('y', b)
    expect(await client.names(`('${a}' in parents or '${b}' in parents) and trashed = false`)).toEqual(['x'])
  })

  it('come in pages of an unchanged question', async () => {
    for (let i = 0; i < 5; i++) await file(`f${i}`)
    const question = { q: 'trashed=false', orderBy: 'name desc', pageSize: 2, fields: 'nextPageToken,files/name' }
    const names: string[] = []
    let token: string | undefined
    do {
      const { json } = await client.list({ ...question, ...(token === undefined ? {} : { pageToken: token }) })
      names.push(...(json.files as { name: string }[]).map(({ name }) => name))
      token = json.nextPageToken as string | undefined
      if (token !== undefined) {
        expect(failure(await client.list({ ...question, q: 'trashed=true', pageToken: token }))).toBe('400 invalid')
        expect(failure(await client.list({ ...question, orderBy: 'name', pageToken: token }))).toBe('400 invalid')
      }
    } while (token !== undefined)
    expect(names).toEqual(['f4', 'f3', 'f2', 'f1', 'f0'])
    expect(failure(await client.list({ pageToken: 'x' }))).toBe('400 invalid')
    for (const pageSize of ['0', '', 'x']) expect(failure(await client.list({ pageSize }))).toBe('400 invalidParameter')
    expect(failure(await client.list({ orderBy: 'size' }))).toBe('400 invalidParameter')
    expect(failure(await client.list({ supportsAllDrives: 'yes' }))).toBe('400 invalidParameter')
    emulator.drive.pageSizeCap = 1
    expect((await client.list({ pageSize: 1000 })).json).toMatchObject({ nextPageToken: expect.any(String) as string, files: [{}] })
  })

  it('sort by what was asked, folders first on demand', async () => {
    await file('b', 'root', 'long content')
    await folder('z')
    await file('a', 'root', 's')
    const order = async (orderBy: string) =>
      ((await client.list({ orderBy })).json.files as { name: string }[]).map(({ name }) => name).join('')
    expect(await order('name')).toBe('abz')
    expect(await order('folder,name')).toBe('zab')
    expect(await order('quotaBytesUsed desc')).toBe('baz')
  })

  it('are downloaded whole or by one range', async () => {
    const id = await file('x', 'root', '0123456789')
    const range = async (value?: string) => {
      const { status, headers, bytes } = await client.download(id, value)
      return [status, bytes.toString(), headers.get('content-range')]
    }
    expect(await range()).toEqual([200, '0123456789', null])
    expect(await range('bytes=2-4')).toEqual([206, '234', 'bytes 2-4/10'])
    expect(await range('bytes=7-')).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await range('bytes=7-99')).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await range('bytes=-3')).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await range('bytes=-99')).toEqual([206, '0123456789', 'bytes 0-9/10'])
    expect((await range('bytes=10-'))[0]).toBe(416)
    expect((await range('bytes=-0'))[0]).toBe(416)
    expect((await range('bytes=0-1,3-4'))[0]).toBe(400)
    expect((await range('bytes=4-2'))[0]).toBe(400)
    expect(failure(await client.download(await folder('f')))).toBe('403 fileNotDownloadable')
    expect((await client.get(`files/${id}`, { alt: 'media', acknowledgeAbuse: true })).bytes.toString()).toBe('0123456789')
  })

  it('are copied, and keep properties of each app apart', async () => {
    const id = idOf(await client.create({ name: 'p', appProperties: { a: '1', b: '2' }, properties: { c: '3' } }))
    const other = new DriveClient(emulator, { clientId: 'other' })
    expect((await other.get(`files/${id}`, { fields: 'appProperties,properties' })).json).toEqual({ properties: { c: '3' } })
    await client.update(id, { appProperties: { a: null } })
    const copy = await client.call('POST', `/drive/v3/files/${id}/copy?fields=name,appProperties`, {
      body: '{"name":"q"}',
      headers: { 'content-type': 'application/json' },
    })
    expect(copy.json).toEqual({ name: 'q', appProperties: { b: '2' } })
    expect(failure(await client.update(id, { appProperties: { k: 'x'.repeat(124) } }))).toBe('400 invalid')
    expect((await client.get(`files/${id}/permissions`)).json).toMatchObject({ permissions: [{ role: 'owner' }] })
  })

  it('carry the time of the server in every answer', async () => {
    now += 5000
    expect((await client.list({})).headers.get('date')).toBe(new Date(now).toUTCString())
    expect(failure(await client.get('about'))).toBe('400 required')
    expect(failure(await client.get('changes'))).toBe('400 badRequest')
    expect(failure(await send(`${emulator.url}/drive/v3/files`, 'GET'))).toBe('403 forbidden')
  })
})

describe('limits', () => {
  it('count every byte, in the trash too', async () => {
    emulator.addUser('small@example.com', { quota: 10 })
    const small = new DriveClient(emulator, { user: 'small@example.com' })
    const id = idOf(await small.multipart({}, Buffer.alloc(8)))
    await small.update(id, { trashed: true })
    const full = await small.multipart({}, Buffer.alloc(3))
    expect([failure(full), (full.json.error as { errors: { domain: string }[] }).errors[0]?.domain]).toEqual([
      '403 storageQuotaExceeded',
      'usageLimits',
    ])
    expect(failure(await small.start({}, 3))).toBe('403 storageQuotaExceeded')
    expect((await small.get('about', { fields: 'storageQuota(limit,usage)' })).json).toEqual({ storageQuota: { limit: '10', usage: '8' } })
    await small.remove(id)
    expect((await small.multipart({}, Buffer.alloc(10))).status).toBe(200)
  })

  it('hold for the children of a folder, not of the root', async () => {
    emulator.drive.store.childrenLimit = 2
    const a = await folder('a')
    await file('1', a)
    const second = await file('2', a)
    expect(failure(await client.multipart({ parents: [a] }, Buffer.alloc(1)))).toBe('403 numChildrenInNonRootLimitExceeded')
    await client.remove(second)
    await file('3', a)
    for (let i = 0; i < 3; i++) await file('r')
  })
})

describe('listings that lag', () => {
  it('show new files and forget deleted ones late, while ids are up to date', async () => {
    Object.assign(emulator.lag, { creationMs: 1000, deletionMs: 500 })
    const id = await file('x')
    expect(await client.names('trashed=false')).toEqual([])
    expect((await client.get(`files/${id}`)).status).toBe(200)
    now += 1000
    expect(await client.names('trashed=false')).toEqual(['x'])
    await client.remove(id)
    expect(await client.names('trashed=false')).toEqual(['x'])
    expect((await client.download(id)).status).toBe(404)
    now += 500
    expect(await client.names('trashed=false')).toEqual([])
  })
})
