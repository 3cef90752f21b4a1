import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, errorOf, failure, idOf, sendPiece } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'

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
