import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/storage/virtual-clock.ts'
import { DriveClient, errorOf, failure, idOf, sendPiece } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { FOLDER } from './file-store.ts'
import { GRANULE } from './resumable.ts'

let emulator: DriveEmulator
let client: DriveClient

beforeEach(async () => {
  emulator = await startDriveEmulator()
  client = new DriveClient(emulator)
})
afterEach(() => emulator.close())

const content = Buffer.alloc(1000, 7)

describe('faults', () => {
  it('strike the nth call of a kind, or of any', async () => {
    emulator.faults.add({ on: 'files.list', nth: 2, times: 2, do: { status: 403, reason: 'userRateLimitExceeded', retryAfter: 7 } })
    emulator.faults.add({ nth: 6, do: 'html-error' })
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) {
      const answer = await client.list({})
      statuses.push(answer.status)
      if (i === 1)
        expect([failure(answer), errorOf(answer).errors[0]?.domain, answer.headers.get('retry-after')]).toEqual([
          '403 userRateLimitExceeded',
          'usageLimits',
          '7',
        ])
      if (i === 0) await client.create({})
    }
    expect(statuses).toEqual([200, 403, 403, 200])
    const page = await client.create({})
    expect([page.status, page.headers.get('content-type')]).toEqual([502, expect.stringContaining('text/html')])
    expect(emulator.files.size).toBe(2)
  })

  it('leave a call undone, or done without an answer', async () => {
    emulator.faults.add({ on: 'files.create', nth: 1, do: 'reset-before' })
    emulator.faults.add({ on: 'files.create', nth: 2, do: 'reset-after-commit' })
    emulator.faults.add({ on: 'files.create', nth: 3, do: { status: 500, reason: 'internalError', afterCommit: true } })
    await expect(client.create({ name: 'undone' })).rejects.toThrow()
    await expect(client.create({ name: 'done' })).rejects.toThrow()
    expect((await client.create({ name: 'done, 500' })).status).toBe(500)
    expect(await client.names('trashed=false')).toEqual(['done', 'done, 500'])
    expect(emulator.requests.map(({ status, fault }) => [status, fault?.slice(0, 10)]).slice(0, 3)).toEqual([
      [0, 'reset-befo'],
      [0, 'reset-afte'],
      [500, '{"status":'],
    ])
  })

  it('cut, turn or withhold what is downloaded', async () => {
    const id = idOf(await client.multipart({}, content))
    for (const [nth, fault] of (['cut-body', 'wrong-bytes'] as const).entries())
      emulator.faults.add({ on: 'media.get', nth: nth + 1, do: fault })
    await expect(client.download(id)).rejects.toThrow()
    const { bytes } = await client.download(id)
    expect([...bytes].filter(byte => byte !== 7)).toEqual([6])
    expect((await client.download(id)).bytes.equals(content)).toBe(true)
    emulator.faults.add({ on: 'media.get', nth: 1, do: 'stall' })
    const stalled = client.download(id)
    const first = await Promise.race([stalled.catch(() => 'closed'), new Promise(resolve => setTimeout(() => resolve('nothing yet'), 100))])
    expect(first).toBe('nothing yet')
    await emulator.close()
    await expect(stalled).rejects.toThrow()
  })

  it('turn a bit of what is uploaded, which its checksum tells', async () => {
    for (const on of ['upload.multipart', 'upload.piece'] as const) emulator.faults.add({ on, nth: 1, do: 'wrong-bytes' })
    const one = idOf(await client.multipart({}, content))
    const location = (await client.start({})).headers.get('location') ?? ''
    const two = idOf(await sendPiece(location, undefined, content))
    for (const id of [one, two]) {
      const bytes = emulator.files.get(id)?.content?.bytes ?? Buffer.alloc(0)
      expect([bytes.length, [...bytes].filter(byte => byte !== 7)]).toEqual([1000, [6]])
    }
  })

  it('can only be what could happen', () => {
    expect(() => emulator.faults.add({ on: 'files.list', nth: 1, do: 'wrong-bytes' })).toThrow()
    expect(() => emulator.faults.add({ on: 'files.list', nth: 1, do: { acceptOnlyBytes: 1 } })).toThrow()
    expect(() => emulator.faults.add({ nth: 0, do: 'stall' })).toThrow()
  })
})

