import { startDriveEmulator } from '../../test/drive-emulator/emulator.ts'
import { DayClock } from '../../test/watch/day-clock.ts'

/** The emulator in a process of its own, so that what is measured is the program alone. Its clock runs `speed` times as fast as the true one; a number put to it passes so many ms. */
const clock = new DayClock(Number(process.argv[2]))
const emulator = await startDriveEmulator({ surroundings: { now: clock.now, sleep: clock.sleep }, profile: 'colab' })
process.on('message', (ms: number) => {
  clock.pass(ms)
  emulator.resetRecords()
  process.send?.(ms)
})
process.on('disconnect', () => process.exit())
process.send?.({ url: emulator.url, login: emulator.issueToken() })
