import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeCorpus } from './make-corpus.mjs'
import { isSame, measure, sizeOf, summary, warmUp } from './measure.mjs'
import { megabytes, perSecond, seconds, table } from './report.mjs'
import { makeBigFile, makeManyFiles } from './scale-data.mjs'

/** What stands beside colab-escape for the small files, and for content of every kind. */
const PEERS_OF_MANY = ['restic-auto']
const PEERS_OF_ALL_KINDS = ['tar-t2']
/** All tools take a file that changed this shortly before a push for one that may still be changing. */
const SETTLED_MS = 3000

/** Many small files pushed, pushed again unchanged and restored; one large file, and a folder with content of every kind, pushed and restored. */
export async function measureScale({ tools, runs, small, work, log }) {
  const own = tools.filter(tool => tool.id.startsWith('node') && tool.version !== undefined)
  const withPeers = ids => [...own, ...tools.filter(tool => ids.includes(tool.id) && tool.version !== undefined)]
  const count = small ? 10_000 : 100_000
  const bytes = small ? 400e6 : 4e9
  const results = []
  const step = async (what, make, compared, options) => {
    const source = join(work, 'source')
    mkdirSync(source)
    make(source)
    await sleep(SETTLED_MS)
    results.push(...(await runSteps({ what, source, tools: compared, runs, work: join(work, 'runs'), log, ...options })))
    for (const folder of ['source', 'runs']) rmSync(join(work, folder), { recursive: true })
  }
  const many = `${count.toLocaleString('en')} small files`
  await step(many, source => makeManyFiles(source, count), withPeers(PEERS_OF_MANY), { again: true, keep: true })
  const big = `one file of ${bytes / 1e6} MB`
  await step(big, source => makeBigFile(join(source, 'big.bin'), bytes), own, { again: false, keep: false })
  await step('five versions of a project, side by side', source => makeCorpus(source, { small }), withPeers(PEERS_OF_ALL_KINDS), {
    again: false,
    keep: false,
  })
  return results
}

/**
 * `keep` leaves all that was made until the end: where many files were deleted in the last minute, ext4 needs several times as long to make new ones, and the
 * next tool would pay for it.
 */
async function runSteps({ what, source, again, keep, tools, runs, work, log }) {
  const input = sizeOf(source)
  const steps = ['push', ...(again ? ['push, nothing changed'] : []), 'pull']
  const results = new Map(tools.map(tool => [tool, { measured: steps.map(() => []), stored: 0 }]))
  for (let run = 0; run < runs; run++) {
    for (const tool of tools) {
      const place = join(work, `run-${run}`, tool.id)
      const target = join(place, 'restored')
      const scratch = join(place, 'time')
      mkdirSync(target, { recursive: true })
      if (tool.init) await measure(tool.init(place), scratch)
      warmUp(source)
      for (const [i, step] of steps.entries()) {
        const measured = await measure(step === 'pull' ? tool.pull(place, 1, target) : tool.push(place, source, i + 1), scratch)
        results.get(tool).measured[i].push(measured)
        if (step === 'push') results.get(tool).stored = sizeOf(tool.store(place))
        log(`run ${run + 1}, ${what}, ${tool.id}, ${step}: ${seconds(measured.seconds)} s, ${megabytes(measured.peakBytes)} MB peak`)
      }
      if (!isSame(source, target)) throw new Error(`what ${tool.id} restored is not what it was given: ${what}`)
      if (!keep) rmSync(place, { recursive: true })
    }
  }
  return [...results].flatMap(([tool, { measured, stored }]) =>
    steps.map((step, i) => ({ what, step, tool, input, stored: step === 'push' ? stored : undefined, ...summary(measured[i]) })),
  )
}

/** The results as Markdown. */
export function scaleTable(results) {
  return table(
    ['what', 'MB', 'step', 'tool', 'seconds', 'CPU seconds', 'MB/s', 'stored MB', 'peak MB'],
    results.map(({ what, input, step, tool, seconds: wall, cpuSeconds, stored, peakBytes }) => [
      ...[what, megabytes(input, 0), step, tool.label, seconds(wall), seconds(cpuSeconds)],
      ...[perSecond(input, wall), stored === undefined ? '' : megabytes(stored), megabytes(peakBytes, 0)],
    ]),
  )
}
