import { PROFILES } from '../../test/drive-emulator/profiles.ts'
import { startRcloneWorld } from '../../test/interop/rclone.ts'

// The emulator in a process of its own, so that a tool never waits for the process that measures it. It follows the
// parent's messages `reset`, `counts` and `close`.

/** The first message to the parent. */
export interface Hello {
  url: string
  accessToken: string
  /** The environment in which rclone reaches the emulator. */
  env: Record<string, string>
  bytesPerSecond: number
}

/** The answer to `counts`: calls, and bytes in both directions, since the last `reset`. */
export interface Counts {
  requests: number
  sent: number
  fetched: number
}

const profile = process.argv[2] === 'home' ? 'home' : 'colab'
const world = await startRcloneWorld(24 * 3600_000, { profile })
const { accessToken } = world.emulator.issueToken({ expiresInMs: 24 * 3600_000 })
process.on('message', message => {
  if (message === 'reset') world.emulator.resetRecords()
  if (message === 'counts') {
    const { requests } = world.emulator
    const sum = (bytes: 'requestBytes' | 'responseBytes'): number => requests.reduce((all, request) => all + request[bytes], 0)
    process.send?.({ requests: requests.length, sent: sum('requestBytes'), fetched: sum('responseBytes') } satisfies Counts)
  }
  if (message === 'close') void world.close().then(() => process.exit(0))
})
// the tests make rclone give up early; here it has its own defaults, and programs are found as anywhere else
const env = Object.fromEntries(Object.entries(world.env).filter(([name]) => !/RETRIES|PACER|^PATH$/.test(name)))
process.send?.({ url: world.emulator.url, accessToken, env, bytesPerSecond: PROFILES[profile].bytesPerSecondTotal } satisfies Hello)
