import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, failure, idOf } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { FOLDER, SHORTCUT } from './file-store.ts'

const OTHER = 'other@example.com'
const ALL = { supportsAllDrives: 'true', includeItemsFromAllDrives: 'true' }

let emulator: DriveEmulator
let mine: DriveClient
let theirs: DriveClient

beforeEach(async () => {
  emulator = await startDriveEmulator()
  emulator.addUser(OTHER)
  mine = new DriveClient(emulator)
  theirs = new DriveClient(emulator, { user: OTHER })
})
afterEach(() => emulator.close())

const put = async (client: DriveClient, name: string, parent: string, parameters: Record<string, string> = {}) =>
  idOf(await client.multipart({ name, parents: [parent] }, Buffer.from(name), parameters))

describe('a folder that is shared', () => {
  it("is in nobody's My Drive but its owner's, and opens by its id", async () => {
    const folder = idOf(await mine.create({ name: 'team', mimeType: FOLDER }))
    await put(mine, 'x', folder)
    expect(failure(await theirs.list({ q: `'${folder}' in parents` }))).toBe('404 notFound')
    emulator.share(folder, OTHER, 'reader')
    expect(await theirs.names("'root' in parents")).toEqual([])
    expect(await theirs.names('sharedWithMe = true')).toEqual(['team'])
    expect(await theirs.names(`'${folder}' in parents`)).toEqual(['x'])
    const { json } = await theirs.get(`files/${folder}`, { fields: 'parents,ownedByMe,shared,owners(emailAddress),capabilities' })
    expect(json).toMatchObject({ ownedByMe: false, shared: true, owners: [{ emailAddress: 'someone@example.com' }] })
    expect(json).not.toHaveProperty('parents')
    expect(json.capabilities).toMatchObject({ canAddChildren: false, canDelete: false, canEdit: false })
    expect(failure(await theirs.multipart({ parents: [folder] }, Buffer.from('y')))).toBe('403 insufficientFilePermissions')
  })

  it('takes files of its writers, who own them; only owners delete and trash', async () => {
    const folder = idOf(await mine.create({ name: 'team', mimeType: FOLDER }))
    const [own, other] = [await put(mine, 'x', folder), (emulator.share(folder, OTHER, 'writer'), await put(theirs, 'y', folder))]
    for (const [client, ofElse] of [
      [mine, other],
      [theirs, own],
    ] as const) {
      expect((await client.update(ofElse, { name: 'z' })).status).toBe(200)
      expect(failure(await client.remove(ofElse))).toBe('403 insufficientFilePermissions')
      expect(failure(await client.update(ofElse, { trashed: true }))).toBe('403 insufficientFilePermissions')
      expect((await client.get(`files/${ofElse}`, { fields: 'capabilities(canDelete,canTrash,canEdit)' })).json).toEqual({
        capabilities: { canDelete: false, canTrash: false, canEdit: true },
      })
    }
    expect([(await mine.remove(own)).status, (await theirs.remove(other)).status]).toEqual([204, 204])
    const { permissions } = (await theirs.get(`files/${folder}/permissions`)).json as { permissions: { role: string }[] }
    expect(permissions.map(({ role }) => role)).toEqual(['owner', 'writer'])
  })
})

describe('a link', () => {
  const ANYONE = { type: 'anyone', role: 'reader', allowFileDiscovery: false }
  const permissionsOf = async (id: string) =>
    (await mine.get(`files/${id}/permissions`, { fields: 'permissions(id,type,role,permissionDetails(inherited))' })).json.permissions
  const shareByLink = (client: DriveClient, id: string) =>
    client.call('POST', `/drive/v3/files/${id}/permissions`, {
      body: JSON.stringify(ANYONE),
      headers: { 'content-type': 'application/json' },
    })
  const unshare = (client: DriveClient, id: string) => client.call('DELETE', `/drive/v3/files/${id}/permissions/anyoneWithLink`)
  const asStranger = (id: string) => fetch(`${emulator.url}/download?id=${id}&export=download&confirm=t`)

  it('opens a file for everybody who has it, for reading, until it is taken back', async () => {
    const id = await put(mine, 'x', 'root')
    expect((await asStranger(id)).status).toBe(404)
    expect(failure(await shareByLink(theirs, id))).toBe('404 notFound')
    for (let again = 0; again < 2; again++)
      expect((await shareByLink(mine, id)).json).toEqual({ kind: 'drive#permission', id: 'anyoneWithLink', type: 'anyone', role: 'reader' })
    expect(await (await asStranger(id)).text()).toBe('x')
    expect((await theirs.download(id)).bytes.toString()).toBe('x')
    expect(await theirs.names("name = 'x'")).toEqual([])
    expect(failure(await theirs.update(id, { name: 'y' }))).toBe('403 insufficientFilePermissions')
    expect(failure(await unshare(theirs, id))).toBe('403 insufficientFilePermissions')
    expect((await mine.get(`files/${id}`, { fields: 'shared,permissionIds' })).json).toMatchObject({ shared: true })
    expect((await mine.get(`files/${id}/permissions/anyoneWithLink`, { fields: 'allowFileDiscovery' })).json).toEqual({
      allowFileDiscovery: false,
    })
    expect((await unshare(mine, id)).status).toBe(204)
    expect(failure(await unshare(mine, id))).toBe('404 notFound')
    expect((await asStranger(id)).status).toBe(404)
    expect(failure(await theirs.download(id))).toBe('404 notFound')
  })

  it('to a folder opens all that is in it, which only the folder can end', async () => {
    const folder = idOf(await mine.create({ name: 'open', mimeType: FOLDER }))
    const id = await put(mine, 'x', folder)
    emulator.share(folder, 'anyone', 'reader')
    expect((await asStranger(id)).status).toBe(200)
    expect(await permissionsOf(id)).toMatchObject([{ role: 'owner' }, { id: 'anyoneWithLink', role: 'reader' }])
    expect(failure(await unshare(mine, id))).toBe('403 cannotDeleteInheritedPermission')
    expect((await unshare(mine, folder)).status).toBe(204)
    expect((await asStranger(id)).status).toBe(404)
  })

  it('asks about a file that is too large to be scanned for viruses', async () => {
    const id = idOf(await mine.multipart({ name: 'large' }, Buffer.alloc(101 * 1024 * 1024)))
    await shareByLink(mine, id)
    const asked = await fetch(`${emulator.url}/download?id=${id}&export=download`)
    expect([asked.status, await asked.text()]).toEqual([200, expect.stringContaining('Virus scan warning')])
    expect((await (await asStranger(id)).arrayBuffer()).byteLength).toBe(101 * 1024 * 1024)
  })
})

