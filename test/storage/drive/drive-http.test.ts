import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { DriveHttp } from '../../../src/storage/drive/drive-http.ts'
import { Pace } from '../../../src/storage/drive/pace.ts'
import { freeUnusedBuffers } from '../../../src/util/memory/unused-memory.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const BODY_BYTES = 48_000_000

/** Takes in a body and answers, once it is allowed to, with what has come of it. */
async function withServer(use: (url: string, server: { received: number; answer: () => void }) => Promise<void>): Promise<void> {
  const state = { received: 0, answer: (): void => undefined }
  const server = createServer((request, response) => {
    request.on('data', (piece: Buffer) => (state.received += piece.length))
    request.on('end', () => {
      state.answer = () => response.end(`{"length": ${request.headers['content-length']}, "received": ${state.received}}`)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, state)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('a large body is not kept a second time until its answer is there', () =>
  withServer(async (url, server) => {
    const http = new DriveHttp({
      tokens: { getToken: () => Promise.resolve('token') },
      fetch,
      pace: new Pace(() => Promise.resolve(), Date.now),
      now: Date.now,
      idleMs: 60_000,
    })
    const body = [seededNoise(1, BODY_BYTES)]
    freeUnusedBuffers(Infinity, 'major')
    const before = process.memoryUsage().arrayBuffers
    const sent = http.send({ operation: 'upload.put', task: 'store', url, method: 'PUT', body })
    await expect.poll(() => server.received, { timeout: 10_000 }).toBe(BODY_BYTES)
    freeUnusedBuffers(Infinity, 'major')
    // another thread frees the buffers that a collection found, and may be late
    await expect.poll(() => process.memoryUsage().arrayBuffers - before, { timeout: 2000 }).toBeLessThan(BODY_BYTES / 2)
    server.answer()
    expect(await http.json(await sent, 'store')).toEqual({ length: BODY_BYTES, received: BODY_BYTES })
  }))