describe('the record of requests', () => {
  it('counts by kind, and holds no secret', async () => {
    await client.multipart({ name: 'x' }, content, { fields: 'id' })
    const location = (await client.start({}, GRANULE)).headers.get('location') ?? ''
    await sendPiece(location, `bytes */${GRANULE}`)
    await sendPiece(location, undefined, Buffer.alloc(GRANULE))
    await client.list({ q: 'trashed=false' })
    expect(emulator.counts).toEqual({ 'upload.multipart': 1, 'upload.start': 1, 'upload.status': 1, 'upload.piece': 1, 'files.list': 1 })
    expect(emulator.requests[3]).toMatchObject({
      method: 'PUT',
      path: '/upload/drive/v3/files',
      query: { uploadType: 'resumable' },
      status: 200,
      requestBytes: GRANULE,
    })
    expect(emulator.requests[4]).toMatchObject({ query: { q: 'trashed=false' } })
    const secret = new URL(location).searchParams.get('upload_id') ?? 'none'
    expect(JSON.stringify(emulator.requests)).not.toContain(secret)
    emulator.resetRecords()
    expect(emulator.counts).toEqual({})
  })
})

describe('the colab profile', () => {
  it('takes its time, by the clock it was given, and refuses creations that come too fast', async () => {
    await emulator.close()
    const clock = new VirtualClock({ start: 0, quietMs: 10 })
    emulator = await startDriveEmulator({ surroundings: { now: clock.now, sleep: clock.sleep }, profile: 'colab' })
    client = new DriveClient(emulator)
    await client.list({})
    expect(clock.now()).toBeGreaterThanOrEqual(96)
    expect(clock.now()).toBeLessThanOrEqual(144)
    const before = clock.now()
    const id = idOf(await client.multipart({}, Buffer.alloc(4e6)))
    // latency 120 +- 20 %, creation 350, 4 MB at 40 MB/s
    expect(clock.now() - before).toBeGreaterThanOrEqual(96 + 350 + 100)
    expect(clock.now() - before).toBeLessThanOrEqual(144 + 350 + 101)
    const download = clock.now()
    await client.download(id)
    expect(clock.now() - download).toBeGreaterThanOrEqual(96 + 100)
    const answers = await Promise.all(Array.from({ length: 14 }, () => client.create({})))
    const refused = answers.filter(({ status }) => status === 403)
    expect(refused.length).toBeGreaterThanOrEqual(3)
    expect(refused.length).toBeLessThanOrEqual(5)
    expect(new Set(refused.map(failure))).toEqual(new Set(['403 userRateLimitExceeded']))
  })
})

describe('a mount of the Drive', () => {
  it('shows all files, twins side by side, and takes new ones', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'emulator-mount-'))
    try {
      const sub = idOf(await client.create({ name: 'sub', mimeType: FOLDER }))
      await client.multipart({ name: 'twin.txt', parents: [sub] }, Buffer.from('1'))
      await client.multipart({ name: 'twin.txt', parents: [sub] }, Buffer.from('2'))
      await client.update(idOf(await client.create({ name: 'gone' })), { trashed: true })
      await emulator.exportTo(folder)
      expect(await readdir(folder, { recursive: true })).toEqual(expect.arrayContaining(['sub', 'sub/twin (1).txt', 'sub/twin.txt']))
      expect(await readdir(folder)).toEqual(['sub'])
      expect(await readFile(join(folder, 'sub/twin.txt'), 'utf8')).toBe('1')
      emulator.addUser('other@example.com')
      await emulator.importFrom(folder, 'root', { user: 'other@example.com' })
      expect(emulator.fileAt('sub/twin (1).txt', 'other@example.com')?.content?.bytes.toString()).toBe('2')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
