import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../helpers/storage/virtual-clock.ts'
import { DriveClient, failure, idOf } from './client.ts'
import { startDriveEmulator } from './emulator.ts'

describe('the colab profile', () => {
  it('takes its time, by the clock it was given, and refuses creations that come too fast', async () => {
    const clock = new VirtualClock({ start: 0, quietMs: 10 })
    const emulator = await startDriveEmulator({ surroundings: { now: clock.now, sleep: clock.sleep }, profile: 'colab' })
    const client = new DriveClient(emulator)
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
    await emulator.close()
  })
})
