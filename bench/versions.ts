import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isSame, measure, type Measurement, median, rotated, sizeOf, type Summary, summary, total, warmUp } from './measure.ts'
import { megabytes, perSecond, ratio, seconds, table } from './report.ts'
import type { Tool } from './tools.ts'

const BASELINE = 'tar-t2'

export interface ComparisonOptions {
  /** Folders, pushed in this order. */
  versions: readonly string[]
  tools: readonly Tool[]
  runs: number
  /** A folder for temporary data. */
  work: string
  log: (line: string) => void
}

export interface ToolResult {
  /** By version, one a run. */
  pushes: Measurement[][]
  /** Bytes, by version, one a run. */
  stored: number[][]
  pulls: Measurement[]
  /** Whether every pull gave back what was pushed. */
  same: boolean
}

/**
 * Pushes all versions with every tool into a repository of its own, then restores the last one; starts again `runs`
 * times. The tools take turns version by version. Each time another one is first, so that a busy moment of the
 * machine hits no tool in particular.
 */
export async function compareVersions({ versions, tools, runs, work, log }: ComparisonOptions): Promise<Map<Tool, ToolResult>> {
  const results = new Map<Tool, ToolResult>(
    tools.map(tool => [tool, { pushes: versions.map(() => []), stored: versions.map(() => []), pulls: [], same: true }]),
  )
  for (let run = 0; run < runs; run++) {
    const taking = tools.filter(tool => tool.version !== undefined && !(tool.once && run > 0))
    const placeOf = (tool: Tool): string => join(work, `run-${run}`, tool.id)
    const scratch = join(work, 'time')
    for (const tool of taking) {
      mkdirSync(placeOf(tool), { recursive: true })
      if (tool.init) await measure(tool.init(placeOf(tool)), scratch)
    }
    for (const [i, source] of versions.entries()) {
      warmUp(source)
      for (const tool of rotated(taking, run + i)) {
        const result = results.get(tool)!
        const measured = await measure(tool.push(placeOf(tool), source, i + 1), scratch)
        const stored = sizeOf(tool.store(placeOf(tool)))
        result.pushes[i]!.push(measured)
        result.stored[i]!.push(stored)
        log(`run ${run + 1}, v${i + 1}, ${tool.id}: ${describe(measured)}, ${megabytes(stored)} MB stored`)
      }
    }
    for (const tool of rotated(taking, run)) {
      const result = results.get(tool)!
      const target = join(placeOf(tool), 'restored')
      mkdirSync(target)
      const measured = await measure(tool.pull(placeOf(tool), versions.length, target), scratch)
      const same = isSame(versions.at(-1)!, target)
      result.pulls.push(measured)
      result.same &&= same
      log(`run ${run + 1}, restore, ${tool.id}: ${describe(measured)}, ${same ? 'equal' : 'NOT EQUAL'}`)
    }
    rmSync(join(work, `run-${run}`), { recursive: true })
  }
  return results
}

const describe = ({ seconds: wall, cpuSeconds, peakBytes }: Measurement): string =>
  `${seconds(wall)} s, ${seconds(cpuSeconds)} CPU s, ${megabytes(peakBytes)} MB peak`

/** The results as Markdown. */
export function versionTables(results: ReadonlyMap<Tool, ToolResult>, versions: readonly string[]): string {
  const inputs = versions.map(sizeOf)
  const input = inputs.reduce((a, b) => a + b)
  const last = inputs.at(-1)!
  const pushed = new Map([...results].map(([tool, { pushes }]) => [tool, total(pushes.map(summary))]))
  const pulled = new Map([...results].map(([tool, { pulls }]) => [tool, summary(pulls)]))
  const baseline = [...results.keys()].find(tool => tool.id === BASELINE)
  const relative = (measured: ReadonlyMap<Tool, Summary>, tool: Tool): string =>
    ratio(baseline && measured.get(baseline)?.seconds, measured.get(tool)!.seconds)

  const rows = (cells: (tool: Tool, result: ToolResult) => string[]): string[][] =>
    [...results].map(([tool, result]) =>
      tool.version === undefined ? [tool.label, 'not installed'] : [tool.label, ...cells(tool, result)],
    )
  const storedAfter = (result: ToolResult, i: number): number | undefined => median(result.stored[i]!)
  const pushTable = table(
    ['all versions pushed', 'seconds', 'CPU seconds', 'MB/s', 'speed, tar -T2 = 1', 'stored MB', '% of input', 'peak MB'],
    rows((tool, result) => {
      const { seconds: wall, cpuSeconds, peakBytes } = pushed.get(tool)!
      const stored = storedAfter(result, versions.length - 1)
      const size = [megabytes(stored), ((100 * (stored ?? NaN)) / input).toFixed(1)]
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
  const perVersion = (title: string, field: 'seconds' | 'cpuSeconds'): string =>
    table(
      [title, ...versions.map((_, i) => `v${i + 1} (${megabytes(inputs[i], 0)} MB)`)],
      rows((_, { pushes }) => pushes.map(measured => seconds(summary(measured)[field]))),
    )
  const pullTable = table(
    [`v${versions.length} restored`, 'seconds', 'CPU seconds', 'MB/s', 'speed, tar -T2 = 1', 'peak MB', 'diff -r'],
    rows((tool, { same }) => {
      const { seconds: wall, cpuSeconds, peakBytes } = pulled.get(tool)!
      const speed = [perSecond(last, wall), relative(pulled, tool)]
      return [seconds(wall), seconds(cpuSeconds), ...speed, megabytes(peakBytes, 0), same ? 'equal' : '**differs**']
    }),
  )
  return [pushTable, storedTable, perVersion('seconds for', 'seconds'), perVersion('CPU seconds for', 'cpuSeconds'), pullTable].join('\n')
}
