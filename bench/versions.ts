import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isSame, measure, median, sizeOf, summary, total, warmUp } from './measure.mjs'
import { megabytes, perSecond, ratio, seconds, table } from './report.mjs'

const BASELINE = 'tar-t2'

/**
 * Pushes `versions` (folders, in this order) with every tool into a repository of its own, then restores the last one, `runs` times from the start. The tools
 * take turns version by version, each time another one first, so that a busy moment of the machine hits none of them in particular.
 */
export async function compareVersions({ versions, tools, runs, work, log }) {
  const results = new Map(
    tools.map(tool => [tool, { pushes: versions.map(() => []), stored: versions.map(() => []), pulls: [], same: true }]),
  )
  for (let run = 0; run < runs; run++) {
    const taking = tools.filter(tool => tool.version !== undefined && !(tool.once && run > 0))
    const placeOf = tool => join(work, `run-${run}`, tool.id)
    const scratch = join(work, 'time')
    for (const tool of taking) {
      mkdirSync(placeOf(tool), { recursive: true })
      if (tool.init) await measure(tool.init(placeOf(tool)), scratch)
    }
    for (const [i, source] of versions.entries()) {
      warmUp(source)
      for (const tool of rotated(taking, run + i)) {
        const result = results.get(tool)
        const measured = await measure(tool.push(placeOf(tool), source, i + 1), scratch)
        const stored = sizeOf(tool.store(placeOf(tool)))
        result.pushes[i].push(measured)
        result.stored[i].push(stored)
        log(`run ${run + 1}, v${i + 1}, ${tool.id}: ${describe(measured)}, ${megabytes(stored)} MB stored`)
      }
    }
    for (const tool of rotated(taking, run)) {
      const result = results.get(tool)
      const target = join(placeOf(tool), 'restored')
      mkdirSync(target)
      const measured = await measure(tool.pull(placeOf(tool), versions.length, target), scratch)
      const same = isSame(versions.at(-1), target)
      result.pulls.push(measured)
      result.same &&= same
      log(`run ${run + 1}, restore, ${tool.id}: ${describe(measured)}, ${same ? 'equal' : 'NOT EQUAL'}`)
    }
    rmSync(join(work, `run-${run}`), { recursive: true })
  }
  return results
}

const rotated = (list, by) => [...list.slice(by % list.length), ...list.slice(0, by % list.length)]

const describe = ({ seconds: wall, cpuSeconds, peakBytes }) =>
  `${seconds(wall)} s, ${seconds(cpuSeconds)} CPU s, ${megabytes(peakBytes)} MB peak`

/** The results as Markdown. */
export function versionTables(results, versions) {
  const inputs = versions.map(sizeOf)
  const input = inputs.reduce((a, b) => a + b)
  const last = inputs.at(-1)
  const pushed = new Map([...results].map(([tool, { pushes }]) => [tool, total(pushes.map(summary))]))
  const pulled = new Map([...results].map(([tool, { pulls }]) => [tool, summary(pulls)]))
  const baseline = [...results.keys()].find(tool => tool.id === BASELINE)
  const relative = (measured, tool) => ratio(measured.get(baseline)?.seconds, measured.get(tool).seconds)

  const rows = cells =>
    [...results].map(([tool, result]) =>
      tool.version === undefined ? [tool.label, 'not installed'] : [tool.label, ...cells(tool, result)],
    )
  const storedAfter = (result, i) => median(result.stored[i])
  const pushTable = table(
    ['all versions pushed', 'seconds', 'CPU seconds', 'MB/s', 'speed, tar -T2 = 1', 'stored MB', '% of input', 'peak MB'],
    rows((tool, result) => {
      const { seconds: wall, cpuSeconds, peakBytes } = pushed.get(tool)
      const stored = storedAfter(result, versions.length - 1)
      const size = [megabytes(stored), ((100 * stored) / input).toFixed(1)]
      return [seconds(wall), seconds(cpuSeconds), perSecond(input, wall), relative(pushed, tool), ...size, megabytes(peakBytes, 0)]
    }),
  )
  const storedTable = table(
    [
      'MB stored after',
      ...versions.map(
        (_, i) =>
          `v${i + 1} (of ${megabytes(
            inputs.slice(0, i + 1).reduce((a, b) => a + b),
            0,
          )})`,
      ),
    ],
    rows((_, result) => versions.map((_, i) => megabytes(storedAfter(result, i)))),
  )
  const secondsTable = table(
    ['seconds / CPU seconds for', ...versions.map((_, i) => `v${i + 1} (${megabytes(inputs[i], 0)} MB)`)],
    rows((_, result) => result.pushes.map(summary).map(({ seconds: wall, cpuSeconds }) => `${seconds(wall)} / ${seconds(cpuSeconds)}`)),
  )
  const pullTable = table(
    [`v${versions.length} restored`, 'seconds', 'CPU seconds', 'MB/s', 'speed, tar -T2 = 1', 'peak MB', 'diff -r'],
    rows((tool, { same }) => {
      const { seconds: wall, cpuSeconds, peakBytes } = pulled.get(tool)
      const speed = [perSecond(last, wall), relative(pulled, tool)]
      return [seconds(wall), seconds(cpuSeconds), ...speed, megabytes(peakBytes, 0), same ? 'equal' : '**differs**']
    }),
  )
  return [pushTable, storedTable, secondsTable, pullTable].join('\n')
}