describe('a shortcut', () => {
  it('leads to a file or folder, and is neither', async () => {
    const folder = idOf(await theirs.create({ name: 'team', mimeType: FOLDER }))
    await put(theirs, 'x', folder)
    const shortcut = { name: 'team', mimeType: SHORTCUT, shortcutDetails: { targetId: folder } }
    expect(failure(await mine.create(shortcut))).toBe('404 notFound')
    emulator.share(folder, 'someone@example.com', 'writer')
    const { ids } = (await mine.get('files/generateIds', { type: 'shortcuts', count: 1 })).json as { ids: string[] }
    const id = idOf(await mine.create({ ...shortcut, id: ids[0] }))
    expect((await mine.get(`files/${id}`, { fields: 'mimeType,size,md5Checksum,shortcutDetails' })).json).toEqual({
      mimeType: SHORTCUT,
      shortcutDetails: { targetId: folder, targetMimeType: FOLDER },
    })
    expect(await mine.names(`'root' in parents and mimeType = '${FOLDER}'`)).toEqual([])
    expect(await mine.names(`shortcutDetails.targetId = '${folder}'`)).toEqual(['team'])
    expect(await mine.names(`'${id}' in parents`)).toEqual([])
    expect(failure(await mine.download(id))).toBe('403 fileNotDownloadable')
    expect(failure(await mine.create({ parents: [id] }))).toBe('403 parentNotAFolder')
    expect((await mine.remove(id)).status).toBe(204)
    expect((await mine.get(`files/${folder}`)).status).toBe(200)
  })
})

describe('a shared drive', () => {
  it('is there for calls that know of shared drives, and nobody owns what is in it', async () => {
    const drive = emulator.addSharedDrive('Lab', { 'someone@example.com': 'organizer', [OTHER]: 'fileOrganizer' })
    const about = await mine.get('about', { fields: 'storageQuota(usage)' })
    expect(failure(await mine.multipart({ parents: [drive] }, Buffer.from('x')))).toBe('404 notFound')
    const id = await put(mine, 'x', drive, { supportsAllDrives: 'true' })
    expect(failure(await mine.get(`files/${id}`))).toBe('404 notFound')
    const file = (await mine.get(`files/${id}`, { supportsAllDrives: true, fields: 'driveId,ownedByMe,owners,permissions,parents' })).json
    expect(file).toEqual({ driveId: drive, ownedByMe: false, parents: [drive] })
    expect((await mine.get('about', { fields: 'storageQuota(usage)' })).json).toEqual(about.json)
    expect((await mine.get(`drives/${drive}`)).json).toMatchObject({ id: drive, name: 'Lab' })
    expect((await theirs.get('drives', { fields: 'drives(name)' })).json).toEqual({ drives: [{ name: 'Lab' }] })
  })

  it('is listed by its corpora, or by a folder in it', async () => {
    const drive = emulator.addSharedDrive('Lab', { 'someone@example.com': 'organizer' })
    await put(mine, 'in the drive', drive, { supportsAllDrives: 'true' })
    await mine.create({ name: 'in My Drive' })
    const names = async (parameters: Record<string, string>) =>
      ((await mine.list({ fields: 'files(name)', ...parameters })).json.files as { name: string }[]).map(({ name }) => name).sort()
    expect(await names(ALL)).toEqual(['in My Drive'])
    expect(await names({ ...ALL, corpora: 'drive', driveId: drive })).toEqual(['in the drive'])
    expect(await names({ ...ALL, corpora: 'allDrives' })).toEqual(['in My Drive', 'in the drive'])
    expect(await names({ ...ALL, q: `'${drive}' in parents` })).toEqual(['in the drive'])
    expect(failure(await mine.list({ q: `'${drive}' in parents` }))).toBe('404 notFound')
    expect(failure(await mine.list({ ...ALL, corpora: 'drive' }))).toBe('400 invalidParameter')
    expect(failure(await mine.list({ corpora: 'drive', driveId: drive }))).toBe('400 invalidParameter')
  })

  it('lets content managers use the trash, and managers delete', async () => {
    const drive = emulator.addSharedDrive('Lab', { 'someone@example.com': 'organizer', [OTHER]: 'fileOrganizer' })
    const id = await put(theirs, 'x', drive, { supportsAllDrives: 'true' })
    const remove = (client: DriveClient) => client.call('DELETE', `/drive/v3/files/${id}?supportsAllDrives=true`)
    expect(failure(await remove(theirs))).toBe('403 insufficientFilePermissions')
    expect((await theirs.update(id, { trashed: true }, { supportsAllDrives: 'true' })).status).toBe(200)
    expect((await remove(mine)).status).toBe(204)
  })
})
