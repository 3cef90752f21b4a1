import { afterEach, describe, expect, it } from 'vitest'
import { behavioursOf } from './behaviours.ts'
import type { Behaviours } from './behaviours.ts'
import { DriveClient, failure, idOf, sendPiece } from './client.ts'
import { BROWSER_CLIENT_ID, startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { FOLDER } from './file-store.ts'
import { REFUSALS } from './refusals.ts'
import { GRANULE } from './resumable.ts'

let emulator: DriveEmulator

/** A Drive whose time stands still unless a test passes it. */
async function driveWith(behaviours: Behaviours): Promise<DriveClient> {
  emulator = await startDriveEmulator({ behaviours, surroundings: { now: () => 0 } })
  return new DriveClient(emulator)
}
afterEach(() => emulator.close())

const SECOND = 1000
const statuses = async (times: number, call: () => Promise<{ status: number }>) => {
  const seen: number[] = []
  for (let i = 0; i < times; i++) seen.push((await call()).status)
  return seen
}

describe('a Drive that behaves as the real one does at times', () => {
  it('refuses every call for minutes, in turn with every kind of refusal', async () => {
    const client = await driveWith({ storms: [{ atCall: 2, ms: 60 * SECOND, with: ['tooManyRequestsEmpty', 'rateLimitInDetails'] }] })
    expect((await client.list({})).status).toBe(200)
    const [first, second] = [await client.list({}), await client.create({ name: 'x' })]
    expect([first.status, first.bytes.length, second.status]).toEqual([429, 0, 403])
    expect(second.json).toMatchObject({ error: { status: 'PERMISSION_DENIED', details: [{ reason: 'RATE_LIMIT_EXCEEDED' }] } })
    expect(second.json.error).not.toHaveProperty('errors')
    emulator.pass(59 * SECOND)
    expect((await client.list({})).status).toBe(429)
    emulator.pass(SECOND)
    expect(await statuses(3, () => client.list({}))).toEqual([200, 200, 200])
  })

  it('counts new files by the minute', async () => {
    const client = await driveWith({ creationsPerMinute: 2 })
    expect(await statuses(4, () => client.create({ name: 'x' }))).toEqual([200, 200, 403, 403])
    expect((await client.list({})).status).toBe(200)
    emulator.pass(60 * SECOND)
    expect(await statuses(3, () => client.create({ name: 'x' }))).toEqual([200, 200, 403])
  })

  it.each<[Behaviours['severalParents'], string[]]>([
    ['all', ['in a', 'in b']],
    ['first', ['in a']],
    ['none', []],
  ])('finds of the children of several folders: %s', async (severalParents, expected) => {
    const client = await driveWith({ ...(severalParents === undefined ? {} : { severalParents }) })
    const ids: string[] = []
    for (const name of ['a', 'b']) {
      const folder = idOf(await client.create({ name, mimeType: FOLDER }))
      await client.create({ name: `in ${name}`, parents: [folder] })
      ids.push(folder)
    }
    const q = `(${ids.map(id => `'${id}' in parents`).join(' or ')}) and trashed = false`
    expect(await client.names(q)).toEqual(expected)
    expect((await client.list({ q, fields: 'incompleteSearch' })).json).toEqual({ incompleteSearch: false })
    expect(await client.names(`'${ids[1]}' in parents`)).toEqual(['in b'])
  })

  it('leaves out a part of a listing, and says so', async () => {
    const client = await driveWith({ incompleteSearchEvery: 2 })
    for (const name of ['a', 'b', 'c', 'd']) await client.create({ name })
    const [whole, part] = [await client.list({ fields: '*' }), await client.list({ fields: '*' })]
    expect([whole.json.incompleteSearch, (whole.json.files as unknown[]).length]).toEqual([false, 4])
    expect([part.json.incompleteSearch, (part.json.files as unknown[]).length]).toEqual([true, 2])
  })

  it('gives a file that it holds for abusive to its owner only, who has to say so', async () => {
    const client = await driveWith({ abusiveBelow: 128 })
    // SHA-256 of 'a' begins with ca, that of 'b' with 3e
    const [good, bad] = [idOf(await client.multipart({}, Buffer.from('a'))), idOf(await client.multipart({}, Buffer.from('b')))]
    const acknowledged = (id: string) => client.get(`files/${id}`, { alt: 'media', acknowledgeAbuse: true })
    expect((await client.download(good)).bytes.toString()).toBe('a')
    expect(failure(await client.download(bad))).toBe('403 cannotDownloadAbusiveFile')
    expect(failure(await client.download(bad, 'bytes=0-0'))).toBe('403 cannotDownloadAbusiveFile')
    expect((await acknowledged(bad)).bytes.toString()).toBe('b')
    expect((await acknowledged(good)).status).toBe(400)
  })

  it('gives what it holds for abusive in a shared drive to its managers', async () => {
    await driveWith({ abusiveBelow: 256 })
    const member = 'other@example.com'
    emulator.addUser(member)
    const parents = [emulator.addSharedDrive('Lab', { 'someone@example.com': 'organizer', [member]: 'fileOrganizer' })]
    const [manager, other] = [new DriveClient(emulator), new DriveClient(emulator, { user: member })]
    const id = idOf(await other.multipart({ parents }, Buffer.from('b'), { supportsAllDrives: 'true' }))
    const how = { alt: 'media', acknowledgeAbuse: true, supportsAllDrives: true }
    expect(failure(await other.get(`files/${id}`, how))).toBe('403 cannotDownloadAbusiveFile')
    expect((await manager.get(`files/${id}`, how)).bytes.toString()).toBe('b')
  })

  it('refuses nothing to people with a browser', async () => {
    await driveWith({ storms: [{ atCall: 1, ms: 60 * SECOND, with: ['tooManyRequests'] }] })
    const browser = new DriveClient(emulator, { clientId: BROWSER_CLIENT_ID })
    expect((await browser.list({})).status).toBe(200)
    expect((await new DriveClient(emulator).list({})).status).toBe(429)
    expect((await browser.list({})).status).toBe(200)
  })

  it.each([10, GRANULE, GRANULE + 10])('answers 308 to a last piece of %i bytes, which it has lost, or has', async size => {
    const client = await driveWith({ unfinishedLastPieces: true })
    const bytes = Buffer.alloc(size, 'x')
    const send = async () => {
      const location = (await client.start({ name: 'x' }, size)).headers.get('location') ?? ''
      const all = `bytes 0-${size - 1}/${size}`
      const answers = [await sendPiece(location, all, bytes), await sendPiece(location, `bytes */${size}`)]
      return { seen: answers.map(({ status, headers }) => `${status} ${headers.get('range') ?? ''}`), location, all }
    }
    const lost = await send()
    expect(lost.seen).toEqual(['308 ', '308 '])
    expect((await sendPiece(lost.location, lost.all, bytes)).status).toBe(200)
    expect((await send()).seen).toEqual([`308 bytes=0-${size - 1}`, '200 '])
    expect([...emulator.files.values()].filter(file => file.content?.bytes.equals(bytes))).toHaveLength(2)
  })

  it('does not know a folder that was just made, nor list new files, nor have their sums', async () => {
    const client = await driveWith({ newFoldersAreMissingMs: 3 * SECOND, listingLagMs: 5 * SECOND, sumsAreMissingMs: 7 * SECOND })
    const folder = idOf(await client.create({ name: 'new', mimeType: FOLDER }))
    const put = () => client.multipart({ name: 'x', parents: [folder] }, Buffer.from('x'), { fields: 'id,md5Checksum,sha256Checksum' })
    expect(failure(await put())).toBe('404 notFound')
    expect(failure(await client.list({ q: `'${folder}' in parents` }))).toBe('404 notFound')
    expect((await client.get(`files/${folder}`)).status).toBe(200)
    emulator.pass(3 * SECOND)
    const file = await put()
    expect(Object.keys(file.json)).toEqual(['id'])
    expect(await client.names(`'${folder}' in parents`)).toEqual([])
    emulator.pass(5 * SECOND)
    expect(await client.names(`'${folder}' in parents`)).toEqual(['x'])
    emulator.pass(2 * SECOND)
    expect((await client.get(`files/${idOf(file)}`, { fields: 'md5Checksum' })).json).toHaveProperty('md5Checksum')
  })

  it('says why in three ways: reasons, details, or a page', () => {
    for (const [name, make] of Object.entries(REFUSALS)) {
      const error = make()
      expect([429, 403, 500, 502, 503], name).toContain(error.status)
      if (error.headers['content-type']?.startsWith('application/json') === true) expect(JSON.parse(error.body())).toHaveProperty('error')
    }
  })

  it('is the one that DRIVE_PROFILE names', async () => {
    await driveWith({})
    const before = process.env.DRIVE_PROFILE
    try {
      process.env.DRIVE_PROFILE = 'sums,pieces'
      expect(behavioursOf(undefined)).toEqual({ timeScale: 20, sumsAreMissingMs: 20_000, unfinishedLastPieces: true })
      expect(behavioursOf({})).toEqual({})
      process.env.DRIVE_PROFILE = 'real'
      expect(behavioursOf(undefined).storms).toHaveLength(5)
      process.env.DRIVE_PROFILE = 'nope'
      expect(() => behavioursOf(undefined)).toThrow(/knows no nope/)
    } finally {
      if (before === undefined) delete process.env.DRIVE_PROFILE
      else process.env.DRIVE_PROFILE = before
    }
  })
})
