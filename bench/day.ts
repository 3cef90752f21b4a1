// A simulated day of training: `npm run bench:day -- --help`. Fails where a promise is broken.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { bundleOptions } from '../scripts/build.mjs'

const HELP = `npm run bench:day -- [options]

A day of training: checkpoints, of which a third is frozen, are pushed all day with --keep-last 5 --keep-best val_loss:2, and the machine is lost now and then in the
middle of a call. Versions are restored after each of them, all of them after a loss.

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
const [checkpoints, kills, seed, speed] = ['checkpoints', 'kills', 'seed', 'speed'].map(name => Number(values[name]))
const folder = mkdtempSync(join(tmpdir(), 'colab-escape-bench-day-'))
const megabytes = bytes => `${Math.round(bytes / 1e6)} MB`
/** Highest resident bytes of each tenth of the day. */
const peaks = Array(10).fill(0)
let step = 0
const watchMemory = () => {
  const tenth = Math.min(9, Math.floor((step * 10) / checkpoints))
  peaks[tenth] = Math.max(peaks[tenth], process.memoryUsage.rss())
}

const onStep = number => {
  watchMemory()
  if ((number + 1) % Math.ceil(checkpoints / 10) === 0)
    console.log(`${number + 1} of ${checkpoints}, up to ${megabytes(peaks[Math.floor((number * 10) / checkpoints)])} resident`)
  step = number + 1
}

/** Helpers of tests bring it along; nothing that is used here needs it. */
const withoutVitest = {
  name: 'without vitest',
  setup: ({ onResolve }) => onResolve({ filter: /^vitest$/ }, ({ path }) => ({ path, external: true, sideEffects: false })),
}

async function bundle(entries) {
  const options = { ...bundleOptions, entryPoints: entries, outdir: folder, outExtension: { '.js': '.mjs' }, entryNames: '[name]' }
  await build({ ...options, metafile: false, write: true, legalComments: 'none', plugins: [withoutVitest] })
  return name => pathToFileURL(join(folder, `${name}.mjs`)).href
}

/** The emulated Drive in a process of its own, and the store of the day on it. */
async function startDrive({ dayOnDrive, DayClock }, world) {
  const child = fork(fileURLToPath(world), [String(speed)])
  const [{ url, login }] = await once(child, 'message')
  const clock = new DayClock(speed)
  const pass = async ms => {
    child.send(ms)
    await once(child, 'message')
    clock.pass(ms)
  }
  return { store: dayOnDrive({ url, issueToken: () => login }, seed, clock, pass), close: () => child.disconnect() }
}

const timer = globalThis.setInterval(watchMemory, 100)
try {
  const bundled = await bundle(['test/watch/day.ts', 'test/watch/day-stores.ts', 'test/watch/day-clock.ts', 'bench/drive/day-world.ts'])
  const [{ trainForADay }, stores, clocks] = await Promise.all(['day', 'day-stores', 'day-clock'].map(name => import(bundled(name))))
  const { store, close } = values.drive
    ? await startDrive({ ...stores, ...clocks }, bundled('day-world'))
    : { store: stores.dayInFolder(join(folder, 'store'), seed, new clocks.DayClock(0)), close: () => undefined }
  const began = performance.now()
  const bytes = Number(values.megabytes) * 1e6
  const day = await trainForADay({ folder, store, seed, checkpoints, bytes, kills, restorePerStep: 2, onStep }).finally(close)
  const where = values.drive ? 'the emulated Drive, profile "colab"' : 'a folder'
  console.log(
    `${checkpoints} checkpoints of ${values.megabytes} MB to ${where}, ${kills} losses of the machine, in ${Math.round((performance.now() - began) / 1000)} s, ` +
      `${availableParallelism()} CPUs, Node ${process.versions.node}:`,
  )
  console.log(
    `${day.versions} versions stay, in ${megabytes(day.storedBytes)} after a prune a day later; at the end of the day ${megabytes(day.waitingBytes)} more waited in tombs, ` +
      `and ${megabytes(day.leftBytes)} were left by lost machines.`,
  )
  console.log(
    `Machines were lost ${day.losses.whilePushing} times while pushing, ${day.unacknowledged} of them with the version made before they knew, and ${day.losses.whileForgetting} times while forgetting.`,
  )
  const early = Math.max(...peaks.slice(0, 3))
  const late = Math.max(...peaks.slice(7))
  console.log(`Memory: up to ${megabytes(early)} in the first three tenths, ${megabytes(late)} in the last three.`)
  if (late > early * 1.3) throw new Error('Memory grows over the day.')
} finally {
  globalThis.clearInterval(timer)
  rmSync(folder, { recursive: true, force: true })
}
