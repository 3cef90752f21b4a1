import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, idOf, query, send, sendPiece } from './client.ts'
import { DOCUMENT, WITHOUT_DOCUMENT } from './discovery-document.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { FOLDER } from './file-store.ts'

let emulator: DriveEmulator
let client: DriveClient

beforeEach(async () => {
  emulator = await startDriveEmulator({ violations: 'noted' })
  client = new DriveClient(emulator)
})
afterEach(() => emulator.close())

/** A test that is left out, and says so, where Google's description is not installed. */
const described = DOCUMENT === undefined ? it.skip : it
if (DOCUMENT === undefined) console.warn(WITHOUT_DOCUMENT)

const json = (path: string, body: unknown, method = 'POST') =>
  client.call(method, path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

// [what is wrong, how it is told]
const WRONG: readonly [string, (id: string) => Promise<unknown>, RegExp][] = [
  ['a path', () => client.get('file'), /no method of Drive is GET \/drive\/v3\/file$/],
  ['a method', id => client.call('PUT', `/drive/v3/files/${id}`), /no method of Drive is PUT/],
  ['a parameter', () => client.list({ pagesize: 3 }), /drive\.files\.list: unknown parameter pagesize/],
  ['a parameter of another method', () => client.list({ addParents: 'x' }), /files\.list: unknown parameter addParents/],
  ['a parameter of older times', () => client.list({ supportsTeamDrives: true }), /supportsTeamDrives is deprecated/],
  ['a number', () => client.list({ pageSize: '1e3' }), /pageSize="1e3" is no integer/],
  ['a number out of range', () => client.list({ pageSize: 1001 }), /pageSize="1001" is out of range/],
  ['a boolean', () => client.list({ supportsAllDrives: 1 }), /supportsAllDrives="1" is no boolean/],
  ['a value', () => client.list({ alt: 'xml' }), /alt="xml" is none of json, media, proto/],
  ['a field', () => client.list({ fields: 'files(id,nmae)' }), /fields=files\(id,nmae\): Invalid field selection nmae/],
  ['a field of a field', () => client.list({ fields: 'files(owners(name))' }), /Invalid field selection name/],
  ['a member', () => client.create({ title: 'x' }), /files\.create: body\.title does not exist/],
  ['a type in the body', () => client.create({ parents: 'root' }), /body\.parents is no list/],
  ['a time', () => client.create({ modifiedTime: 'today' }), /body\.modifiedTime="today" is no time/],
  ['a property', () => client.create({ appProperties: { a: 1 } }), /body\.appProperties\.a is no text/],
  ['a member that Drive sets', () => client.create({ size: '3' }), /body\.size is set by Drive only/],
  ['a member of an upload', () => client.multipart({ title: 'x' }, Buffer.from('x')), /body\.title does not exist/],
  ['a member of a session', () => client.start({ title: 'x' }), /body\.title does not exist/],
  ['a body', id => json(`/drive/v3/files/${id}`, {}, 'DELETE'), /a body where there is to be none/],
  ['a type of body', () => client.call('POST', '/drive/v3/files', { body: '{}' }), /a body of type text\/plain/],
  ['an upload', () => client.call('POST', '/upload/drive/v3/files'), /an upload without its uploadType/],
  ['a grant', () => token({ grant_type: 'password' }), /token: no grant is password/],
  ['a field of a grant', () => token({ grant_type: 'refresh_token', token: 'x' }), /token: unknown parameter token/],
  ['a scope', () => send(`${emulator.url}/o/oauth2/v2/auth?scope=drive`, 'GET'), /auth: no scope is drive/],
]
const token = (fields: Record<string, string>) =>
  send(`${emulator.url}/token`, 'POST', { body: query(fields), headers: { 'content-type': 'application/x-www-form-urlencoded' } })

describe("Google's description of Drive", () => {
  described.each(WRONG)('does not know %s', async (_what, request, problem) => {
    const id = idOf(await client.create({ name: 'x' }))
    expect(emulator.violations).toEqual([])
    await request(id)
    expect(emulator.violations).toContainEqual(expect.stringMatching(problem))
  })

  described('knows whatever is asked of it rightly, and what the emulator answers', async () => {
    const { ids } = (await client.get('files/generateIds', { count: 2, space: 'drive', type: 'files' })).json as { ids: string[] }
    const folder = idOf(await client.create({ id: ids[0], name: 'folder', mimeType: FOLDER }, { fields: '*' }))
    const file = idOf(await client.multipart({ name: 'x', parents: [folder] }, Buffer.from('x'), { fields: 'id,size,sha256Checksum' }))
    const location = (await client.start({ name: 'y', appProperties: { a: 'b', c: null } }, 3)).headers.get('location') ?? ''
    await sendPiece(location, 'bytes 0-2/3', Buffer.from('yyy'))
    await client.list({
      q: `'${folder}' in parents`,
      fields: '*',
      pageSize: 1000,
      supportsAllDrives: true,
      includeItemsFromAllDrives: true,
    })
    await client.get(`files/${file}`, { fields: '*' })
    await client.get(`files/${file}/permissions`, { fields: '*' })
    await client.get('about', { fields: '*' })
    await client.download(file, 'bytes=0-0')
    await client.update(file, { trashed: true })
    await client.remove(file)
    expect([emulator.violations, emulator.checked]).toEqual([[], 12])
  })

  described('is what a test fails by, when its emulator is closed', async () => {
    const strict = await startDriveEmulator()
    await new DriveClient(strict).list({ pagesize: 3 })
    await expect(strict.close()).rejects.toThrow(/drive\.files\.list: unknown parameter pagesize/)
  })
})
