import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, sendPiece } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { GRANULE } from './resumable.ts'

let emulator: DriveEmulator
let client: DriveClient

beforeEach(async () => {
  emulator = await startDriveEmulator()
  client = new DriveClient(emulator)
})
afterEach(() => emulator.close())

describe('the record of requests', () => {
  it('counts by kind, and holds no secret', async () => {
    await client.multipart({ name: 'x' }, Buffer.from('x'), { fields: 'id' })
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
