// A simulated day of training: `npm run bench:day -- --help`. Fails where a promise is broken.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { DayClock } from '../test/watch/day-clock.ts'
import { dayInFolder, dayOnDrive } from '../test/watch/day-stores.ts'
import { type DayStore, trainForADay } from '../test/watch/day.ts'
import type { DayWorld } from './drive/day-world.ts'
import { megabytes } from './report.ts'

const HELP = `npm run bench:day -- [options]

A day of training: checkpoints, of which a third is frozen, are pushed all day with --keep-last 5 --keep-best val_loss:2, and
the machine is lost now and then in the middle of a call. Versions are restored after each of them, all of them after a loss.

  --drive             to the emulated Drive, profile "colab", over HTTP, in a time that runs faster (default: to a folder)
  --checkpoints <n>   default: 300
  --megabytes <n>     of each checkpoint, default: 50
  --kills <n>         default: 20
  --seed <n>          default: 1
  --speed <n>         how much faster the time of the emulated Drive runs, default: 10
`

const { values } = parseArgs({
  options: {
    drive: { type: 'boolean', default: false },
    checkpoints: { type: 'string', default: '300' },
    megabytes: { type: 'string', default: '50' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    speed: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit()
}
const [checkpoints, kills, seed, speed] = [values.checkpoints, values.kills, values.seed, values.speed].map(Number) as [
  number,
  number,
  number,
  number,
]
const folder = mkdtempSync(join(tmpdir(), 'colab-escape-bench-day-'))
const wholeMegabytes = (bytes: number): string => `${megabytes(bytes, 0)} MB`
/** Highest resident bytes of each tenth of the day. */
const peaks = new Array<number>(10).fill(0)
let step = 0
const watchMemory = (): void => {
  const tenth = Math.min(9, Math.floor((step * 10) / checkpoints))
  peaks[tenth] = Math.max(peaks[tenth]!, process.memoryUsage.rss())
}

const onStep = (number: number): void => {
  watchMemory()
  if ((number + 1) % Math.ceil(checkpoints / 10) === 0)
    console.log(`${number + 1} of ${checkpoints}, up to ${wholeMegabytes(peaks[Math.floor((number * 10) / checkpoints)]!)} resident`)
  step = number + 1
}

/** Starts the emulated Drive in a process of its own, and gives the store of the day on it. */
async function startDrive(): Promise<{ store: DayStore; close: () => void }> {
  const run = fileURLToPath(new URL('../scripts/run.mjs', import.meta.url))
  const child = fork(run, [fileURLToPath(new URL('drive/day-world.ts', import.meta.url)), String(speed)])
  const [{ url, login }] = (await once(child, 'message')) as [DayWorld]
  const clock = new DayClock(speed)
  const pass = async (ms: number): Promise<void> => {
    child.send(ms)
    await once(child, 'message')
    clock.pass(ms)
  }
  return { store: dayOnDrive({ url, issueToken: () => login }, seed, clock, pass), close: () => child.disconnect() }
}

const timer = setInterval(watchMemory, 100)
try {
  const { store, close } = values.drive
    ? await startDrive()
    : { store: dayInFolder(join(folder, 'store'), seed, new DayClock(0)), close: () => undefined }
  const began = performance.now()
  const bytes = Number(values.megabytes) * 1e6
  const day = await trainForADay({ folder, store, seed, checkpoints, bytes, kills, restorePerStep: 2, onStep }).finally(close)
  const where = values.drive ? 'the emulated Drive, profile "colab"' : 'a folder'
  console.log(
    `${checkpoints} checkpoints of ${values.megabytes} MB to ${where}, ${kills} losses of the machine, in ${Math.round((performance.now() - began) / 1000)} s, ` +
      `${availableParallelism()} CPUs, Node ${process.versions.node}:`,
  )
  console.log(
    `${day.versions} versions stay, in ${wholeMegabytes(day.storedBytes)} after a prune a day later; at the end of the day ${wholeMegabytes(day.waitingBytes)} more waited in tombs, ` +
      `and ${wholeMegabytes(day.leftBytes)} were left by lost machines.`,
  )
  console.log(
    `Machines were lost ${day.losses.whilePushing} times while pushing, ${day.unacknowledged} of them with the version made before they knew, and ${day.losses.whileForgetting} times while forgetting.`,
  )
  const early = Math.max(...peaks.slice(0, 3))
  const late = Math.max(...peaks.slice(7))
  console.log(`Memory: up to ${wholeMegabytes(early)} in the first three tenths, ${wholeMegabytes(late)} in the last three.`)
  if (late > early * 1.3) throw new Error('Memory grows over the day.')
} finally {
  clearInterval(timer)
  rmSync(folder, { recursive: true, force: true })
}
