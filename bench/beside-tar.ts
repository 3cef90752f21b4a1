import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, isSame, measure, type Measurement, rotated, sizeOf, summary, warmUp } from './measure.ts'
import { megabytes, ratio, seconds, table } from './report.ts'
import { findTools, type Tool } from './tools.ts'

/** zstd -3 in one thread, as a person would type it. */
const BASELINE = 'tar-t1'

/**
 * A first push of `source` and its pull, beside an archive of it and its extraction. All take turns, `runs` times, in
 * new folders below `work`.
 */
export async function besideTar(source: string, runs: number, work: string, log: (line: string) => void): Promise<string> {
  const tools = findTools().filter(({ id, version }) => version !== undefined && (id.startsWith('node') || id === BASELINE))
  const measured = new Map(tools.map(tool => [tool, { push: [] as Measurement[], pull: [] as Measurement[], stored: 0 }]))
  warmUp(source)
  for (let run = 0; run < runs; run++) {
    for (const tool of rotated(tools, run)) {
      const place = join(work, tool.id)
      const target = join(place, 'pulled')
      mkdirSync(target, { recursive: true })
      const results = measured.get(tool)!
      const step = async (kind: 'push' | 'pull', command: Command): Promise<void> => {
        const result = await measure(command, join(work, 'time'))
        results[kind].push(result)
        log(`run ${run + 1}, ${tool.id}, ${kind}: ${seconds(result.seconds)} s, ${seconds(result.cpuSeconds)} CPU s`)
      }
      await step('push', tool.push(place, source, 1))
      results.stored = sizeOf(tool.store(place))
      await step('pull', tool.pull(place, 1, target))
      if (!isSame(source, target)) throw new Error(`${tool.id} did not give back what it had been given`)
      rmSync(place, { recursive: true })
    }
  }
  return describe(measured)
}

function describe(measured: ReadonlyMap<Tool, Record<'push' | 'pull', Measurement[]> & { stored: number }>): string {
  const baseline = [...measured].find(([{ id }]) => id === BASELINE)?.[1]
  const rows = (['push', 'pull'] as const).flatMap(kind =>
    [...measured].map(([{ label }, results]) => {
      const { seconds: wall, cpuSeconds, peakBytes } = summary(results[kind])
      const times = ratio(cpuSeconds, baseline && summary(baseline[kind]).cpuSeconds)
      return [kind, label, seconds(wall), seconds(cpuSeconds), times, megabytes(results.stored), megabytes(peakBytes, 0)]
    }),
  )
  return table(['step', 'tool', 'seconds', 'CPU seconds', 'CPU seconds, tar = 1', 'stored MB', 'peak MB'], rows)
}
