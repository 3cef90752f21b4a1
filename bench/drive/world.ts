import { PROFILES } from '../../test/drive-emulator/profiles.ts'
import { startRcloneWorld } from '../../test/interop/rclone.ts'

/** The emulator in a process of its own: what is measured must not wait for the one who measures. Answers `reset` and `counts` of its parent. */
const profile = process.argv[2] === 'home' ? 'home' : 'colab'
const world = await startRcloneWorld(24 * 3600_000, { profile })
const { accessToken } = world.emulator.issueToken({ expiresInMs: 24 * 3600_000 })
process.on('message', message => {
  if (message === 'reset') world.emulator.resetRecords()
  if (message === 'counts') {
    const { requests } = world.emulator
    const sum = (bytes: 'requestBytes' | 'responseBytes'): number => requests.reduce((all, request) => all + request[bytes], 0)
    process.send?.({ requests: requests.length, sent: sum('requestBytes'), fetched: sum('responseBytes') })
  }
  if (message === 'close') void world.close().then(() => process.exit(0))
})
// what the tests ask of rclone is to give up early; here it works as everybody has it
const env = Object.fromEntries(Object.entries(world.env).filter(([name]) => !/RETRIES|PACER/.test(name)))
process.send?.({ url: world.emulator.url, accessToken, env, bytesPerSecond: PROFILES[profile].bytesPerSecondTotal })
