import { type DriveEmulator, startDriveEmulator } from '../../test/drive-emulator/emulator.ts'
import { DayClock } from '../../test/watch/day-clock.ts'

// The emulator in a process of its own, so that only the program is measured. Its clock runs `speed` times as fast as
// the true one. A number that the parent sends passes as many ms.

/** The first message to the parent. */
export interface DayWorld {
  url: string
  login: ReturnType<DriveEmulator['issueToken']>
}

const clock = new DayClock(Number(process.argv[2]))
const emulator = await startDriveEmulator({ surroundings: { now: clock.now, sleep: clock.sleep }, profile: 'colab' })
process.on('message', (ms: number) => {
  clock.pass(ms)
  emulator.resetRecords()
  process.send?.(ms)
})
process.on('disconnect', () => process.exit())
process.send?.({ url: emulator.url, login: emulator.issueToken() } satisfies DayWorld)
