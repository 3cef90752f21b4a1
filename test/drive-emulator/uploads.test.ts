import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, errorOf, failure, idOf, sendPiece } from './client.ts'
import type { Answer } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { GRANULE } from './resumable.ts'

let emulator: DriveEmulator
let client: DriveClient
let now = Date.UTC(2026, 0, 1)
const content = randomBytes(3 * GRANULE + 1000)
const total = content.length

beforeEach(async () => {
  emulator = await startDriveEmulator({ surroundings: { now: () => now }, violations: 'noted' })
  client = new DriveClient(emulator)
})
afterEach(() => emulator.close())

const open = async (metadata: object = { name: 'big' }, length?: number, parameters: Record<string, string> = {}) => {
  const answer = await client.start(metadata, length, parameters)
  expect(answer.status).toBe(200)
  return answer.headers.get('location') ?? ''
}
const piece = (location: string, first: number, end: number, size: number | '*' = total) =>
  sendPiece(location, `bytes ${first}-${end - 1}/${size}`, content.subarray(first, end))
const at = (answer: Answer) => [answer.status, answer.headers.get('range')]

describe('whole uploads', () => {
  it('stores multipart and simple uploads exactly, with all sums', async () => {
    const made = await client.multipart({ name: 'm', modifiedTime: '2020-01-02T03:04:05.678901Z' }, content, { fields: '*' })
    const sum = (algorithm: string) => createHash(algorithm).update(content).digest('hex')
    expect(made.json).toMatchObject({
      name: 'm',
      size: String(total),
      md5Checksum: sum('md5'),
      sha1Checksum: sum('sha1'),
      sha256Checksum: sum('sha256'),
      modifiedTime: '2020-01-02T03:04:05.678Z',
      mimeType: 'application/octet-stream',
      parents: [emulator.accounts.user(undefined).rootId],
    })
    expect((await client.download(idOf(made))).bytes.equals(content)).toBe(true)
    const simple = await client.call('POST', '/upload/drive/v3/files?uploadType=media', {
      body: content,
      headers: { 'content-type': 'x/y' },
    })
    expect(simple.json).toEqual({ kind: 'drive#file', id: idOf(simple), name: 'Untitled', mimeType: 'x/y' })
    const updated = await client.call('PATCH', `/upload/drive/v3/files/${idOf(simple)}?uploadType=media&fields=size`, { body: 'new' })
    expect(updated.json).toEqual({ size: '3' })
    expect(emulator.files.get(idOf(simple))?.content?.bytes.toString()).toBe('new')
  })

  it('refuses unknown upload types and parameters', async () => {
    expect(failure(await client.call('POST', '/upload/drive/v3/files?uploadType=other', { body: 'x' }))).toBe('400 badRequest')
    expect(failure(await client.call('POST', '/upload/drive/v3/files?uploadType=media&nope=1', { body: 'x' }))).toBe('400 invalidParameter')
  })
})

