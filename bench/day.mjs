// A simulated day of training: `npm run bench:day -- [--checkpoints 300] [--megabytes 50] [--kills 20] [--seed 1]`. Fails where a promise is broken.
import { build } from 'esbuild'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    checkpoints: { type: 'string', default: '300' },
    megabytes: { type: 'string', default: '50' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})
const checkpoints = Number(values.checkpoints)
const folder = mkdtempSync(join(tmpdir(), 'colab-escape-bench-day-'))
const megabytes = bytes => `${Math.round(bytes / 1e6)} MB`
/** Highest resident bytes of each tenth of the day. */
const peaks = Array(10).fill(0)

const watchMemory = step => {
  const tenth = Math.min(9, Math.floor((step * 10) / checkpoints))
  peaks[tenth] = Math.max(peaks[tenth], process.memoryUsage.rss())
  if ((step + 1) % Math.ceil(checkpoints / 10) === 0)
    console.log(`${step + 1} of ${checkpoints}, up to ${megabytes(peaks[tenth])} resident`)
}

/** Helpers of tests bring it along; nothing that is used here needs it. */
const withoutVitest = {
  name: 'without vitest',
  setup: ({ onResolve }) => onResolve({ filter: /^vitest$/ }, ({ path }) => ({ path, external: true, sideEffects: false })),
}

try {
  const bundle = join(folder, 'day.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('../test/watch/day.ts', import.meta.url))],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [withoutVitest],
    logLevel: 'error',
  })
  const { trainForADay } = await import(pathToFileURL(bundle).href)
  const { versions, storedBytes, unacknowledged } = await trainForADay({
    folder,
    seed: Number(values.seed),
    checkpoints,
    bytes: Number(values.megabytes) * 1e6,
    kills: Number(values.kills),
    restorePerStep: 2,
    onStep: watchMemory,
  })
  console.log(
    `${versions} versions stay, ${megabytes(storedBytes)} stored, ${unacknowledged} made by a machine that was lost before it knew.`,
  )
  const early = Math.max(...peaks.slice(0, 3))
  const late = Math.max(...peaks.slice(7))
  console.log(`Memory: up to ${megabytes(early)} in the first three tenths, ${megabytes(late)} in the last three.`)
  if (late > early * 1.3) throw new Error('Memory grows over the day.')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