describe('resumable uploads', () => {
  it('go piece by piece, and answer 308 with what has arrived', async () => {
    const location = await open({ name: 'big' }, total, { fields: 'id,md5Checksum,mimeType' })
    expect(at(await sendPiece(location, `bytes */${total}`))).toEqual([308, null])
    expect(at(await piece(location, 0, GRANULE))).toEqual([308, `bytes=0-${GRANULE - 1}`])
    expect(at(await sendPiece(location, `bytes */${total}`))).toEqual([308, `bytes=0-${GRANULE - 1}`])
    expect(at(await piece(location, GRANULE, 3 * GRANULE))).toEqual([308, `bytes=0-${3 * GRANULE - 1}`])
    const last = await piece(location, 3 * GRANULE, total)
    const md5Checksum = createHash('md5').update(content).digest('hex')
    expect([last.status, last.json]).toEqual([200, { id: idOf(last), md5Checksum, mimeType: 'application/x-test' }])
    expect(emulator.files.get(idOf(last))?.content?.bytes.equals(content)).toBe(true)
    for (const again of [await piece(location, 3 * GRANULE, total), await sendPiece(location, `bytes */${total}`)])
      expect([again.status, again.json]).toEqual([200, last.json])
    expect(emulator.files.size).toBe(2)
  })

  it('take a whole body without Content-Range, an unknown total, and nothing at all', async () => {
    expect((await sendPiece(await open(), undefined, content)).status).toBe(200)
    const unknown = await open()
    expect(at(await piece(unknown, 0, GRANULE, '*'))).toEqual([308, `bytes=0-${GRANULE - 1}`])
    expect(at(await sendPiece(unknown, 'bytes */*'))).toEqual([308, `bytes=0-${GRANULE - 1}`])
    expect((await piece(unknown, GRANULE, total)).status).toBe(200)
    const empty = await sendPiece(await open({ name: 'empty' }, 0), undefined)
    expect(emulator.files.get(idOf(empty))?.content?.bytes.length).toBe(0)
    expect((await sendPiece(await open({ name: 'empty' }), 'bytes */0')).status).toBe(200)
  })

  it('keep what arrived before where pieces overlap', async () => {
    const location = await open()
    await piece(location, 0, 2 * GRANULE)
    const last = await piece(location, GRANULE, total)
    expect(emulator.files.get(idOf(last))?.content?.bytes.equals(content)).toBe(true)
  })

  it('refuse gaps, odd pieces, and ranges that do not fit', async () => {
    const location = await open({ name: 'big' }, total)
    const gap = await piece(location, GRANULE, 2 * GRANULE)
    expect([gap.status, gap.bytes.toString()]).toEqual([503, expect.stringContaining('exceeds already uploaded size of 0 byte(s)')])
    expect(failure(await piece(location, 0, 1000))).toBe('400 badRequest')
    expect(failure(await piece(location, 0, GRANULE + 1))).toBe('400 badRequest')
    expect(failure(await sendPiece(location, `bytes 0-${GRANULE - 1}/${total}`, content.subarray(0, 10)))).toBe('400 badRequest')
    expect(failure(await piece(location, 0, GRANULE, total + 1))).toBe('400 badRequest')
    for (const header of ['bytes 5-4/10', 'bytes 0-10/10', 'bytes=0-9/10', 'bytes 0-/10', 'bytes */-1', 'bytes 0-9'])
      expect(failure(await sendPiece(location, header, content.subarray(0, 10)))).toBe('400 badRequest')
    expect(at(await sendPiece(location, `bytes */${total}`))).toEqual([308, null])
  })

  it('keep only part of a piece where the fault table says so, in steps of 256 KiB', async () => {
    emulator.faults.add({ on: 'upload.piece', nth: 1, do: { acceptOnlyBytes: GRANULE + 17 } })
    emulator.faults.add({ on: 'upload.piece', nth: 2, do: { acceptOnlyBytes: 17 } })
    const location = await open({ name: 'big' }, total)
    expect(at(await piece(location, 0, total))).toEqual([308, `bytes=0-${GRANULE - 1}`])
    expect(at(await piece(location, GRANULE, total))).toEqual([308, `bytes=0-${GRANULE - 1}`])
    const last = await piece(location, GRANULE, total)
    expect(emulator.files.get(idOf(last))?.content?.bytes.equals(content)).toBe(true)
  })

  it('survive a connection that breaks inside a piece', async () => {
    const location = await open({ name: 'big' }, total)
    const stop = new AbortController()
    const half = new ReadableStream<Uint8Array>({
      async pull(controller) {
        controller.enqueue(new Uint8Array(content.subarray(0, GRANULE + 5000)))
        await new Promise(resolve => setTimeout(resolve, 100))
        stop.abort()
      },
    })
    const init = {
      method: 'PUT',
      body: half,
      duplex: 'half',
      signal: stop.signal,
      headers: { 'content-range': `bytes 0-${total - 1}/${total}` },
    }
    await expect(fetch(location, init as RequestInit)).rejects.toThrow()
    await expect.poll(async () => at(await sendPiece(location, `bytes */${total}`))).toEqual([308, `bytes=0-${GRANULE - 1}`])
  })

  it('end after a week, and are unknown elsewhere', async () => {
    const location = await open()
    now += 7 * 24 * 3600 * 1000
    expect((await piece(location, 0, total)).status).toBe(410)
    emulator.uploads.sessions.forgetAll()
    expect((await piece(location, 0, total)).status).toBe(404)
    expect((await sendPiece(`${emulator.url}/upload/drive/v3/files?upload_id=x`, 'bytes */*')).status).toBe(404)
  })

  it('never make two files of one id', async () => {
    const { ids } = (await client.get('files/generateIds', { count: 1 })).json as { ids: string[] }
    const metadata = { id: ids[0], name: 'once' }
    const [first, second] = [await open(metadata), await open(metadata)]
    expect((await piece(first, 0, total)).status).toBe(200)
    const late = await piece(second, 0, total)
    expect([failure(late), errorOf(late).message]).toEqual(['409 fileIdInUse', 'A file already exists with the provided ID.'])
    expect(failure(await client.start(metadata))).toBe('409 fileIdInUse')
    expect(failure(await client.multipart(metadata, content))).toBe('409 fileIdInUse')
    expect(failure(await client.start({ id: 'made-up' }))).toBe('400 invalid')
    expect(emulator.files.size).toBe(2)
  })

  it('update a file in place', async () => {
    const id = idOf(await client.multipart({ name: 'old' }, Buffer.from('old')))
    const start = await client.call('PATCH', `/upload/drive/v3/files/${id}?uploadType=resumable`, {
      body: '{"name":"new"}',
      headers: { 'content-type': 'application/json' },
    })
    expect((await piece(start.headers.get('location') ?? '', 0, total)).json).toMatchObject({ id, name: 'new' })
    expect(emulator.files.get(id)?.content?.bytes.equals(content)).toBe(true)
  })
})
